"""Signing keys as JSON Web Keys (RFC 7517): the four algorithms, generation, and the RFC 7638 thumbprint as `kid`."""

from __future__ import annotations

from typing import Any

from joserfc.jwk import ECKey, OKPKey, RSAKey

ALGORITHMS = ("RS256", "PS256", "ES256", "EdDSA")
VERIFIED = (*ALGORITHMS, "Ed25519")  # what others may sign with; Ed25519 is the new name of EdDSA (RFC 9864)
RSA_BITS = 3072

PrivateKey = RSAKey | ECKey | OKPKey


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
    """The key of a private JWK document."""
    kinds: dict[str, type[RSAKey] | type[ECKey] | type[OKPKey]] = {"RSA": RSAKey, "EC": ECKey, "OKP": OKPKey}
    return kinds[document["kty"]].import_key(document)


def public_document(key: PrivateKey, alg: str) -> dict[str, Any]:
    """The public JWK as published: with `kid`, `use` and `alg`, without any private member."""
    document = dict(key.as_dict(private=False))
    return {**document, "kid": key.thumbprint(), "use": "sig", "alg": alg}
