"""JWK Sets of others (RFC 7517 §5): which of their keys may verify something here, and which are too weak.

RFC 8725 §3.1–3.5: points off the curve, small RSA keys and symmetric keys are refused; a key pins its algorithms.
"""

from __future__ import annotations

import base64
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey

from keys.jwk import known_as

SMALLEST_RSA, LARGEST_RSA = 2048, 8192
SMALLEST_EXPONENT = 65_537
MOST_KEYS = 10
LONGEST_MEMBER = 8192
KINDS: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
ALGORITHMS_OF = {
    ("RSA", ""): ("RS256", "PS256"),
    ("EC", "P-256"): ("ES256",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
TEXTS = frozenset({"kty", "n", "e", "crv", "x", "y", "kid", "use", "alg", "x5t", "x5t#S256"})
LISTS = frozenset({"key_ops", "x5c"})
PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k"})

PublicJWK = dict[str, Any]


class UnusableKeys(Exception):
    """The set or one of its keys cannot be used; the message says why and repeats nothing of it."""


def algorithms_of(key: PublicJWK) -> tuple[str, ...]:
    """What a judged key may verify: nothing when it is for encryption, of another curve or of another algorithm."""
    if key.get("use", "sig") != "sig" or "verify" not in key.get("key_ops", ["verify"]):
        return ()
    return tuple(
        alg for alg in ALGORITHMS_OF.get((key["kty"], key.get("crv", "")), ()) if known_as(key.get("alg", alg)) == alg
    )


def judged(document: object) -> list[PublicJWK]:
    """The keys of a set that is registered here, reduced to their public members. Raises `UnusableKeys`."""
    keys = [_judged_key(key) for key in _members(document)]
    names = [key["kid"] for key in keys if "kid" in key]
    if len(set(names)) != len(names) or (len(keys) > 1 and len(names) != len(keys)):
        raise UnusableKeys("must give each of several keys a kid of its own")
    if not any(algorithms_of(key) for key in keys):
        raise UnusableKeys("holds no key for RS256, PS256, ES256 or EdDSA signatures")
    return keys


def usable(document: object) -> list[PublicJWK]:
    """The good keys of a set that somebody else publishes, where others may stand too. Raises `UnusableKeys`."""
    keys = []
    for member in _members(document):
        try:
            keys.append(_judged_key(member))
        except UnusableKeys:
            continue
    found = [key for key in keys if algorithms_of(key)]
    if not found:
        raise UnusableKeys("holds no key for RS256, PS256, ES256 or EdDSA signatures")
    return found


def _members(document: object) -> list[PublicJWK]:
    """The members of a set. One that gives its private part away condemns the set: whoever read it can sign."""
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list) or not 0 < len(found) <= MOST_KEYS:
        raise UnusableKeys(f"must be a JWK Set with 1 to {MOST_KEYS} keys")
    if any(not isinstance(member, dict) or PRIVATE & set(member) for member in found):
        raise UnusableKeys("must hold public keys only")
    return found


def _judged_key(member: PublicJWK) -> PublicJWK:
    key = {name: value for name, value in member.items() if name in TEXTS | LISTS}
    if not all(_is_text(value) if name in TEXTS else _is_list(value) for name, value in key.items()):
        raise UnusableKeys("holds a key with a malformed member")
    kind = KINDS.get(key.get("kty", ""))
    if kind is None:
        raise UnusableKeys("holds a key that is neither RSA, EC nor OKP")
    try:
        if kind is RSAKey:
            _check_rsa(_number(key["n"]), _number(key["e"]))
        kind.import_key(key).raw_value  # noqa: B018 - a point off its curve is found here
    except (JoseError, UnsupportedAlgorithm, ValueError, TypeError, KeyError) as error:
        raise UnusableKeys("holds a key that cannot be read") from error
    return key


def _check_rsa(modulus: int, exponent: int) -> None:
    if not SMALLEST_RSA <= modulus.bit_length() <= LARGEST_RSA:
        raise UnusableKeys(f"holds an RSA key of less than {SMALLEST_RSA} or more than {LARGEST_RSA} bits")
    if exponent < SMALLEST_EXPONENT:
        raise UnusableKeys(f"holds an RSA key with an exponent below {SMALLEST_EXPONENT}")


def _number(text: str) -> int:
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


def _is_text(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= LONGEST_MEMBER and value.isascii() and value.isprintable()


def _is_list(value: object) -> bool:
    return isinstance(value, list) and 0 < len(value) <= MOST_KEYS and all(_is_text(entry) for entry in value)
