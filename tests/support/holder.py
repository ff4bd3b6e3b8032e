"""A portal's own key for DPoP proofs, and its client certificates, made at run time."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import quote

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from idp.clock import Clock
from tests.support.person import ISSUER

MAKERS: dict[str, Any] = {
    "ES256": lambda: ECKey.generate_key("P-256", private=True),
    "PS256": lambda: RSAKey.generate_key(2048, private=True),
    "RS256": lambda: RSAKey.generate_key(2048, private=True),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519", private=True),
    "Ed25519": lambda: OKPKey.generate_key("Ed25519", private=True),
}


def b64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header: dict[str, Any], claims: Any, key: Any) -> str:
    """A compact JWS with whatever header and claims a test wants."""
    text = f"{b64url(json.dumps(header).encode())}.{b64url(json.dumps(claims).encode())}"
    algorithm = jws.JWSRegistry(algorithms=[header["alg"]]).get_alg(header["alg"])
    return f"{text}.{b64url(algorithm.sign(text.encode(), key))}"


@dataclass
class ProofKey:
    """Signs DPoP proofs; every one has a `jti` of its own. A change to None leaves a member out."""

    clock: Clock
    alg: str = "ES256"
    key: Any = None
    count: int = field(default=0)

    def __post_init__(self) -> None:
        self.key = self.key or MAKERS[self.alg]()

    @property
    def jkt(self) -> str:
        return str(self.key.thumbprint())

    def claims(self, method: str, path: str, token: str | None = None, **changes: Any) -> dict[str, Any]:
        self.count += 1
        said: dict[str, Any] = {
            "jti": f"proof-{self.jkt[:8]}-{self.count}", "htm": method, "htu": f"{ISSUER}{path}",
            "iat": int(self.clock.now().timestamp()),
        }  # fmt: skip
        if token is not None:
            said["ath"] = b64url(hashlib.sha256(token.encode()).digest())
        return {name: value for name, value in (said | changes).items() if value is not None}

    def header(self, **changes: Any) -> dict[str, Any]:
        said = {"alg": self.alg, "typ": "dpop+jwt", "jwk": self.key.as_dict(private=False)}
        return {name: value for name, value in (said | changes).items() if value is not None}

    def proof(self, method: str, path: str, token: str | None = None, **changes: Any) -> str:
        return signed(self.header(), self.claims(method, path, token, **changes), self.key)


@dataclass(frozen=True)
class Certificate:
    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(serialization.Encoding.PEM).decode()

    @property
    def header(self) -> str:
        """As nginx writes `$ssl_client_escaped_cert`."""
        return quote(self.pem, safe="")

    @property
    def x5t(self) -> str:
        return b64url(hashlib.sha256(self.der).digest())


def issue(
    subject: str,
    now: datetime,
    *,
    issuer: Certificate | None = None,
    san: list[str] | None = None,
    usage: Any = None,
    days: int = 30,
    more: list[x509.UnrecognizedExtension] | None = None,
) -> Certificate:
    """A certificate, self-signed unless an issuer is named; `usage` is an extended key usage, `more` anything else."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name.from_rfc4514_string(subject)
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(issuer.certificate.subject if issuer else name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    )
    if san:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in san]), False)
    if usage is not None:
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), False)
    for extension in more or []:
        builder = builder.add_extension(extension, False)
    return Certificate(builder.sign(issuer.key if issuer else key, hashes.SHA256()), key)


def authority(now: datetime) -> Certificate:
    return issue("CN=Test Authority,O=Connect", now)


def jwks_with(certificate: Certificate, **members: str) -> dict[str, Any]:
    """A set of keys whose one key has this certificate beside it."""
    public = certificate.key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    key = ECKey.import_key(public).as_dict(private=False)
    return {"keys": [key | {"x5c": [base64.b64encode(certificate.der).decode()]} | members]}
