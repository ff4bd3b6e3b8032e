"""`cnf`: the key that a token is bound to, and who holds it (RFC 7800, RFC 9449 §6, RFC 8705 §3)."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import Any, NamedTuple

from cryptography import x509
from flask import Request

from idp.errors import ProtocolError
from idp.models.portal import Portal
from idp.protocol import dpop, mtls
from idp.protocol.security_profile import must_constrain_sender
from idp.services.bundle import Services

JKT, X5T = "jkt", "x5t#S256"


class Holder(NamedTuple):
    """What a request shows of keys: a proof signed with one, a certificate used in its handshake, or neither."""

    proof: dpop.Proof | None
    certificate: x509.Certificate | None


def holder_of(bundle: Services, request: Request) -> Holder:
    """Raises `ProtocolError` where proof or certificate is there and wrong; consumes nothing."""
    return Holder(dpop.check(bundle, request), mtls.certificate_of(bundle, request))


def bind(portal: Portal, holder: Holder) -> dict[str, Any]:
    """The `cnf` of the tokens this request gets. Raises `ProtocolError` where the portal's tokens must be bound."""
    proof, certificate, must = holder.proof, holder.certificate, must_constrain_sender(portal)
    by_certificate = portal.tls_client_certificate_bound_access_tokens
    # RFC 9449 §5.2: a client registered so MUST send a proof with every token request.
    if proof is None and (portal.dpop_bound_access_tokens or (must and certificate is None)):
        raise dpop.refused("a DPoP proof is needed")
    if certificate is None and by_certificate:
        raise ProtocolError("invalid_request", "a client certificate is needed")
    confirmation = {JKT: proof.jkt} if proof else {}
    if certificate is not None and (by_certificate or (must and proof is None)):
        confirmation[X5T] = mtls.thumbprint(certificate)
    return confirmation


def is_held(confirmation: Mapping[str, Any], holder: Holder) -> bool:
    """Whether the request shows every key that a token is bound to."""
    proof, certificate = holder.proof, holder.certificate
    shown = {JKT: proof.jkt if proof else "", X5T: mtls.thumbprint(certificate) if certificate else ""}
    keys = [(shown.get(name, ""), str(key)) for name, key in confirmation.items()]
    return all(hmac.compare_digest(held.encode(), key.encode()) for held, key in keys)
