"""Mutual TLS (RFC 8705) behind a reverse proxy: the client's certificate comes in a header that the proxy sets.

The header counts only where the operator named it and said that a trusted proxy stands in front; anywhere else it is a
stranger's claim and never looked at. Its form is nginx's `$ssl_client_escaped_cert`: PEM, percent-encoded.
"""

from __future__ import annotations

import base64
import hmac
from datetime import datetime
from functools import lru_cache
from hashlib import sha256
from pathlib import Path
from urllib.parse import unquote

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding
from flask import Request

from idp.errors import ProtocolError
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.settings import Settings
from keys import base64url
from keys.jwks import PublicJWK

PKI, SELF_SIGNED = "tls_client_auth", "self_signed_tls_client_auth"
LARGEST_HEADER = 16 * 1024
CLIENT_AUTH = x509.oid.ExtendedKeyUsageOID.CLIENT_AUTH
UNREADABLE = (ValueError, x509.DuplicateExtension, x509.UnsupportedGeneralNameType)  # of a stranger's extensions


def methods(settings: Settings) -> tuple[str, ...]:
    """The client authentication methods that this installation can judge."""
    if settings.mtls_certificate_header is None:
        return ()
    return (PKI, SELF_SIGNED) if settings.mtls_ca_file else (SELF_SIGNED,)


def certificate_of(bundle: Services, request: Request) -> x509.Certificate | None:
    """The certificate that the proxy saw in the handshake. Raises `ProtocolError` invalid_request."""
    name = bundle.settings.mtls_certificate_header
    if name is None or not bundle.settings.trusted_proxies:
        return None
    shown = request.headers.get(name, "")
    if not shown:
        return None
    try:
        pem = unquote(shown)
        # A header that came twice, the stranger's beside the proxy's, arrives joined by a comma.
        if len(shown) > LARGEST_HEADER or "," in shown or pem.count("BEGIN") != 1:
            raise ValueError("not exactly one certificate")
        return x509.load_pem_x509_certificate(pem.encode())
    except ValueError:
        raise ProtocolError("invalid_request", "the client certificate cannot be read") from None


def thumbprint(certificate: x509.Certificate) -> str:
    """`x5t#S256` (RFC 8705 §3.1)."""
    return base64url.encode(sha256(certificate.public_bytes(Encoding.DER)).digest())


def has_right_certificate(bundle: Services, portal: Portal, certificate: x509.Certificate) -> bool:
    """Whether the certificate proves the portal by the method it registered (RFC 8705 §2)."""
    if portal.token_endpoint_auth_method == SELF_SIGNED:
        return _is_registered(bundle, portal, certificate)
    file = bundle.settings.mtls_ca_file
    return (
        file is not None
        and _names_portal(portal, certificate)
        and _is_issued_by(certificate, authorities(file), bundle.clock.now())
    )


def _is_registered(bundle: Services, portal: Portal, certificate: x509.Certificate) -> bool:
    """RFC 8705 §2.2.2: the certificate MUST match one in the x5c of the client's keys, here or behind its jwks_uri."""
    shown = base64.b64encode(certificate.public_bytes(Encoding.DER))

    def is_shown(key: PublicJWK) -> bool:
        chain = key.get("x5c")
        leaf = chain[0] if isinstance(chain, list) and chain else None
        return isinstance(leaf, str) and hmac.compare_digest(shown, leaf.encode())

    return bundle.portal_keys.has(portal, is_shown)


def _names_portal(portal: Portal, certificate: x509.Certificate) -> bool:
    """The one registered name of RFC 8705 §2.1.2 stands in the certificate."""
    try:
        if portal.tls_client_auth_san_dns is not None:
            names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
            wanted = portal.tls_client_auth_san_dns.lower()
            return wanted in {name.lower() for name in names.get_values_for_type(x509.DNSName)}
        subject = portal.tls_client_auth_subject_dn
        return subject is not None and x509.Name.from_rfc4514_string(subject) == certificate.subject
    except (*UNREADABLE, x509.ExtensionNotFound):
        return False


@lru_cache(maxsize=4)
def authorities(file: Path) -> tuple[x509.Certificate, ...]:
    """The certificate authorities of the installation's file, read once."""
    return tuple(x509.load_pem_x509_certificates(file.read_bytes()))


def _is_issued_by(certificate: x509.Certificate, issuers: tuple[x509.Certificate, ...], now: datetime) -> bool:
    """The proxy's own check may be switched off for self-signed certificates, so the chain is judged here."""
    if not _is_valid(certificate, now) or not _serves_clients(certificate):
        return False
    for issuer in issuers:
        try:
            certificate.verify_directly_issued_by(issuer)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            continue
        return _is_valid(issuer, now)
    return False


def _is_valid(certificate: x509.Certificate, now: datetime) -> bool:
    return certificate.not_valid_before_utc <= now <= certificate.not_valid_after_utc


def _serves_clients(certificate: x509.Certificate) -> bool:
    try:
        usage = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except x509.ExtensionNotFound:
        return True
    except UNREADABLE:
        return False
    return CLIENT_AUTH in usage
