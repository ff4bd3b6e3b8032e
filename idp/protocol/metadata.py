"""The discovery document (OIDC Discovery §3, RFC 8414 §2), computed from the code that enforces what it says."""

from __future__ import annotations

from typing import Any

from idp.protocol import authorize_checks, claims, client_assertion, client_auth, id_token, pkce
from idp.protocol.client import OFFLINE
from idp.protocol.server import GRANTS
from idp.texts import LANGUAGES

ACR_VALUES = ("mfa",)
REGIONS = {"fr": "fr-CH", "de": "de-CH", "it": "it-CH", "en": "en"}
SCOPES = ("openid", *claims.OF_SCOPE, OFFLINE)


def document(issuer: str) -> dict[str, Any]:
    """The metadata of the installation at `issuer`."""
    return {
        "issuer": issuer,
        "authorization_endpoint": f"{issuer}/authorize",
        "token_endpoint": f"{issuer}/token",
        "userinfo_endpoint": f"{issuer}/userinfo",
        "jwks_uri": f"{issuer}/jwks",
        "end_session_endpoint": f"{issuer}/logout",
        "backchannel_logout_supported": True,
        "backchannel_logout_session_supported": True,
        "registration_endpoint": f"{issuer}/register",
        "scopes_supported": list(SCOPES),
        "response_types_supported": list(authorize_checks.RESPONSE_TYPES),
        "response_modes_supported": list(authorize_checks.RESPONSE_MODES),
        "grant_types_supported": [grant.GRANT_TYPE for grant in GRANTS],
        "acr_values_supported": list(ACR_VALUES),
        "subject_types_supported": ["pairwise", "public"],
        "id_token_signing_alg_values_supported": list(id_token.ALGORITHMS),
        "token_endpoint_auth_methods_supported": list(client_auth.METHODS),
        "token_endpoint_auth_signing_alg_values_supported": list(client_assertion.ALGORITHMS),
        "claims_supported": [*claims.NAMES, "iss", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid"],
        "claims_parameter_supported": False,
        "request_parameter_supported": False,
        "request_uri_parameter_supported": False,
        "prompt_values_supported": list(authorize_checks.PROMPTS),
        "code_challenge_methods_supported": list(pkce.METHODS),
        "authorization_response_iss_parameter_supported": True,
        "ui_locales_supported": [REGIONS[language] for language in LANGUAGES],
    }
