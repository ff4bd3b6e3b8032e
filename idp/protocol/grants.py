"""The grants of the code flow, on Authlib's skeleton (RFC 6749 §4.1.3 and §6).

What is shown is read, judged, and used by the statement that keeps what it gives, so of parallel redemptions one
succeeds (RFC 9700 §4.5, §4.14). A wrong redirect_uri, verifier or key burns a code, another client's attempt does not;
a refused wish leaves a refresh token usable.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant

from idp.errors import ProtocolError
from idp.models.live_grant import LiveGrant
from idp.protocol import pkce, token_answer
from idp.protocol.client import Client
from idp.protocol.security_profile import rotates_refresh_tokens
from idp.services.audit import AuditTag
from idp.services.issuing import Made, Usable
from idp.services.tokens import Code, Replayed

REFUSALS = (OAuth2Error, ProtocolError, ValueError, TypeError)


@dataclass(frozen=True)
class Credential:
    """What Authlib carries from the code or refresh token that was shown to the answer."""

    grant: LiveGrant
    usable: Usable
    redirect_uri: str = ""
    code_challenge: str | None = None
    dpop_jkt: str | None = None

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.grant.scope

    def check_client(self, client: Client) -> bool:
        return self.grant.portal_id == client.portal.id


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    _found: Usable | None = None
    _made: Made

    def validate_token_request(self) -> None:
        try:
            super().validate_token_request()
            credential: Credential = self.request.authorization_code
            pkce.check_verifier(credential.code_challenge, self.request.form.get("code_verifier"))
            # RFC 9449 §10: a code that was asked for with dpop_jkt MUST be redeemed with that key.
            if credential.dpop_jkt not in {None, self.request.confirmation.get("jkt")}:
                raise ProtocolError("invalid_grant", "the code is bound to another DPoP key")
        except REFUSALS:
            self._spend()
            raise

    def query_authorization_code(self, code: str, client: Client) -> Credential | None:
        found = self.request.bundle.tokens.find_code(client.portal, code)
        if isinstance(found, Replayed):
            raise token_answer.replayed(self.request.bundle, client.portal, AuditTag.CODE_REPLAYED)
        if not isinstance(found, Code):
            return None
        self.request.client, self._found = client, found.usable
        return Credential(found.grant, found.usable, found.redirect_uri, found.code_challenge, found.dpop_jkt)

    def delete_authorization_code(self, authorization_code: Credential) -> None:
        """Nothing: `save_token` used it."""

    def authenticate_user(self, authorization_code: Credential) -> LiveGrant:
        """The grant stands for its person, whose account was active when it was read."""
        return authorization_code.grant

    def generate_token(self, **_: Any) -> dict[str, Any]:
        grant = self.request.authorization_code.grant
        try:
            body, self._made = token_answer.build(self.request, grant, grant.scope, nonce=grant.nonce)
        except REFUSALS:
            self._spend()
            raise
        return body

    def save_token(self, token: dict[str, Any]) -> None:
        bundle, client, usable = self.request.bundle, self.request.client, self.request.authorization_code.usable
        token_answer.give(bundle, client, usable, self._made, AuditTag.CODE_REPLAYED)

    def _spend(self) -> None:
        """What is refused is used up. Raises `ProtocolError` where somebody else used it meanwhile."""
        if self._found is not None and not self._found.spend():
            bundle, client = self.request.bundle, self.request.client
            raise token_answer.used_twice(bundle, client, self._found, AuditTag.CODE_REPLAYED) from None


class RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]
    _made: Made

    def authenticate_refresh_token(self, refresh_token: str) -> Credential | None:
        bundle, portal = self.request.bundle, self.request.client.portal
        found = bundle.tokens.find_to_refresh(portal, refresh_token, rotates=rotates_refresh_tokens(portal))
        if isinstance(found, Replayed):
            raise token_answer.replayed(bundle, portal, AuditTag.REFRESH_REPLAYED)
        return Credential(*found) if found is not None else None

    def revoke_old_credential(self, refresh_token: Credential) -> None:
        """Nothing: `save_token` used it."""

    def authenticate_user(self, refresh_token: Credential) -> LiveGrant:
        return refresh_token.grant

    def generate_token(self, *, scope: str, **_: Any) -> dict[str, Any]:
        rotates = rotates_refresh_tokens(self.request.client.portal)
        body, self._made = token_answer.build(
            self.request, self.request.refresh_token.grant, scope, with_refresh=rotates
        )
        return body

    def save_token(self, token: dict[str, Any]) -> None:
        bundle, client, usable = self.request.bundle, self.request.client, self.request.refresh_token.usable
        token_answer.give(bundle, client, usable, self._made, AuditTag.REFRESH_REPLAYED)
