"""The discovery document (OIDC Discovery §3, RFC 8414 §2), computed from the code that enforces what it says."""

from __future__ import annotations

from typing import Any

from idp.protocol import (
    authentication_context,
    authorize_checks,
    claims,
    client_assertion,
    client_auth,
    dpop,
    id_token,
    introspection,
    mtls,
    pkce,
    responses,
    verified_claims,
)
from idp.protocol.client import OFFLINE
from idp.protocol.server import GRANTS
from idp.settings import Settings
from idp.texts import LANGUAGES

REGIONS = {"fr": "fr-CH", "de": "de-CH", "it": "it-CH", "en": "en"}
# Where a client proves itself, so each has a second address for certificates (RFC 8705 §5).
CLIENT_ENDPOINTS = {
    "token_endpoint": "/token",
    "introspection_endpoint": "/introspect",
    "revocation_endpoint": "/revoke",
    "device_authorization_endpoint": "/device_authorization",
    "pushed_authorization_request_endpoint": "/par",
}
SCOPES = ("openid", *claims.OF_SCOPE, OFFLINE)


def document(settings: Settings) -> dict[str, Any]:
    """The metadata of the installation."""
    issuer = settings.issuer
    return {
        **_requests(issuer),
        **_assurance(settings),
        **_tokens(settings),
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "end_session_endpoint": f"{issuer}/logout",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "registration_endpoint": f"{issuer}/register",
        "scopes_supported": list(SCOPES),
        "response_types_supported": list(authorize_checks.RESPONSE_TYPES),
        "grant_types_supported": list(GRANTS),
        "subject_types_supported": ["pairwise", "public"],
        "id_token_signing_alg_values_supported": list(id_token.ALGORITHMS),
        "claims_supported": [*claims.NAMES, "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid"],
        "code_challenge_methods_supported": list(pkce.METHODS),
        "ui_locales_supported": [REGIONS[language] for language in LANGUAGES],
    }


def _requests(issuer: str) -> dict[str, Any]:
    """What a request may say and how its answer comes (RFC 9126 §5, RFC 9101 §10.5, RFC 9207 §3, JARM §4)."""
    return {
        "require_pushed_authorization_requests": False,
        "request_parameter_supported": True,
        "request_uri_parameter_supported": False,
        "require_signed_request_object": False,
        "request_object_signing_alg_values_supported": list(client_assertion.ALGORITHMS),
        "response_modes_supported": list(responses.MODES),
        "authorization_response_iss_parameter_supported": True,
        "authorization_signing_alg_values_supported": list(id_token.ALGORITHMS),
        "acr_values_supported": list(authentication_context.OFFERED),
        "prompt_values_supported": list(authorize_checks.PROMPTS),
        "claims_parameter_supported": True,
        "claim_types_supported": ["normal"],
    }


def _assurance(settings: Settings) -> dict[str, Any]:
    """OpenID Connect for Identity Assurance §8."""
    return {
        "verified_claims_supported": True,
        "trust_frameworks_supported": [settings.trust_framework],
        "evidence_supported": [verified_claims.EVIDENCE],
        "electronic_records_supported": [verified_claims.RECORD],
        "claims_in_verified_claims_supported": list(verified_claims.CLAIMS),
    }


def _tokens(settings: Settings) -> dict[str, Any]:
    """Where tokens are asked for, judged and given back, and how a client proves itself there (RFC 8414 §2)."""
    said: dict[str, Any] = {"dpop_signing_alg_values_supported": list(dpop.ALGORITHMS)}
    for name in ("token", "introspection", "revocation"):
        said[f"{name}_endpoint_auth_methods_supported"] = client_auth.methods(settings)
        said[f"{name}_endpoint_auth_signing_alg_values_supported"] = list(client_assertion.ALGORITHMS)
    said["introspection_signing_alg_values_supported"] = list(introspection.ALGORITHMS)
    said |= {name: f"{settings.issuer}{path}" for name, path in CLIENT_ENDPOINTS.items()}
    # RFC 8705 §3.3 and §5: said only where a proxy shows certificates, and where their address is another.
    if mtls.methods(settings):
        said["tls_client_certificate_bound_access_tokens"] = True
    if settings.mtls_origin is not None:
        places = {**CLIENT_ENDPOINTS, "userinfo_endpoint": "/userinfo"}
        said["mtls_endpoint_aliases"] = {name: f"{settings.mtls_origin}{path}" for name, path in places.items()}
    return said
