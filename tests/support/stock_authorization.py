"""Authlib's authorization, registration and logout endpoints as its documentation assembles them, in memory."""

from __future__ import annotations

from typing import Any

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2 import OAuth2Error
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant
from authlib.oauth2.rfc7591 import ClientRegistrationEndpoint
from authlib.oauth2.rfc7636 import CodeChallenge
from authlib.oauth2.rfc9101 import JWTAuthenticationRequest
from authlib.oauth2.rfc9207 import IssuerParameter
from authlib.oidc.core.grants import OpenIDCode
from authlib.oidc.rpinitiated import EndSessionEndpoint
from flask import Flask, Response, request
from joserfc.jwk import KeySet, RSAKey

from tests.support import stock_server

CALLBACK, BYE = "https://rp.example/callback", "https://rp.example/bye"
ISSUER = "https://stock.example"
CLIENT_KEY = RSAKey.generate_key(2048, {"kid": "client"}, private=True)
SERVER_KEY = RSAKey.generate_key(2048, {"kid": "server"}, private=True)


class Client(stock_server.Client):
    """A confidential client with a key, one address to come back to, and one to end at."""

    client_metadata: dict[str, Any] = {"post_logout_redirect_uris": [BYE]}  # noqa: RUF012 - as the library reads it

    def get_default_redirect_uri(self) -> str:
        return CALLBACK

    def check_redirect_uri(self, redirect_uri: str) -> bool:
        return redirect_uri == CALLBACK

    def check_response_type(self, response_type: str) -> bool:
        return response_type == "code"


def build(seen: frozenset[str] = frozenset()) -> Flask:
    """An application in which somebody is signed in; `seen` are the nonces of requests before."""
    app = Flask("stock")
    app.config["PROPAGATE_EXCEPTIONS"] = False
    server = AuthorizationServer(
        app, query_client=lambda name: Client() if name == "client" else None, save_token=lambda token, asked: None
    )
    server.register_grant(CodeGrant, [CodeChallenge(required=True), _openid(seen)])
    server.register_extension(Objects())
    server.register_extension(Issuer())
    server.register_endpoint(Registration)
    server.register_endpoint(EndSession)

    @app.get("/authorize")
    def authorize() -> Any:
        try:
            grant = server.get_consent_grant(end_user="user")
        except OAuth2Error as error:
            return server.handle_error_response(None, error)
        return server.create_authorization_response(grant=grant, grant_user="user")

    @app.post("/register")
    def register() -> Response:
        return server.create_endpoint_response("client_registration")  # type: ignore[no-any-return]

    @app.get("/logout")
    def logout() -> Any:
        return server.create_endpoint_response("end_session") or f"signed out, {request.path}"

    return app


class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
    def save_authorization_code(self, code: str, asked: Any) -> None:
        """Nobody redeems it."""


def _openid(seen: frozenset[str]) -> OpenIDCode:
    class Code(OpenIDCode):  # type: ignore[misc]
        def exists_nonce(self, nonce: str, asked: Any) -> bool:
            return nonce in seen

    return Code()


class Objects(JWTAuthenticationRequest):  # type: ignore[misc]
    def resolve_client_public_key(self, client: Client) -> RSAKey:
        return CLIENT_KEY

    def get_server_metadata(self) -> dict[str, Any]:
        return {"issuer": ISSUER}

    def get_client_require_signed_request_object(self, client: Client) -> bool:
        return False


class Issuer(IssuerParameter):  # type: ignore[misc]
    def get_issuer(self) -> str:
        return ISSUER


class Registration(ClientRegistrationEndpoint):  # type: ignore[misc]
    def authenticate_token(self, asked: Any) -> str:
        return "invitation"

    def get_server_metadata(self) -> dict[str, Any]:
        return {"grant_types_supported": ["authorization_code"]}

    def save_client(self, client_info: Any, client_metadata: Any, asked: Any) -> Client:
        return Client()


class EndSession(EndSessionEndpoint):  # type: ignore[misc]
    def get_server_jwks(self) -> KeySet:
        return KeySet([SERVER_KEY])

    def resolve_client_from_id_token_claims(self, id_token_claims: dict[str, Any]) -> Client:
        return Client()

    def end_session(self, asked: Any) -> None:
        """Nobody is really signed in."""
