"""The token endpoint's assembly on Authlib: which grants there are, how a request is read, how an answer is written.

What Authlib leaves open is closed here: parameters only in the body and only once, one client authentication,
no 500 for hostile input.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import Any

import structlog
from authlib.oauth2.base import OAuth2Error
from authlib.oauth2.rfc6749 import AuthorizationServer, OAuth2Payload, OAuth2Request
from flask import Request, Response

from idp.errors import ProtocolError
from idp.models.base import db
from idp.models.portal import find_client
from idp.protocol import client_auth
from idp.protocol.authorize_checks import MAY_REPEAT
from idp.protocol.client import Client
from idp.protocol.grants import CodeGrant, RefreshGrant
from idp.services.bundle import services

GRANTS = (CodeGrant, RefreshGrant)
FORM = "application/x-www-form-urlencoded"

log = structlog.get_logger(__name__)


class _Form(OAuth2Payload):  # type: ignore[misc]
    """The parameters of the body alone."""

    def __init__(self, request: Request) -> None:
        self._form = request.form

    @property
    def data(self) -> Any:
        return self._form

    @property
    def datalist(self) -> defaultdict[str, list[str]]:
        return defaultdict(list, {name: self._form.getlist(name) for name in self._form})


class TokenRequest(OAuth2Request):  # type: ignore[misc]
    """A token request under the address of the issuer, whatever a proxy made of it."""

    def __init__(self, request: Request, issuer: str) -> None:
        super().__init__(request.method, f"{issuer}{request.path}", headers=request.headers)
        self.payload = _Form(request)

    @property
    def form(self) -> Any:
        return self.payload.data


class Server(AuthorizationServer):  # type: ignore[misc]
    def __init__(self) -> None:
        super().__init__()
        for grant in GRANTS:
            self.register_grant(grant)

    def query_client(self, client_id: str) -> Client | None:
        portal = find_client(client_id)
        return Client(portal) if portal else None

    def save_token(self, token: dict[str, Any], request: OAuth2Request) -> None:
        """Nothing to do: the grants' `generate_token` wrote the rows that the answer speaks of."""

    def send_signal(self, name: str, *args: object, **kwargs: object) -> None:
        """Nobody listens."""

    def create_oauth2_request(self, request: Request) -> TokenRequest:
        return TokenRequest(request, services().settings.issuer)

    def authenticate_client(self, request: TokenRequest, methods: list[str], endpoint: str = "token") -> Client:
        return Client(client_auth.authenticate(services(), request.form, request.headers.get("Authorization")))

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


def answer(body: dict[str, Any], status: int = 200) -> Response:
    return Response(json.dumps(body), status, {"Pragma": "no-cache"}, content_type="application/json")


def refuse(error: ProtocolError) -> Response:
    """The JSON error of RFC 6749 §5.2."""
    log.info("token_refused", error=error.code, detail=error.log_detail, status_code=error.status)
    response = answer({"error": error.code, "error_description": error.description}, error.status)
    if error.challenge:
        response.headers["WWW-Authenticate"] = error.challenge
    return response


def check_form(request: Request) -> None:
    """Parameters come once and in the body. Raises `ProtocolError` invalid_request."""
    # RFC 6749 §2.3.1 and §3.2: MUST be sent in the body, MUST NOT be included more than once.
    if request.args:
        raise ProtocolError("invalid_request", "parameters belong in the body")
    if request.mimetype != FORM:
        raise ProtocolError("invalid_request", f"the body must be {FORM}")
    if any(len(values) > 1 for name, values in request.form.lists() if name not in MAY_REPEAT):
        raise ProtocolError("invalid_request", "a parameter is repeated")


def issue_tokens(request: Request) -> Response:
    """Answer a token request; whatever a hostile one makes the libraries raise is `invalid_request`."""
    try:
        check_form(request)
        if "grant_type" not in request.form:
            raise ProtocolError("invalid_request", "grant_type is missing")
        return SERVER.create_token_response(request)  # type: ignore[no-any-return]
    except ProtocolError as error:
        db.session.rollback()
        return refuse(error)
    except (ValueError, TypeError, UnicodeError) as error:
        db.session.rollback()
        log.warning("token_malformed", kind=type(error).__name__)
        return refuse(ProtocolError("invalid_request", "a parameter is malformed"))
