"""The JSON answers of the machine endpoints: the body, or the error of RFC 6749 §5.2 with its challenge."""

from __future__ import annotations

import json
from typing import Any

import structlog
from flask import Response, g

from idp.errors import ProtocolError
from idp.protocol import dpop
from idp.services.bundle import services

log = structlog.get_logger(__name__)


def answer(body: dict[str, Any], status: int = 200) -> Response:
    headers = {"Pragma": "no-cache"}
    if services().settings.dpop_nonce:
        headers["DPoP-Nonce"] = dpop.nonce(services())  # RFC 9449 §8.2: the next one, before it is asked for
    return Response(json.dumps(body), status, headers, content_type="application/json")


def refuse(error: ProtocolError) -> Response:
    g.refused = error.code
    log.info("token_refused", error=error.code, detail=error.log_detail, status_code=error.status)
    response = answer({"error": error.code, "error_description": error.description}, error.status)
    if error.challenge:
        response.headers["WWW-Authenticate"] = error.challenge
    return response
