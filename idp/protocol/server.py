"""The token endpoint's assembly on Authlib: which grants there are, how a request is read, how an answer is written.

What Authlib leaves open is closed here: parameters only in the body and only once, one client authentication,
no 500 for hostile input.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Request, TokenEndpointMixin, UnsupportedGrantTypeError
from flask import Request, Response

from idp.errors import ProtocolError
from idp.models.base import once_committed
from idp.models.context import of_context
from idp.models.units import each_alone
from idp.protocol import api_client, client_auth, confirmation, dpop
from idp.protocol.client import Client
from idp.protocol.client_credentials import ClientCredentialsGrant
from idp.protocol.client_endpoint import guarded
from idp.protocol.device_code import DeviceCodeGrant
from idp.protocol.grants import CodeGrant, RefreshGrant
from idp.protocol.json_answer import answer, refuse
from idp.protocol.token_exchange import TokenExchangeGrant
from idp.protocol.token_request import TokenRequest
from idp.services.bundle import services
from idp.services.metrics import NOBODY, TOKENS

GRANT_NAMES = {
    "authorization_code": "code", "refresh_token": "refresh", "client_credentials": "client_credentials",
    DeviceCodeGrant.GRANT_TYPE: "device", TokenExchangeGrant.GRANT_TYPE: "exchange",
}  # fmt: skip
ONE_STATEMENT = frozenset({"authorization_code", "refresh_token", "client_credentials"})  # what keeps their tokens
ASKING_PORTAL = "asking_portal"
GRANTS: Mapping[str, Callable[[TokenRequest, AuthorizationServer], TokenEndpointMixin]] = {
    grant.GRANT_TYPE: grant
    for grant in (CodeGrant, RefreshGrant, ClientCredentialsGrant, DeviceCodeGrant, TokenExchangeGrant)
}


class Server(AuthorizationServer):  # type: ignore[misc]
    def get_token_grant(self, request: TokenRequest) -> TokenEndpointMixin:
        """By its name, where Authlib asks each grant in turn."""
        grant = GRANTS.get(request.payload.grant_type)
        if grant is None:
            raise UnsupportedGrantTypeError(request.payload.grant_type)
        return grant(request, self)

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """Nothing to do: the grants' `generate_token` wrote the rows that the answer speaks of."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: Request) -> TokenRequest:
        return TokenRequest(request, services())

    def authenticate_client(self, request: TokenRequest, methods: list[str], endpoint: str = "token") -> Client:
        """Who asks, and with which keys; the proof is spent now, so before the code or refresh token that it is for."""
        holder = request.holder
        portal = client_auth.authenticate_request(request.bundle, request.asked)
        request.confirmation = confirmation.bind(portal, holder)
        of_context()[ASKING_PORTAL] = portal.slug
        if holder.proof is not None:
            dpop.spend(request.bundle, holder.proof)
        return Client(portal)

    def handle_response(self, status: int, body: Any, headers: Any) -> Response:
        return answer(body, status)

    def handle_error_response(self, request: OAuth2Request, error: OAuth2Error) -> Response:
        """Authlib's descriptions quote what was sent; only the code goes out."""
        return refuse(ProtocolError(error.error, DESCRIPTIONS.get(error.error, "the request was refused")))


SERVER = Server()
DESCRIPTIONS = {
    "unsupported_grant_type": "grant_type is not supported",
    "unauthorized_client": "this client may not use this grant_type",
    "invalid_grant": "the code or token is not valid, or redirect_uri differs",
    "invalid_request": "a parameter is missing or malformed",
    "invalid_scope": "scope exceeds what was granted",
}


def issue_tokens(request: Request) -> Response:
    """Answer a token request."""

    def work() -> Response:
        if "grant_type" not in request.form:
            raise ProtocolError("invalid_request", "grant_type is missing")
        if api_client.is_meant(request):
            return api_client.issue_token(services(), request)
        if request.form["grant_type"] in ONE_STATEMENT:
            each_alone()
        return SERVER.create_token_response(request)  # type: ignore[no-any-return]

    response = guarded(request, work)
    _count(request, response)
    return response


def _count(request: Request, response: Response) -> None:
    """For whoever watches, once what was answered is for good."""
    metrics, kept = services().metrics, of_context()
    portal = kept.get(ASKING_PORTAL, NOBODY)
    grant = GRANT_NAMES.get(request.form.get("grant_type", ""), "other")
    outcome = "issued" if response.status_code == 200 else kept.get("refused", "other")
    once_committed(lambda: metrics.count(TOKENS, grant, portal, outcome))
