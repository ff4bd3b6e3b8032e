"""Signing keys as JSON Web Keys (RFC 7517): the four algorithms, generation, and the RFC 7638 thumbprint as `kid`."""

from __future__ import annotations

from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers, RSAPublicNumbers
from joserfc.jwk import ECKey, OKPKey, RSAKey
from joserfc.util import base64_to_int

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
OTHER_NAMES = {"Ed25519": "EdDSA"}  # RFC 9864 §2.2; some libraries sign under the new name already
RSA_BITS = 3072

PrivateKey = RSAKey | ECKey | OKPKey


def known_as(alg: object) -> str:
    """The name under which we know an algorithm."""
    return OTHER_NAMES.get(str(alg), str(alg))


def generate(alg: str) -> PrivateKey:
    """A fresh private key for this algorithm."""
    if alg in {"RS256", "PS256"}:
        return RSAKey.generate_key(RSA_BITS, private=True)
    if alg == "ES256":
        return ECKey.generate_key("P-256", private=True)
    if alg == "EdDSA":
        return OKPKey.generate_key("Ed25519", private=True)
    raise ValueError("no such signature algorithm")


def read_private(document: dict[str, Any]) -> PrivateKey:
    """The key of a private JWK document that we made ourselves and kept sealed."""
    if document["kty"] == "RSA":
        return RSAKey.import_key(_rsa(document))
    kinds: dict[str, type[ECKey] | type[OKPKey]] = {"EC": ECKey, "OKP": OKPKey}
    return kinds[document["kty"]].import_key(document)


def _rsa(document: dict[str, Any]) -> RSAPrivateKey:
    """Without the test of the primes, which takes a hundred signatures' time: the seal proves that it is our key."""
    n, e, d, p, q, dmp1, dmq1, iqmp = (
        base64_to_int(document[name]) for name in ("n", "e", "d", "p", "q", "dp", "dq", "qi")
    )
    numbers = RSAPrivateNumbers(p, q, d, dmp1, dmq1, iqmp, RSAPublicNumbers(e, n))
    return numbers.private_key(unsafe_skip_rsa_key_validation=True)


def public_document(key: PrivateKey, alg: str) -> dict[str, Any]:
    """The public JWK as published: with `kid`, `use` and `alg`, without any private member."""
    document = dict(key.as_dict(private=False))
    return {**document, "kid": key.thumbprint(), "use": "sig", "alg": alg}
