"""Signing and verifying compact JWS (RFC 7515) with the algorithm pinned by the key, never by the token.

RFC 8725 §3.1–3.11: fixed algorithm per key, explicit `typ`, no key material from the header, no unknown `crit`.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from joserfc import jws
from joserfc.errors import JoseError, SecurityWarning
from joserfc.jwk import ECKey, OKPKey, RSAKey
from pydantic_core import to_json

from keys import base64url
from keys.jwk import ALGORITHMS, PrivateKey, known_as

# Not every relying party's library knows the name Ed25519 (RFC 9864) yet: we sign as EdDSA and verify both.
warnings.filterwarnings("ignore", message="EdDSA is deprecated", category=SecurityWarning)

ES256, P256_BYTES = ECDSA(SHA256()), 32
LARGEST_TOKEN = 16 * 1024
REFUSED_HEADERS = {"jwk", "jku", "x5u", "x5c", "crit", "b64", "zip", "enc"}


class InvalidToken(Exception):
    """The token is refused; the message never repeats a part of it."""


class Signer:
    """A key with its algorithm and name. What is the same for each of its signatures is worked out once: the library
    spends twice as long on that as on a signature with ES256.
    """

    def __init__(self, key: PrivateKey, *, alg: str, kid: str) -> None:
        """Raises `ValueError` for an algorithm that is none of ours, `JoseError` for a key that is not for it."""
        if alg not in ALGORITHMS:
            raise ValueError("the algorithm is none of ours")
        self._names = {"alg": alg, "kid": kid}
        self._headers: dict[str, str] = {}  # by `typ`, of which we have a handful
        model = jws.JWSRegistry.algorithms[alg]
        model.check_key(key)
        self._signature: Callable[[bytes], bytes] = partial(model.sign, key=key)
        if isinstance(key.private_key, EllipticCurvePrivateKey):
            self._signature = partial(_es256, key.private_key)

    def __repr__(self) -> str:
        return f"Signer({self._names})"

    def sign(self, claims: Mapping[str, Any], *, typ: str) -> str:
        """The compact serialisation (RFC 7515 §7.1) with `alg`, `kid` and `typ` in its header."""
        header = self._headers.get(typ)
        if header is None:
            header = self._headers[typ] = base64url.encode(to_json({**self._names, "typ": typ}))
        signed = f"{header}.{base64url.encode(to_json(claims))}"
        return f"{signed}.{base64url.encode(self._signature(signed.encode()))}"


def _es256(key: EllipticCurvePrivateKey, message: bytes) -> bytes:
    """R and S, 32 bytes each (RFC 7518 §3.4), of what the library answers as ASN.1."""
    r, s = decode_dss_signature(key.sign(message, ES256))
    return r.to_bytes(P256_BYTES) + s.to_bytes(P256_BYTES)


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
