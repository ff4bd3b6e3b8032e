"""A JWS that carries its own public key (RFC 9449 §4.2): it proves possession of that key, never who holds it.

It stands apart from `keys.jws`, which refuses key material in a header, so that neither can be taken for the other.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from joserfc import jws
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import urlsafe_b64decode

from keys.jws import LARGEST_TOKEN, InvalidToken

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
REFUSED_HEADERS = {"jku", "x5u", "x5c", "crit", "b64", "zip", "enc"}
RSA_BITS = range(2048, 4097)
LARGEST_EXPONENT = 2**32  # a stranger's key must not make us compute for seconds
KEYS: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}


class _Registry(jws.JWSRegistry):
    """A header with an RSA key in it is longer than the library's 512 bytes."""

    max_header_length = 2048


@dataclass(frozen=True)
class Proof:
    """The RFC 7638 thumbprint of the key that signed, and what it signed."""

    thumbprint: str
    claims: dict[str, Any]


def verify_proof(token: str, *, typ: str, algorithms: tuple[str, ...]) -> Proof:
    """Verify with the key of the header. Raises `InvalidToken`; judges no claim."""
    if len(token) > LARGEST_TOKEN or token.count(".") != 2 or not token.isascii():
        raise InvalidToken("not a compact token")
    registry = _Registry(algorithms=algorithms)
    try:
        header = jws.extract_compact(token.encode(), registry=registry).headers()
        if REFUSED_HEADERS & set(header) or header.get("typ") != typ or header["alg"] not in algorithms:
            raise InvalidToken("another kind of token, another algorithm, or a refused header")
        key = _public_key(header["jwk"])
        claims = json.loads(jws.deserialize_compact(token.encode(), key, registry=registry).payload)
        thumbprint = key.thumbprint()
    except (JoseError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise InvalidToken("the proof cannot be read or does not verify") from error
    if not isinstance(claims, dict):
        raise InvalidToken("the claims are not an object")
    return Proof(thumbprint, claims)


def _public_key(document: dict[str, Any]) -> RSAKey | ECKey | OKPKey:
    # RFC 9449 §4.3 point 7: the jwk MUST NOT contain a private key.
    if PRIVATE_MEMBERS & set(document):
        raise InvalidToken("the key in the header is not public")
    if document["kty"] == "RSA" and (
        _number(document["n"]).bit_length() not in RSA_BITS or _number(document["e"]) >= LARGEST_EXPONENT
    ):
        raise InvalidToken("the RSA key is too small or too large")
    return KEYS[document["kty"]].import_key(document)


def _number(text: str) -> int:
    return int.from_bytes(urlsafe_b64decode(text.encode()), "big")
