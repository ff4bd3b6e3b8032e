"""The client credentials grant (RFC 6749 §4.4): a token in the portal's own name, for its registered resources.

Nobody signed in, so it carries no scope that speaks of a person, and there is neither an ID token nor a refresh token.
"""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749.grants import ClientCredentialsGrant as Skeleton

from idp.errors import ProtocolError
from idp.models.portal import Portal
from idp.protocol import access_token, claims
from idp.protocol.access_token import Wanted
from idp.protocol.client import OFFLINE
from idp.protocol.resource_indicators import audience_of_portal
from idp.services import issuing
from idp.services.issuing import Made

OF_PERSONS = frozenset({"openid", OFFLINE, *claims.OF_SCOPE})


class ClientCredentialsGrant(Skeleton):  # type: ignore[misc]
    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        """Without Authlib's hooks, which nobody has, and its line for the log, in which the token would stand."""
        return 200, self.generate_token(scope=self.request.payload.scope), self.TOKEN_RESPONSE_HEADER

    def generate_token(self, *, scope: str | None, **_: Any) -> dict[str, Any]:
        bundle, portal = self.request.bundle, self.request.client.portal
        audience = audience_of_portal(portal, bundle.settings.issuer, self.request.resources)
        wanted = Wanted(None, granted_scope(portal, scope or ""), audience, self.request.confirmation)
        body, row = access_token.make(bundle, portal, wanted)
        issuing.record(Made(row))
        return body


def granted_scope(portal: Portal, wanted: str) -> str:
    """The scopes asked for, each once. Raises `ProtocolError` invalid_scope for one it may not have by itself."""
    if not wanted:
        return ""
    allowed = set(portal.scopes) - OF_PERSONS
    names = tuple(dict.fromkeys(wanted.split()))
    if not set(names) <= allowed:
        raise ProtocolError("invalid_scope", "scope is not one the client may have in its own name")
    return " ".join(names)
