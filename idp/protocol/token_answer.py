"""What a token request gets: the access token, and with a person's grant the ID token and perhaps a refresh token."""

from __future__ import annotations

from typing import Any

from idp.errors import ProtocolError
from idp.models.live_grant import LiveGrant
from idp.models.portal import Portal
from idp.protocol import access_token, id_token
from idp.protocol.access_token import Wanted
from idp.protocol.client import OFFLINE, Client
from idp.protocol.resource_indicators import audience_of_grant
from idp.protocol.token_request import TokenRequest
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from idp.services.issuing import Made, Usable


def build(
    request: TokenRequest, grant: LiveGrant, scope: str, *, nonce: str | None = None, with_refresh: bool = True
) -> tuple[dict[str, Any], Made]:
    """The token answer of OIDC Core §3.1.3.3, and the rows to keep of it before it goes out; a refresh token only where
    `offline_access` was granted (§11).
    """
    bundle: Services = request.bundle
    client: Client = request.client
    audience = audience_of_grant(client.portal, grant, bundle.settings.issuer, request.resources)
    refresh_token, row = None, None
    if with_refresh and OFFLINE in grant.scope.split() and client.check_grant_type("refresh_token"):
        refresh_token, row = bundle.tokens.make_refresh(grant)
    body, access = access_token.make(bundle, client.portal, Wanted(grant, scope, audience, request.confirmation))
    if "openid" in scope.split():
        body["id_token"] = id_token.build(bundle, client.portal, grant, access_token=body["access_token"], nonce=nonce)
    if refresh_token is not None:
        body["refresh_token"] = refresh_token
    return body, Made(access, row)


def give(bundle: Services, client: Client, usable: Usable, made: Made, tag: AuditTag) -> None:
    """Keep what goes out, for what is used up by it. Raises `ProtocolError` where somebody else used it meanwhile."""
    if not usable.give(made):
        raise used_twice(bundle, client, usable, tag)


def used_twice(bundle: Services, client: Client, usable: Usable, tag: AuditTag) -> ProtocolError:
    """The answer to whoever comes second; the grant is revoked with it."""
    bundle.tokens.replayed(usable.grant_id)
    return replayed(bundle, client.portal, tag)


def replayed(bundle: Services, portal: Portal, tag: AuditTag) -> ProtocolError:
    """The answer to a second use; the grant is revoked already."""
    bundle.audit.record(tag, portal=portal.id)
    return ProtocolError("invalid_grant", "it was used before; what it gave is revoked")
