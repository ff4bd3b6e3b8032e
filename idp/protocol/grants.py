"""The two grants of the token endpoint, on Authlib's skeleton (RFC 6749 §4.1.3 and §6).

Consuming comes first and is committed before anything else is judged: a wrong redirect_uri or verifier burns the code,
another client's attempt does not, and of parallel redemptions one succeeds (RFC 9700 §4.5, §4.14).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant

from idp.errors import ProtocolError
from idp.models.account import Account, load_account
from idp.models.authorization import Grant
from idp.models.base import db
from idp.protocol import id_token, pkce
from idp.protocol.client import OFFLINE, Client
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.tokens import Redeemed, Replayed

CLIENT_AUTH_METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt"]


@dataclass(frozen=True)
class Credential:
    """What Authlib carries from the consumed code or refresh token to the answer."""

    grant: Grant
    redirect_uri: str = ""
    code_challenge: str | None = None

    def get_redirect_uri(self) -> str:
        return self.redirect_uri

    def get_scope(self) -> str:
        return self.grant.scope

    def check_client(self, client: Client) -> bool:
        return self.grant.portal_id == client.portal.id


def _replayed(portal: Any, tag: AuditTag) -> ProtocolError:
    services().audit.record(tag, portal=portal.id)
    db.session.commit()
    return ProtocolError("invalid_grant", "it was used before; what it gave is revoked")


def _account(credential: Credential) -> Account | None:
    account = load_account(credential.grant.account_id)
    return account if account.is_active else None


def _issue(grant: Grant, client: Client, scope: str, *, nonce: str | None) -> dict[str, Any]:
    """The token answer of OIDC Core §3.1.3.3; a refresh token only where `offline_access` was granted (§11)."""
    bundle = services()
    access_token = bundle.tokens.issue_access(grant, scope)
    body: dict[str, Any] = {
        "access_token": access_token,
        "token_type": "Bearer",
        "expires_in": int(bundle.settings.access_token_for.total_seconds()),
        "scope": scope,
        "id_token": id_token.build(bundle, client.portal, grant, access_token=access_token, nonce=nonce),
    }
    if OFFLINE in grant.scope.split() and client.check_grant_type("refresh_token"):
        body["refresh_token"] = bundle.tokens.issue_refresh(grant)
    return body


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH_METHODS

    def validate_token_request(self) -> None:
        super().validate_token_request()
        pkce.check_verifier(self.request.authorization_code.code_challenge, self.request.form.get("code_verifier"))

    def query_authorization_code(self, code: str, client: Client) -> Credential | None:
        redeemed = services().tokens.redeem_code(client.portal, code)
        if isinstance(redeemed, Replayed):
            raise _replayed(client.portal, AuditTag.CODE_REPLAYED)
        if not isinstance(redeemed, Redeemed):
            return None
        return Credential(redeemed.grant, redeemed.redirect_uri, redeemed.code_challenge)

    def delete_authorization_code(self, authorization_code: Credential) -> None:
        """Nothing: `query_authorization_code` consumed it."""

    def authenticate_user(self, authorization_code: Credential) -> Account | None:
        return _account(authorization_code)

    def generate_token(self, **_: Any) -> dict[str, Any]:
        grant = self.request.authorization_code.grant
        return _issue(grant, self.request.client, grant.scope, nonce=grant.nonce)


class RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]
    TOKEN_ENDPOINT_AUTH_METHODS = CLIENT_AUTH_METHODS

    def authenticate_refresh_token(self, refresh_token: str) -> Credential | None:
        client: Client = self.request.client
        wanted = frozenset((self.request.payload.scope or "").split())
        rotated = services().tokens.redeem_refresh(client.portal, refresh_token, wanted)
        if isinstance(rotated, Replayed):
            raise _replayed(client.portal, AuditTag.REFRESH_REPLAYED)
        return Credential(rotated) if rotated is not None else None

    def revoke_old_credential(self, refresh_token: Credential) -> None:
        """Nothing: `authenticate_refresh_token` consumed it."""

    def authenticate_user(self, refresh_token: Credential) -> Account | None:
        return _account(refresh_token)

    def generate_token(self, *, scope: str, **_: Any) -> dict[str, Any]:
        return _issue(self.request.refresh_token.grant, self.request.client, scope, nonce=None)
