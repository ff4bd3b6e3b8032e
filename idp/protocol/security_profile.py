"""What the security profile `fapi2` adds to the rules of every portal (FAPI 2.0 Security Profile, Final, §5.3.2).

Only pushed requests, only strong client authentication, only sender-constrained tokens, only algorithms of today, and a
refresh token that stays. A portal of the profile `standard` decides the same field by field.
"""

from __future__ import annotations

from idp.errors import ProtocolError
from idp.models.portal import Portal

FAPI2 = "fapi2"
FAPI2_METHODS = ("private_key_jwt", "tls_client_auth", "self_signed_tls_client_auth")
FAPI2_ALGORITHMS = ("PS256", "ES256", "EdDSA", "Ed25519")


def is_fapi2(portal: Portal) -> bool:
    return portal.security_profile == FAPI2


def demands_pkce(portal: Portal) -> bool:
    return portal.require_pkce or is_fapi2(portal)


def demands_push(portal: Portal) -> bool:
    """Whether the portal's requests must come through PAR (RFC 9126 §6)."""
    return portal.require_par or is_fapi2(portal)


def check_way(portal: Portal, *, is_pushed: bool, is_signed: bool) -> None:
    """Whether the request came the way the portal registered. Raises `ProtocolError` invalid_request."""
    # FAPI 2.0 §5.3.2.2: MUST only accept pushed requests; RFC 9126 §6 for clients that registered so.
    if demands_push(portal) and not is_pushed:
        raise ProtocolError("invalid_request", "this client must push its authorization requests (RFC 9126)")
    # RFC 9101 §10.5: MUST reject what the client did not sign.
    if portal.require_signed_request_object and not is_signed:
        raise ProtocolError("invalid_request", "this client must send a signed request object (RFC 9101)")


def allows_method(portal: Portal, method: str) -> bool:
    # §5.3.2.1 point 6: SHALL authenticate clients using MTLS or private_key_jwt.
    return not is_fapi2(portal) or method in FAPI2_METHODS


def allows_algorithm(portal: Portal, alg: object) -> bool:
    # §5.4.1 point 2: SHALL use PS256, ES256, or EdDSA (using the Ed25519 variant).
    return not is_fapi2(portal) or alg in FAPI2_ALGORITHMS


def accepts_token_endpoint_as_audience(portal: Portal) -> bool:
    # §5.3.2.1 point 8: SHALL only accept its issuer identifier value, as a string, in the aud claim.
    return portal.assertion_audience == "token_endpoint" and not is_fapi2(portal)


def rotates_refresh_tokens(portal: Portal) -> bool:
    # §5.3.2.1 point 10: SHALL NOT use refresh token rotation except in extraordinary circumstances.
    return portal.refresh_rotation and not is_fapi2(portal)


def must_constrain_sender(portal: Portal) -> bool:
    # §5.3.2.1 point 4: SHALL only issue sender-constrained access tokens.
    return is_fapi2(portal)
