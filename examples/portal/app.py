"""A small portal: a relying party in Flask on Authlib's client, as a fund's own team might write it.

    python -m examples.portal.app portal.json

The file has the keys name, port, issuer, client_id, client_secret, token_endpoint_auth_method, color. Nothing is kept
but the visitor's own signed cookie.
"""

from __future__ import annotations

import base64
import json
import secrets
import sys
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from authlib.integrations.base_client import OAuthError
from authlib.integrations.flask_client import OAuth
from flask import Flask, redirect, render_template, request, session, url_for
from requests import RequestException
from werkzeug.serving import make_server
from werkzeug.wrappers import Response

SCOPE = "openid profile email phone insurance"
MEANINGS = {
    "iss": "who says so: the address of Connect",
    "sub": "who you are, for this portal alone: another portal gets another value",
    "aud": "who it is for: this portal",
    "exp": "from when on it must not be believed any more",
    "iat": "when it was made",
    "auth_time": "when you really signed in",
    "nonce": "ties it to the request this portal made",
    "acr": "how well you proved who you are: mfa means two factors",
    "amr": "by which means: password, SMS or app",
    "sid": "your session, for signing out",
    "at_hash": "ties it to the access token",
    "name": "your name",
    "given_name": "your first name",
    "family_name": "your family name",
    "birthdate": "your birth date, from the fund's record",
    "locale": "your language",
    "updated_at": "when these details last changed",
    "email": "your e-mail address",
    "email_verified": "whether you proved that it is yours",
    "phone_number": "your mobile number",
    "phone_number_verified": "whether you proved that it is yours",
    "insured_number": "your insured number, from the fund's record",
    "external_id": "the fund's own key of your record",
}


def decoded(token: str) -> list[dict[str, Any]]:
    """Header and claims of a JWT that Authlib has verified, to be shown."""
    parts = token.split(".")[:2]
    return [json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in parts]


def create_portal(config: dict[str, Any]) -> Flask:
    app = Flask(__name__)
    app.secret_key = secrets.token_bytes(32)
    # All of localhost shares one cookie jar whatever the port, so each portal names its own.
    app.config["SESSION_COOKIE_NAME"] = f"portal_{config['port']}"
    app.config["SESSION_COOKIE_SAMESITE"] = "Lax"
    app.jinja_env.globals.update(portal=config, meanings=MEANINGS)
    connect = OAuth(app).register(
        "connect",
        client_id=config["client_id"],
        client_secret=config["client_secret"],
        server_metadata_url=f"{config['issuer']}/.well-known/openid-configuration",
        client_kwargs={
            "scope": SCOPE,
            "code_challenge_method": "S256",
            "token_endpoint_auth_method": config["token_endpoint_auth_method"],
        },
    )

    @app.get("/")
    def home() -> str:
        return render_template("home.html", person=session.get("person"))

    @app.get("/login")
    def login() -> Response:
        """Also the address for a sign-in that Connect begins (OIDC Core §4); only the one issuer we know may."""
        if request.args.get("iss", config["issuer"]) != config["issuer"]:
            return Response("unknown issuer", 400)
        back = url_for("callback", _external=True)
        return connect.authorize_redirect(back, ui_locales=request.args.get("lang"))  # type: ignore[no-any-return]

    @app.get("/callback")
    def callback() -> Any:
        if request.args.get("iss") != config["issuer"]:  # RFC 9207: whose answer is this?
            return render_template("sorry.html", why="the answer does not say that it comes from Connect"), 400
        try:
            tokens = connect.authorize_access_token()
            details = connect.userinfo(token=tokens)
        except (OAuthError, RequestException) as error:
            return render_template("sorry.html", why=str(error)), 400
        header, claims = decoded(tokens["id_token"])
        session["person"] = {"header": header, "claims": claims, "details": dict(details)}
        session["id_token"] = tokens["id_token"]
        return redirect(url_for("home"))

    @app.post("/logout")
    def logout() -> Response:
        hint = session.pop("id_token", None)
        session.clear()
        state = secrets.token_urlsafe(16)
        session["bye"] = state
        query = {"post_logout_redirect_uri": url_for("bye", _external=True), "state": state}
        if hint:
            query["id_token_hint"] = hint
        return redirect(f"{config['issuer']}/logout?{urlencode(query)}", 303)

    @app.get("/bye")
    def bye() -> str:
        is_ours = session.pop("bye", None) == request.args.get("state")
        return render_template("home.html", person=None, said_bye=is_ours)

    return app


def main() -> None:
    config = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    make_server("localhost", config["port"], create_portal(config), threaded=True).serve_forever()


if __name__ == "__main__":
    main()
