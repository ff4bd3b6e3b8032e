"""What machines ask of a running installation: whether it lives, whether it should be sent requests, and its figures.

They ask under whatever name or address reaches this process, and no answer holds a secret or anything of a person.
"""

from __future__ import annotations

import hmac
from dataclasses import asdict

from flask import Blueprint, Response, abort, jsonify, request
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4

from idp.models.base import db
from idp.services.bundle import services
from idp.services.metrics_shown import shown
from idp.services.readiness import readiness
from idp.web.guard import any_host
from idp.web.session import cookie_blind

blueprint = any_host(cookie_blind(Blueprint("probes", __name__)))
RETRY_AFTER_S = 10


@blueprint.get("/livez")
def livez() -> Response:
    """The process answers; nothing else is looked at, for a new start mends no database."""
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> Response:
    """200 where requests may come, 503 where they should go elsewhere for now."""
    found = readiness(services())
    looked_at = {name: value for name, value in asdict(found).items() if isinstance(value, str)}
    response = jsonify(status=found.status, **looked_at)
    if not found.is_ready:
        response.status_code = 503
        response.headers["Retry-After"] = str(RETRY_AFTER_S)
    return response


@blueprint.get("/metrics")
def metrics() -> Response:
    """The figures, for whoever has the token; no such page where the installation has none."""
    bundle = services()
    token, folder = bundle.settings.metrics_token, bundle.settings.metrics_folder
    if token is None or folder is None:
        abort(404)
    given = request.headers.get("Authorization", "")
    if not hmac.compare_digest(given.encode(), f"Bearer {token.get_secret_value()}".encode()):
        return Response("", 401, {"WWW-Authenticate": 'Bearer realm="metrics"'}, content_type="text/plain")
    figures = shown(bundle, folder)
    db.session.rollback()
    return Response(figures, content_type=CONTENT_TYPE_PLAIN_0_0_4)
