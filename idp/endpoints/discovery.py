"""The discovery document (OIDC Discovery §4, RFC 8414 §3) and the public keys (RFC 7517 §5)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Request, Response, g, request

from idp.protocol import metadata
from idp.services.bundle import services
from idp.web.headers import CACHEABLE
from idp.web.session import cookie_blind

blueprint = cookie_blind(Blueprint("discovery", __name__))
CACHED_S = 300  # a new key is published for a day before it signs, so five minutes lose nothing
HEADERS = {
    "Cache-Control": f"public, max-age={CACHED_S}",
    "Access-Control-Allow-Origin": "*",  # public, without credentials
    "Cross-Origin-Resource-Policy": "cross-origin",
}


@blueprint.get("/.well-known/openid-configuration")
@blueprint.get("/.well-known/oauth-authorization-server")
def discovery() -> Response:
    return answer_discovery(request)


@blueprint.get("/jwks")
def jwks() -> Response:
    return answer_keys(request)


def answer_discovery(asked: Request) -> Response:
    settings = services().settings
    return DISCOVERY.answer(asked, vars(settings), lambda: metadata.document(settings))  # another one when they change


def answer_keys(asked: Request) -> Response:
    ring = services().keyring.ring()
    return KEYS.answer(asked, ring, ring.document)


class _Public:
    """A document that everybody may read, as bytes that are made anew when what it tells of is another object."""

    def __init__(self) -> None:
        self._made: tuple[object, bytes, str] = (None, b"", "")

    def answer(self, asked: Request, source: object, document: Callable[[], Mapping[str, Any]]) -> Response:
        known, body, tag = self._made
        if known is not source:
            body = json.dumps(document(), separators=(",", ":")).encode()
            tag = hashlib.sha256(body).hexdigest()[:20]
            self._made = (source, body, tag)
        setattr(g, CACHEABLE, True)
        response = Response(body, headers=HEADERS, content_type="application/json")
        response.set_etag(tag)
        if "If-None-Match" in asked.headers:
            response.make_conditional(asked)
        return response


DISCOVERY, KEYS = _Public(), _Public()
