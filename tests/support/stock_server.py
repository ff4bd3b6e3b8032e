"""Authlib's authorization server as its documentation assembles it, in memory: what it does where nobody helps it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from authlib.common.errors import ContinueIteration
from authlib.integrations.flask_oauth2 import AuthorizationServer, ResourceProtector
from authlib.oauth2.rfc6749 import ClientMixin
from authlib.oauth2.rfc6749.grants import AuthorizationCodeGrant, RefreshTokenGrant
from authlib.oauth2.rfc6750 import BearerTokenValidator
from authlib.oauth2.rfc7009 import RevocationEndpoint
from authlib.oauth2.rfc7523 import JWTBearerClientAssertion
from authlib.oauth2.rfc7662 import IntrospectionEndpoint
from authlib.oidc.core.grants import OpenIDCode, OpenIDToken
from flask import Flask, Response
from joserfc.jwk import KeySet, RSAKey

SECRET = "a b+c"
AUTH_TIME = 1_700_000_000
METHODS = ["client_secret_basic", "client_secret_post", "private_key_jwt"]
OWN_KEYS = KeySet([RSAKey.generate_key(2048, private=True), RSAKey.generate_key(2048, private=True)])


@dataclass
class Client(ClientMixin):  # type: ignore[misc]
    jwks: Any = None

    def get_client_id(self) -> str:
        return "client"

    def get_allowed_scope(self, scope: str | None) -> str:
        return scope or ""

    def check_client_secret(self, client_secret: str) -> bool:
        return client_secret == SECRET

    def check_endpoint_auth_method(self, method: str, endpoint: str) -> bool:
        return True

    def check_grant_type(self, grant_type: str) -> bool:
        return True


@dataclass
class Credential:
    """A code or a token, as simple as the mixins ask for."""

    scope: str = "openid"

    def get_redirect_uri(self) -> str:
        return ""

    def get_scope(self) -> str:
        return self.scope

    def get_nonce(self) -> str:
        return "n"

    def get_auth_time(self) -> int:
        return AUTH_TIME

    def get_acr(self) -> str:
        return ""

    def get_amr(self) -> list[str]:
        return []

    def check_client(self, client: Client) -> bool:
        return True

    def is_expired(self) -> bool:
        return False

    def is_revoked(self) -> bool:
        return False


@dataclass
class Store:
    """`pause` runs between the look-up of a code or token and its removal, where a second request may come in."""

    client: Client = field(default_factory=Client)
    codes: dict[str, Credential] = field(default_factory=lambda: {"code": Credential()})
    refresh_tokens: dict[str, Credential] = field(default_factory=lambda: {"refresh": Credential()})
    seen: set[str] = field(default_factory=set)
    pause: Callable[[], object] = lambda: None


def build(store: Store) -> Flask:
    app = Flask("stock")
    app.config |= {"OAUTH2_REFRESH_TOKEN_GENERATOR": True, "OAUTH2_TOKEN_EXPIRES_IN": {"refresh_token": 600}}
    app.config["PROPAGATE_EXCEPTIONS"] = False
    server = AuthorizationServer(
        app,
        query_client=lambda name: store.client if name == "client" else None,
        save_token=lambda token, request: None,
    )
    code_grant, refresh_grant = _grants(store)
    server.register_grant(code_grant, [_code_extension()])
    server.register_grant(refresh_grant, [_refresh_extension()])
    server.register_client_auth_method("private_key_jwt", _assertion(store))
    for kind in _endpoints(store):
        server.register_endpoint(kind)
    protector = ResourceProtector()
    protector.register_token_validator(_validator())

    @app.post("/token")
    def token() -> Response:
        return server.create_token_response()  # type: ignore[no-any-return]

    @app.post("/<any(introspection,revocation):name>")
    def endpoint(name: str) -> Response:
        return server.create_endpoint_response(name)  # type: ignore[no-any-return]

    @app.post("/userinfo")
    @protector("openid")  # type: ignore[untyped-decorator]
    def userinfo() -> dict[str, str]:
        return {"sub": "s"}

    return app


def _grants(store: Store) -> tuple[type, type]:
    class CodeGrant(AuthorizationCodeGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS

        def query_authorization_code(self, code: str, client: Client) -> Credential | None:
            return store.codes.get(code)

        def authenticate_user(self, authorization_code: Credential) -> str:
            store.pause()
            return "user"

        def delete_authorization_code(self, authorization_code: Credential) -> None:
            store.codes.clear()

    class RefreshGrant(RefreshTokenGrant):  # type: ignore[misc]
        TOKEN_ENDPOINT_AUTH_METHODS = METHODS
        INCLUDE_NEW_REFRESH_TOKEN = True

        def authenticate_refresh_token(self, refresh_token: str) -> Credential | None:
            return store.refresh_tokens.get(refresh_token)

        def authenticate_user(self, refresh_token: Credential) -> str:
            store.pause()
            return "user"

        def revoke_old_credential(self, refresh_token: Credential) -> None:
            store.refresh_tokens.clear()

    return CodeGrant, RefreshGrant


def _code_extension() -> OpenIDCode:
    class Code(OpenIDCode):  # type: ignore[misc]
        def resolve_client_private_key(self, client: Client) -> KeySet:
            return OWN_KEYS

        def get_client_claims(self, client: Client) -> dict[str, Any]:
            return {"iss": "https://stock.example"}

        def generate_user_info(self, user: str, scope: str) -> dict[str, str]:
            return {"sub": user}

    return Code()


def _refresh_extension() -> OpenIDToken:
    class Token(OpenIDToken):  # type: ignore[misc]
        def resolve_client_private_key(self, client: Client) -> KeySet:
            return OWN_KEYS

        def get_client_claims(self, client: Client) -> dict[str, Any]:
            return {"iss": "https://stock.example"}

        def generate_user_info(self, user: str, scope: str) -> dict[str, str]:
            return {"sub": user}

    return Token()


def _assertion(store: Store) -> JWTBearerClientAssertion:
    class Assertion(JWTBearerClientAssertion):  # type: ignore[misc]
        CLIENT_AUTH_METHOD = "private_key_jwt"

        def get_audiences(self) -> list[str]:
            return ["https://stock.example"]

        def validate_jti(self, claims: dict[str, Any], jti: str) -> bool:
            is_new = jti not in store.seen
            store.seen.add(jti)
            return is_new

        def resolve_client_public_key(self, client: Client) -> Any:
            return client.jwks

    return Assertion()


def _endpoints(store: Store) -> list[type]:
    class NothingHere(IntrospectionEndpoint):  # type: ignore[misc]
        """The first of a chain: it knows JWTs alone and passes everything else on."""

        CLIENT_AUTH_METHODS = METHODS

        def authenticate_token(self, request: Any, client: Client) -> Credential:
            if request.form.get("token_type_hint") == "elsewhere":
                raise ContinueIteration
            self.check_params(request, client)
            return Credential()

        def introspect_token(self, token: Credential) -> dict[str, Any]:
            return {"active": True}

    class Second(NothingHere):
        pass

    class Revocation(RevocationEndpoint):  # type: ignore[misc]
        CLIENT_AUTH_METHODS = METHODS

        def query_token(self, token_string: str, token_type_hint: str | None) -> None:
            return None

    return [NothingHere, Second, Revocation]


def _validator() -> BearerTokenValidator:
    class Validator(BearerTokenValidator):  # type: ignore[misc]
        def authenticate_token(self, token_string: str) -> Credential | None:
            return Credential() if token_string == "access" else None

    return Validator()


def claims(**changes: Any) -> dict[str, Any]:
    """Of a client assertion for the stock server."""
    now = int(time.time())
    said = {
        "iss": "client",
        "sub": "client",
        "aud": "https://stock.example",
        "exp": now + 60,
        "jti": str(time.time_ns()),
    }
    return said | changes
