"""What a portal's security profile demands of its requests: FAPI 2.0 §5.3.2 beside the portal's own fields."""

from __future__ import annotations

from idp.errors import ProtocolError
from idp.models.portal import Portal

FAPI2 = "fapi2"
FAPI2_ALGORITHMS = ("PS256", "ES256", "EdDSA")  # FAPI 2.0 §5.4.1; RS256 is left to the standard profile


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


def allows_algorithm(portal: Portal, alg: object) -> bool:
    """Whether the profile lets this algorithm sign."""
    return not is_fapi2(portal) or alg in FAPI2_ALGORITHMS
