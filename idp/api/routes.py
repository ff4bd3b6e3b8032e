"""Every operation of the API, mounted under /api/v1, and the document that describes them, which needs no token."""

from __future__ import annotations

import json
from functools import lru_cache, partial

from flask import Blueprint, Response

from idp.api import audit, codes, persons, portals, webhooks
from idp.api.entrance import view_of
from idp.api.openapi import document
from idp.services.bundle import services
from idp.web.guard import SAFE_METHODS, csrf_exempt, large_body
from idp.web.problems import API
from idp.web.session import cookie_blind

OPERATIONS = (
    *persons.OPERATIONS, *codes.OPERATIONS, *portals.OPERATIONS, *webhooks.OPERATIONS, *audit.OPERATIONS,
)  # fmt: skip
blueprint = cookie_blind(Blueprint("api", __name__))

for _operation in OPERATIONS:
    _view = view_of(_operation)
    if _operation.method not in SAFE_METHODS:
        csrf_exempt(_view)
        large_body(partial(int, _operation.largest))(_view)
    blueprint.add_url_rule(f"{API}{_operation.path}", _operation.name, _view, methods=[_operation.method])


@blueprint.get(f"{API}/openapi.json")
def describe() -> Response:
    return Response(_described(services().settings.issuer), content_type="application/json")


@lru_cache(maxsize=1)
def _described(issuer: str) -> str:
    """Made once: anybody may ask for it."""
    return json.dumps(document(issuer, OPERATIONS))
