"""Client authentication at the token endpoint: exactly one method, and only the one the portal registered.

client_secret_basic and client_secret_post (RFC 6749 §2.3.1), private_key_jwt (RFC 7523 §3, OIDC Core §9), and a client
certificate where nothing else is shown (RFC 8705 §2).
"""

from __future__ import annotations

import binascii
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote_plus

from cryptography import x509
from flask import Request

from idp.errors import ProtocolError
from idp.models.known_portals import known_client
from idp.models.portal import Portal
from idp.protocol import mtls
from idp.protocol.client_assertion import has_right_assertion
from idp.protocol.security_profile import allows_method
from idp.services.bundle import Services
from idp.settings import Settings
from keys import InvalidToken
from keys.jws import peek_claims

CERTIFICATE = "certificate"  # which of the two methods of RFC 8705 it is, the registration says
SHOWN = "shown_by_client"
ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


@dataclass(frozen=True, repr=False)
class Presented:
    """What one request shows: the method, the client id it claims, and the secret or assertion."""

    method: str
    client_id: str
    proof: str


def refused(detail: str, *, basic: bool = False) -> ProtocolError:
    return ProtocolError(
        "invalid_client", "client authentication failed", log_detail=detail, status=401,
        challenge='Basic realm="token"' if basic else None,
    )  # fmt: skip


def authenticate_request(bundle: Services, request: Request) -> Portal:
    """The portal that proved who it is. Raises `ProtocolError` invalid_client (401) or invalid_request."""
    certificate, form = mtls.certificate_of(bundle, request), request.form
    shown = presented(request, certificate)
    portal = known_client(shown.client_id)
    named = form.get("client_id")
    # RFC 6749 §2.3: a client MUST NOT use more than one authentication method, nor speak for another.
    if named is not None and named != shown.client_id:
        raise refused("client_id differs from the authenticated client")
    if shown.method == CERTIFICATE:
        is_right = certificate is not None and _has_right_certificate(bundle, portal, certificate)
    else:
        is_right = METHODS[shown.method](bundle, portal, shown.proof)
        is_right = is_right and portal is not None and portal.token_endpoint_auth_method == shown.method
    if portal is None or not is_right or not allows_method(portal, portal.token_endpoint_auth_method):
        raise refused("wrong proof or method", basic=shown.method == "client_secret_basic")
    return portal


def presented(request: Request, certificate: x509.Certificate | None = None) -> Presented:
    """What a request shows, of which nothing is believed yet. Raises `ProtocolError`."""
    kept = vars(request)  # which is asked for this twice at the token endpoint
    found: Presented | None = kept.get(SHOWN)
    if found is None:
        found = _presented(request.form, request.headers.get("Authorization"), certificate)
        if found.method != CERTIFICATE:
            kept[SHOWN] = found
    return found


def methods(settings: Settings) -> list[str]:
    """What this installation offers."""
    return [*METHODS, *mtls.methods(settings)]


def _presented(form: Mapping[str, str], authorization: str | None, certificate: x509.Certificate | None) -> Presented:
    ways: list[Presented] = []
    if authorization is not None:
        ways.append(_basic(authorization))
    if "client_secret" in form:
        ways.append(Presented("client_secret_post", form.get("client_id", ""), form["client_secret"]))
    if "client_assertion" in form or "client_assertion_type" in form:
        if form.get("client_assertion_type") != ASSERTION_TYPE:
            raise ProtocolError("invalid_request", "client_assertion_type is not supported")
        assertion = form.get("client_assertion", "")
        ways.append(Presented("private_key_jwt", _claimed_client(assertion), assertion))
    if len(ways) > 1:
        raise ProtocolError("invalid_request", "more than one client authentication method")
    if not ways and certificate is not None and "client_id" in form:
        # RFC 8705 §2: client_id MUST be there; it says by which registration the certificate is judged.
        return Presented(CERTIFICATE, form["client_id"], "")
    if not ways:
        raise refused("no client authentication", basic=True)
    return ways[0]


def _has_right_certificate(bundle: Services, portal: Portal | None, certificate: x509.Certificate) -> bool:
    is_offered = portal is not None and portal.token_endpoint_auth_method in mtls.methods(bundle.settings)
    return is_offered and portal is not None and mtls.has_right_certificate(bundle, portal, certificate)


def _basic(authorization: str) -> Presented:
    """Both halves are form-encoded inside the base64 (RFC 6749 §2.3.1), so `+` is a space."""
    scheme, _, encoded = authorization.partition(" ")
    if scheme.lower() != "basic":
        raise refused("not the Basic scheme", basic=True)
    try:
        client_id, found, secret = binascii.a2b_base64(encoded.strip(), strict_mode=True).decode().partition(":")
    except (binascii.Error, ValueError):
        raise refused("the Basic header cannot be read", basic=True) from None
    if not found:
        raise refused("the Basic header has no colon", basic=True)
    return Presented("client_secret_basic", _decoded(client_id), _decoded(secret))


def _decoded(half: str) -> str:
    return unquote_plus(half) if "%" in half or "+" in half else half


def _has_right_secret(bundle: Services, portal: Portal | None, secret: str) -> bool:
    """An unknown client costs the same as a wrong secret."""
    return bundle.portal_secrets.is_right(portal, secret)


def _claimed_client(assertion: str) -> str:
    """The `iss` as claimed, to find the portal with; nothing is believed before the signature is verified."""
    try:
        issuer = peek_claims(assertion).get("iss")
    except InvalidToken:
        return ""
    return issuer if isinstance(issuer, str) else ""


METHODS: dict[str, Callable[[Services, Portal | None, str], bool]] = {
    "client_secret_basic": _has_right_secret,
    "client_secret_post": _has_right_secret,
    "private_key_jwt": has_right_assertion,
}
