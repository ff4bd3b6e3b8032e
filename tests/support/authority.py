"""A certificate authority made at run time, for servers on this machine that must be believed, or must not."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

DAY = timedelta(days=1)


@dataclass(frozen=True)
class Certificate:
    """A certificate and its key as files."""

    chain: Path
    key: Path

    def server_context(self) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.chain, self.key)
        return context


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


class Authority:
    """Issues certificates into a folder; `file` is what its believers are given."""

    def __init__(self, folder: Path, name: str = "Connect test authority") -> None:
        self._folder = folder
        self._name = _name(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.now(UTC)
        usage = x509.KeyUsage(
            digital_signature=False, key_cert_sign=True, crl_sign=True, content_commitment=False,
            key_encipherment=False, data_encipherment=False, key_agreement=False, encipher_only=False,
            decipher_only=False,
        )  # fmt: skip
        certificate = (
            x509.CertificateBuilder(self._name, self._name, self._key.public_key(), x509.random_serial_number())
            .not_valid_before(now - DAY)
            .not_valid_after(now + DAY)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .sign(self._key, SHA256())
        )
        self.file = folder / "authority.pem"
        self.file.write_bytes(certificate.public_bytes(Encoding.PEM))

    def issue(self, *hosts: str, begins: timedelta = -DAY, ends: timedelta = DAY) -> Certificate:
        """A certificate for these names or addresses, valid from now + `begins` to now + `ends`."""
        return self._make(hosts or ("localhost", "127.0.0.1"), begins, ends, self._name, self._key)

    def self_signed(self) -> Certificate:
        """A certificate for this machine that nobody vouches for."""
        return self._make(("localhost", "127.0.0.1"), -DAY, DAY, None, None)

    def _make(
        self, hosts: tuple[str, ...], begins: timedelta, ends: timedelta, issuer: x509.Name | None,
        issuer_key: ec.EllipticCurvePrivateKey | None,
    ) -> Certificate:  # fmt: skip
        key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
        signer = issuer_key or key
        certificate = (
            x509.CertificateBuilder(
                issuer or _name(hosts[0]), _name(hosts[0]), key.public_key(), x509.random_serial_number()
            )
            .not_valid_before(now + begins)
            .not_valid_after(now + ends)
            .add_extension(x509.SubjectAlternativeName([_general(host) for host in hosts]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
            .sign(signer, SHA256())
        )
        made = Certificate(
            self._folder / f"{certificate.serial_number}.pem", self._folder / f"{certificate.serial_number}.key"
        )
        made.chain.write_bytes(certificate.public_bytes(Encoding.PEM))
        made.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return made


def _general(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)
