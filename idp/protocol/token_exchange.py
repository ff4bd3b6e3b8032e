"""Token exchange (RFC 8693) for portals' back ends: an own access token for a narrower one at a registered resource.

Only delegation, never impersonation: the subject token is the client's own, the new token says who acts in `act`, has
no scope more, ends no later and dies with the same grant. What came of an exchange is not exchanged again.
"""

from __future__ import annotations

from typing import Any

from authlib.oauth2.rfc6749 import BaseGrant, TokenEndpointMixin

from idp.errors import ProtocolError
from idp.protocol import access_token
from idp.protocol.access_token import Wanted
from idp.protocol.client import Client, check_grant_type
from idp.protocol.confirmation import is_held
from idp.protocol.resource_indicators import audience_of_portal
from idp.services import issuing
from idp.services.access_tokens import LiveToken
from idp.services.issuing import Made

GRANT_TYPE = "urn:ietf:params:oauth:grant-type:token-exchange"
ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"


class TokenExchangeGrant(BaseGrant, TokenEndpointMixin):  # type: ignore[misc]
    GRANT_TYPE = GRANT_TYPE

    def validate_token_request(self) -> None:
        client: Client = self.authenticate_token_endpoint_client()
        check_grant_type(client.portal, GRANT_TYPE)
        form = self.request.form
        if form.get("subject_token_type") != ACCESS_TOKEN:
            raise ProtocolError("invalid_request", "subject_token_type must be an access token")
        if form.get("requested_token_type", ACCESS_TOKEN) != ACCESS_TOKEN:
            raise ProtocolError("invalid_request", "requested_token_type must be an access token")
        if "actor_token" in form or "actor_token_type" in form:
            raise ProtocolError("invalid_request", "the client itself is the actor; actor_token is not supported")
        self.request.client = client
        self.request.credential = self._subject(client, form.get("subject_token", ""))

    def _subject(self, client: Client, secret: str) -> LiveToken:
        found: LiveToken | None = self.request.bundle.access_tokens.find(secret)
        # RFC 8693 §2.2.2: a subject token that is not acceptable is answered with invalid_request.
        if found is None or found.portal.id != client.portal.id or found.grant is None:
            raise ProtocolError("invalid_request", "subject_token is not a live access token of this client")
        if found.facts.actor is not None or not is_held(found.facts.confirmation, self.request.holder):
            raise ProtocolError("invalid_request", "subject_token was exchanged already or is bound to another key")
        return found

    def create_token_response(self) -> tuple[int, dict[str, Any], Any]:
        bundle, client, subject = self.request.bundle, self.request.client, self.request.credential
        targets = [*self.request.resources, *self.request.form.getlist("audience")]
        if not targets:
            raise ProtocolError("invalid_target", "resource or audience is needed")
        wanted = Wanted(
            grant=subject.grant,
            scope=self._scope(subject.facts.scope),
            audience=audience_of_portal(client.portal, bundle.settings.issuer, targets),
            confirmation=self.request.confirmation,
            actor={"sub": client.portal.client_id},
            not_after=subject.facts.expires_at,
        )
        body, row = access_token.make(bundle, client.portal, wanted)
        issuing.record(Made(row))
        return 200, {**body, "issued_token_type": ACCESS_TOKEN}, self.TOKEN_RESPONSE_HEADER

    def _scope(self, held: str) -> str:
        wanted = (self.request.payload.scope or held).split()
        if not set(wanted) <= set(held.split()):
            raise ProtocolError("invalid_scope", "scope exceeds that of subject_token")
        return " ".join(dict.fromkeys(wanted))
