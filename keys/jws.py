"""Signing and verifying compact JWS (RFC 7515) with the algorithm pinned by the key, never by the token.

RFC 8725 §3.1–3.11: fixed algorithm per key, explicit `typ`, no key material from the header, no unknown `crit`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64encode

from keys.jwk import ALGORITHMS, PrivateKey, known_as

# Not every relying party's library knows the name Ed25519 (RFC 9864) yet: we sign as EdDSA and verify both.
warnings.filterwarnings("ignore", message="EdDSA is deprecated", category=SecurityWarning)

LARGEST_TOKEN = 16 * 1024
REFUSED_HEADERS = {"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"}


class InvalidToken(Exception):
    """The token is refused; the message never repeats a part of it."""


def sign(claims: Mapping[str, Any], key: PrivateKey, *, alg: str, kid: str, typ: str) -> str:
    """The compact serialisation with `alg`, `kid` and `typ` in its header. Raises `ValueError` for an algorithm that is
    none of ours, `JoseError` for a key that is not for it.
    """
    if alg not in ALGORITHMS:
        raise ValueError("the algorithm is none of ours")
    model = jws.JWSRegistry.algorithms[alg]
    model.check_key(key)
    signed = _header(alg, kid, typ) + b"." + urlsafe_b64encode(json.dumps(claims, separators=(",", ":")).encode())
    return (signed + b"." + urlsafe_b64encode(model.sign(signed, key))).decode()


@lru_cache(maxsize=256)
def _header(alg: str, kid: str, typ: str) -> bytes:
    """Its first part, the same for every token of a key: half of what the library spends beside the signature."""
    return urlsafe_b64encode(json.dumps({"alg": alg, "kid": kid, "typ": typ}, separators=(",", ":")).encode())


def peek(token: str) -> dict[str, Any]:
    """The header of a well-formed compact token of tolerable size. Raises `InvalidToken`."""
    if len(token) > LARGEST_TOKEN or token.count(".") != 2 or not token.isascii():
        raise InvalidToken("not a compact token")
    try:
        header = jws.extract_compact(token.encode()).headers()
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InvalidToken("the header cannot be read") from error
    if not isinstance(header, dict) or REFUSED_HEADERS & set(header):
        raise InvalidToken("the header has a refused member")
    return header


def peek_claims(token: str) -> dict[str, Any]:
    """The claims as they stand, *unverified*: good for finding the key to verify with. Raises `InvalidToken`."""
    peek(token)
    try:
        claims = json.loads(jws.extract_compact(token.encode()).payload)
    except (JoseError, ValueError, TypeError, RecursionError) as error:
        raise InvalidToken("the claims cannot be read") from error
    if not isinstance(claims, dict):
        raise InvalidToken("the claims are not an object")
    return claims


def verify(token: str, public_jwk: Mapping[str, Any], *, alg: str) -> dict[str, Any]:
    """The claims of a token signed with this key and algorithm. Raises `InvalidToken`; judges no claim."""
    header = peek(token)
    if alg not in ALGORITHMS or known_as(header.get("alg")) != alg:
        raise InvalidToken("the algorithm is not the key's")
    kinds: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    try:
        key = kinds[str(public_jwk["kty"])].import_key(dict(public_jwk))
        claims = json.loads(jws.deserialize_compact(token.encode(), key, algorithms=[header["alg"]]).payload)
    except (JoseError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InvalidToken("the signature does not verify") from error
    if not isinstance(claims, dict):
        raise InvalidToken("the claims are not an object")
    return claims
