"""The grants of the code flow, on Authlib's skeleton (RFC 6749 §4.1.3 and §6).

Consuming comes first and stays when the rest is refused: a wrong redirect_uri, verifier or key burns the code, another
client's attempt does not, and of parallel redemptions one succeeds (RFC 9700 §4.5, §4.14).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant

from idp.errors import ProtocolError
from idp.models.live_grant import LiveGrant
from idp.protocol import pkce, token_answer
from idp.protocol.client import Client
from idp.protocol.resource_indicators import audience_of_grant
from idp.protocol.security_profile import rotates_refresh_tokens
from idp.services.audit import AuditTag
from idp.services.tokens import Redeemed, Replayed


@dataclass(frozen=True)
class Credential:
    """What Authlib carries from the consumed code or refresh token to the answer."""

    grant: LiveGrant
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
    def validate_token_request(self) -> None:
        super().validate_token_request()
        credential: Credential = self.request.authorization_code
        pkce.check_verifier(credential.code_challenge, self.request.form.get("code_verifier"))
        # RFC 9449 §10: a code that was asked for with dpop_jkt MUST be redeemed with that key.
        if credential.dpop_jkt not in {None, self.request.confirmation.get("jkt")}:
            raise ProtocolError("invalid_grant", "the code is bound to another DPoP key")

    def query_authorization_code(self, code: str, client: Client) -> Credential | None:
        bundle = self.request.bundle
        redeemed = bundle.tokens.redeem_code(client.portal, code)
        if isinstance(redeemed, Replayed):
            raise token_answer.replayed(bundle, client.portal, AuditTag.CODE_REPLAYED)
        if not isinstance(redeemed, Redeemed):
            return None
        return Credential(redeemed.grant, redeemed.redirect_uri, redeemed.code_challenge, redeemed.dpop_jkt)

    def delete_authorization_code(self, authorization_code: Credential) -> None:
        """Nothing: `query_authorization_code` consumed it."""

    def authenticate_user(self, authorization_code: Credential) -> LiveGrant:
        """The grant stands for its person, whose account was active when it was read."""
        return authorization_code.grant

    def generate_token(self, **_: Any) -> dict[str, Any]:
        grant = self.request.authorization_code.grant
        return token_answer.build(self.request, grant, grant.scope, nonce=grant.nonce)


class RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]
    def authenticate_refresh_token(self, refresh_token: str) -> Credential | None:
        bundle, portal = self.request.bundle, self.request.client.portal
        used = bundle.tokens.redeem_refresh(portal, refresh_token, self._allow, rotates=rotates_refresh_tokens(portal))
        if isinstance(used, Replayed):
            raise token_answer.replayed(bundle, portal, AuditTag.REFRESH_REPLAYED)
        return Credential(used) if used is not None else None

    def _allow(self, grant: LiveGrant) -> None:
        """A wish for more than was granted must not cost the portal its token."""
        if not set((self.request.payload.scope or "").split()) <= set(grant.scope.split()):
            raise ProtocolError("invalid_scope", "scope exceeds what was granted")
        audience_of_grant(
            self.request.client.portal, grant, self.request.bundle.settings.issuer, self.request.resources
        )

    def revoke_old_credential(self, refresh_token: Credential) -> None:
        """Nothing: `authenticate_refresh_token` consumed it."""

    def authenticate_user(self, refresh_token: Credential) -> LiveGrant:
        return refresh_token.grant

    def generate_token(self, *, scope: str, **_: Any) -> dict[str, Any]:
        rotates = rotates_refresh_tokens(self.request.client.portal)
        return token_answer.build(self.request, self.request.refresh_token.grant, scope, with_refresh=rotates)
