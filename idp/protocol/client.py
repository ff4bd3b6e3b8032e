"""A portal as Authlib sees a client: which grants it may use; every other check is owned by a file of its own."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import ClientMixin

from idp.errors import ProtocolError
from idp.models.portal import Portal

OFFLINE = "offline_access"


class Client(ClientMixin):  # type: ignore[misc]
    def __init__(self, portal: Portal) -> None:
        self.portal = portal

    def check_grant_type(self, grant_type: str) -> bool:
        return may_use(self.portal, grant_type)


def may_use(portal: Portal, grant_type: str) -> bool:
    """Refresh tokens are for portals that registered `offline_access` too (OIDC Core §11)."""
    return grant_type in portal.grant_types and (grant_type != "refresh_token" or OFFLINE in portal.scopes)


def check_grant_type(portal: Portal, grant_type: str) -> None:
    """Raises `ProtocolError` unauthorized_client."""
    if not may_use(portal, grant_type):
        raise ProtocolError("unauthorized_client", "this client may not use this grant_type")
