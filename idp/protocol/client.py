"""A portal as Authlib sees a client: which grants it may use; every other check is owned by a file of its own."""

from __future__ import annotations

from authlib.oauth2.rfc6749 import ClientMixin

from idp.models.portal import Portal

OFFLINE = "offline_access"


class Client(ClientMixin):  # type: ignore[misc]
    def __init__(self, portal: Portal) -> None:
        self.portal = portal

    def __repr__(self) -> str:
        return f"Client({self.portal.slug})"

    def get_client_id(self) -> str:
        return self.portal.client_id

    def check_grant_type(self, grant_type: str) -> bool:
        """Refresh tokens are for portals that registered `offline_access` (OIDC Core §11)."""
        return grant_type == "authorization_code" or (grant_type == "refresh_token" and OFFLINE in self.portal.scopes)
