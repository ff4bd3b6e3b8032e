"""The discovery document (OIDC Discovery §4, RFC 8414 §3) and the public keys (RFC 7517 §5)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from typing import Any

from flask import Blueprint, Request, Response, g, request
from werkzeug.http import quote_etag

from idp.protocol import metadata
from idp.services.bundle import Services, services
from idp.web.headers import CACHEABLE
from idp.web.machine_door import Document
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
    return DISCOVERY.answer(asked, services())


def answer_keys(asked: Request) -> Response:
    return KEYS.answer(asked, services())


class Public:
    """A document that is made anew when what it tells of is another object: another one when that changes."""

    def __init__(
        self, source: Callable[[Services], object], known_source: Callable[[Services], object | None],
        make: Callable[[Services, Any], Mapping[str, Any]],
    ) -> None:  # fmt: skip
        """`known_source`: the same where nothing must be read for it, else None."""
        self._source, self._known_source, self._make = source, known_source, make
        self._made: tuple[object, Document | None] = (None, None)

    def known(self, bundle: Services) -> Document | None:
        """The document, where nothing must be read or made for it."""
        of, document = self._made
        return document if of is not None and of is self._known_source(bundle) else None

    def answer(self, asked: Request, bundle: Services) -> Response:
        source = self._source(bundle)
        of, document = self._made
        if document is None or of is not source:
            body = json.dumps(self._make(bundle, source), separators=(",", ":")).encode()
            tag = quote_etag(hashlib.sha256(body).hexdigest()[:20])
            document = Document(body, (*HEADERS.items(), ("Content-Type", "application/json"), ("ETag", tag)))
            self._made = (source, document)
        setattr(g, CACHEABLE, True)
        response = Response(document.body, headers=list(document.headers))
        if "If-None-Match" in asked.headers:
            response.make_conditional(asked)
        return response


DISCOVERY = Public(
    lambda bundle: vars(bundle.settings),
    lambda bundle: vars(bundle.settings),
    lambda bundle, _: metadata.document(bundle.settings),
)
KEYS = Public(
    lambda bundle: bundle.keyring.ring(),
    lambda bundle: bundle.keyring.known_ring(),
    lambda _, ring: ring.document(),
)
