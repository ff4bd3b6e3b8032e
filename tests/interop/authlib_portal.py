"""A portal in Flask on Authlib's client, served on this machine: what Authlib makes of an answer it shows as JSON."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from flask import Flask, jsonify, request, session, url_for
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

from tests.interop.conftest import KEYS, Connect, Registered

SCOPE = "openid profile email insurance offline_access"


def create_portal(connect: Connect, known: Registered) -> Flask:
    app = Flask("authlib_portal")
    app.secret_key = "of a portal that lives for one test"
    app.config["SESSION_COOKIE_NAME"] = f"portal_{known.portal.slug}"
    method = known.portal.token_endpoint_auth_method
    client = OAuth(app).register(
        "connect",
        client_id=known.portal.client_id,
        client_secret=known.secret or KEYS[known.alg],
        client_auth_methods=[PrivateKeyJWT(alg=known.alg)] if known.secret is None else None,
        server_metadata_url=f"{connect.issuer}/.well-known/openid-configuration",
        client_kwargs={
            "scope": SCOPE, "code_challenge_method": "S256", "token_endpoint_auth_method": method, "trust_env": False,
            "verify": str(connect.authority.file) if connect.authority else True,
        },
    )  # fmt: skip

    @app.get("/login")
    def login() -> Any:
        return client.authorize_redirect(url_for("callback", _external=True), **request.args.to_dict())

    @app.get("/callback")
    def callback() -> Any:
        tokens = client.authorize_access_token()
        session["id_token"] = tokens["id_token"]
        details = client.userinfo(token=tokens)
        return jsonify(claims=tokens["userinfo"], details=details, refresh_token=tokens.get("refresh_token"))

    @app.get("/logout")
    def logout() -> Any:
        return client.logout_redirect(url_for("bye", _external=True), id_token_hint=session["id_token"])

    @app.get("/bye")
    def bye() -> Any:
        client.validate_logout_response()
        return jsonify(signed_out=True)

    @app.errorhandler(OAuthError)
    def refused(error: OAuthError) -> Response:
        response = jsonify(error=error.error, description=error.description)
        response.status_code = 400
        return response

    return app


@contextmanager
def served(connect: Connect, known: Registered, port: int) -> Iterator[str]:
    """The portal's address while it is served."""
    server = make_server("localhost", port, create_portal(connect, known), threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://localhost:{port}"
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()
