"""Whether a portal's registration could pass each target profile, judged by the very rules that enforce it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from idp.models.portal import Portal
from idp.services.portal_rules import FAPI_ALGORITHMS, TLS_METHODS, faults_of


@dataclass(frozen=True)
class Readiness:
    """`missing` is empty where the registration is ready."""

    profile: str
    missing: tuple[str, ...]


def _code_flow(portal: Portal) -> Iterator[str]:
    if "authorization_code" not in portal.grant_types:
        yield "grant_types: authorization_code is needed"
    yield from faults_of(portal, "standard")


def _redirected_logout(portal: Portal) -> Iterator[str]:
    if not portal.post_logout_redirect_uris:
        yield "post_logout_redirect_uris: register where persons return to"


def _told_logout(portal: Portal) -> Iterator[str]:
    yield from _redirected_logout(portal)
    if portal.backchannel_logout_uri is None:
        yield "backchannel_logout_uri: register where logout tokens are sent to"


def _started_elsewhere(portal: Portal) -> Iterator[str]:
    if not (portal.initiate_login_uri or "").startswith("https://"):
        yield "initiate_login_uri: register an https address that starts a sign-in"


def _fapi_by_key(portal: Portal) -> Iterator[str]:
    if portal.token_endpoint_auth_method != "private_key_jwt":
        yield "token_endpoint_auth_method: private_key_jwt is needed"
    if not portal.dpop_bound_access_tokens:
        yield "dpop_bound_access_tokens: must be true"
    yield from _of_fapi(portal)


def _fapi_by_certificate(portal: Portal) -> Iterator[str]:
    if portal.token_endpoint_auth_method not in TLS_METHODS:
        yield "token_endpoint_auth_method: tls_client_auth or self_signed_tls_client_auth is needed"
    if not portal.tls_client_certificate_bound_access_tokens:
        yield "tls_client_certificate_bound_access_tokens: must be true"
    yield from _of_fapi(portal)


def _fapi_messages(portal: Portal) -> Iterator[str]:
    if not portal.require_signed_request_object:
        yield "require_signed_request_object: must be true"
    if portal.authorization_signed_response_alg not in FAPI_ALGORITHMS:
        yield "authorization_signed_response_alg: PS256, ES256 or EdDSA is needed"
    yield from _of_fapi(portal)


def _of_fapi(portal: Portal) -> Iterator[str]:
    if portal.security_profile != "fapi2":
        yield "security_profile: the operator must set fapi2"
    yield from faults_of(portal, "fapi2")


PROFILES: tuple[tuple[str, Callable[[Portal], Iterator[str]]], ...] = (
    ("OpenID Connect, code flow (also by form_post)", _code_flow),
    ("RP-initiated logout", _redirected_logout),
    ("Back-channel logout", _told_logout),
    ("Third-party initiated login", _started_elsewhere),
    ("FAPI 2.0 Security Profile, private_key_jwt and DPoP", _fapi_by_key),
    ("FAPI 2.0 Security Profile, mutual TLS", _fapi_by_certificate),
    ("FAPI 2.0 Message Signing, signed requests and answers", _fapi_messages),
)


def of_portal(portal: Portal) -> list[Readiness]:
    """Each profile with what the registration lacks for it, each lack once."""
    return [Readiness(name, tuple(dict.fromkeys(judge(portal)))) for name, judge in PROFILES]
