"""The client credentials grant (RFC 6749 §4.4) for clients of the admin API, at the token endpoint of the portals.

They stand in a table of their own and can do nothing else: no other grant and no other endpoint knows them. Their
tokens are meant for the API alone (RFC 8707), which takes no other; no portal can get one, whatever it asks for.
"""

from __future__ import annotations

from flask import Request, Response

from idp.errors import ProtocolError
from idp.models.api_client import ApiClient
from idp.models.base import db
from idp.protocol import client_auth
from idp.protocol.json_answer import answer
from idp.protocol.resource_indicators import PARAMETER
from idp.services.api_clients import PREFIX, TOKEN_FOR
from idp.services.bundle import Services

METHODS = ("client_secret_basic", "client_secret_post")
GRANT = "client_credentials"


def audience(issuer: str) -> str:
    """The one resource that these tokens are for."""
    return f"{issuer}/api/v1"


def is_meant(request: Request) -> bool:
    """Whether the one who asks says that it is a client of the API; a malformed proof is judged where portals' are."""
    try:
        return client_auth.presented(request).client_id.startswith(PREFIX)
    except ProtocolError:
        return False


def issue_token(bundle: Services, request: Request) -> Response:
    """The token answer. Raises `ProtocolError`."""
    client = _authenticated(bundle, request)
    if request.form["grant_type"] != GRANT:
        raise ProtocolError("unauthorized_client", "this client may not use this grant_type")
    for resource in request.form.getlist(PARAMETER):
        if resource != audience(bundle.settings.issuer):
            raise ProtocolError("invalid_target", "resource is not one that was granted")
    scopes = _scopes(client, request.form.get("scope"))
    secret = bundle.api_clients.issue(client, scopes)
    db.session.commit()
    return answer(
        {
            "access_token": secret, "token_type": "Bearer", "expires_in": int(TOKEN_FOR.total_seconds()),
            "scope": " ".join(scopes),
        }
    )  # fmt: skip


def _authenticated(bundle: Services, request: Request) -> ApiClient:
    shown = client_auth.presented(request)
    named = request.form.get("client_id", shown.client_id)
    client = bundle.api_clients.authenticated(shown.client_id, shown.proof) if shown.method in METHODS else None
    if client is None or named != shown.client_id:
        raise client_auth.refused("wrong proof or method", basic=shown.method == "client_secret_basic")
    return client


def _scopes(client: ApiClient, wanted: str | None) -> list[str]:
    """What is asked for, each once; everything the client may have where it asks for nothing (RFC 6749 §3.3)."""
    if wanted is None:
        return client.scopes
    scopes = list(dict.fromkeys(wanted.split()))
    if not scopes or not set(scopes) <= set(client.scopes):
        raise ProtocolError("invalid_scope", "scope is not one the client may have")
    return scopes
