"""The JSON answers of the machine endpoints: the body, or the error of RFC 6749 §5.2 with its challenge."""

from __future__ import annotations

from functools import cache
from typing import Any

import structlog
from flask import Response, g
from pydantic_core import to_json
from werkzeug.datastructures import Headers
from werkzeug.http import HTTP_STATUS_CODES

from idp.errors import ProtocolError
from idp.protocol import dpop
from idp.services.bundle import services

log = structlog.get_logger(__name__)


class JSONAnswer(Response):
    """A body and headers that are ours alone, so nothing of them is looked at and corrected as a Response does it."""

    def __init__(self, body: bytes, status: int, headers: list[tuple[str, str]]) -> None:
        self.headers = _Headers(headers)
        self.response = [body]
        self.direct_passthrough = False
        self._status, self._status_code = _line(status), status
        self._on_close = []


@cache
def _line(status: int) -> str:
    """The status with its reason, as Werkzeug writes it."""
    return f"{status} {HTTP_STATUS_CODES[status].upper()}"


class _Headers(Headers):
    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self._list = pairs


def answer(body: dict[str, Any], status: int = 200) -> Response:
    written, settings = to_json(body), services().settings
    headers = [("Content-Type", "application/json"), ("Pragma", "no-cache"), ("Content-Length", str(len(written)))]
    if settings.dpop_nonce:
        headers.append(("DPoP-Nonce", dpop.nonce(services())))  # RFC 9449 §8.2: the next one, before it is asked for
    return JSONAnswer(written, status, headers)


def refuse(error: ProtocolError) -> Response:
    g.refused = error.code
    log.info("token_refused", error=error.code, detail=error.log_detail, status_code=error.status)
    response = answer({"error": error.code, "error_description": error.description}, error.status)
    if error.challenge:
        response.headers["WWW-Authenticate"] = error.challenge
    return response
