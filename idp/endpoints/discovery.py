"""The discovery document (OIDC Discovery §4, RFC 8414 §3) and the public keys (RFC 7517 §5)."""

from __future__ import annotations

from flask import Blueprint, Response, g, jsonify

from idp.protocol import metadata
from idp.services.bundle import services
from idp.web.headers import CACHEABLE
from idp.web.session import cookie_blind

blueprint = cookie_blind(Blueprint("discovery", __name__))
CACHED_S = 300  # a new key is published for a day before it signs, so five minutes lose nothing


def _cached(document: object) -> Response:
    setattr(g, CACHEABLE, True)
    response = jsonify(document)
    response.headers["Cache-Control"] = f"public, max-age={CACHED_S}"
    response.headers["Access-Control-Allow-Origin"] = "*"  # public, without credentials
    response.headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    return response


@blueprint.get("/.well-known/openid-configuration")
@blueprint.get("/.well-known/oauth-authorization-server")
def discovery() -> Response:
    return _cached(metadata.document(services().settings))


@blueprint.get("/jwks")
def jwks() -> Response:
    return _cached(services().keyring.jwks())
