"""Structured logs, one JSON object a line, scrubbed of everything secret or personal before it is written.

The scrubber knows names and shapes; it stands before the output, so libraries that log tokens at DEBUG pass it too.
"""

from __future__ import annotations

import logging
import re
import sys
import time
from collections.abc import MutableMapping
from typing import Any
from uuid import uuid4

import structlog
from flask import Flask, Response, g, request

HIDDEN = "[hidden]"
SECRET_NAMES = re.compile(
    r"code|password|secret|token|otp|seed|cookie|authorization|email|mobile|phone|name$|birth|address|assertion|verifier",
    re.IGNORECASE,
)
ALLOWED_NAMES = {"event", "level", "logger", "timestamp", "request_id", "status_code", "tries", "name"}
SHAPES = re.compile(
    r"[^\s\"'<>@]+@[^\s\"'<>@]+"  # e-mail addresses
    r"|cc_[a-z]{2,4}_[A-Za-z0-9]+"  # our tokens
    r"|[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # JWTs
    r"|\b[0-9A-Za-z]{4}[- ][0-9A-Za-z]{4}[- ][0-9A-Za-z]{4}\b|\b[0-9A-Za-z]{12}\b"  # letter codes
    r"|(?<![\w.-])\d{6}(?![\w-])"  # one-time codes
    r"|\+\d{8,15}|\b0\d{2} ?\d{3} ?\d{2} ?\d{2}\b"  # telephone numbers
    r"|\b[A-Z2-7]{32}\b"  # authenticator seeds
    r"|756\.?\d{4}\.?\d{4}\.?\d{2}"  # insured numbers
    r"|\?[^\s\"']+"  # query strings
    r"|Basic [A-Za-z0-9+/=]+|Bearer \S+"
)
FIELDS = re.compile(
    r"((?:password|otp|code|csrf_token|client_secret|code_verifier|mobile|birth_date)['\"]?\s*[=:]\s*)[^,&\s)}\]]+",
    re.IGNORECASE,
)


def scrub_text(text: str) -> str:
    """The text with every known shape of a secret or of personal data replaced."""
    return SHAPES.sub(HIDDEN, FIELDS.sub(lambda found: found[1] + HIDDEN, text))


def scrub(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for name, value in list(event.items()):
        if name not in ALLOWED_NAMES and SECRET_NAMES.search(name):
            event[name] = HIDDEN
        elif isinstance(value, str) and name not in {"timestamp", "request_id"}:
            event[name] = scrub_text(value)
        elif not isinstance(value, (int, float, bool, type(None), str)):
            event[name] = scrub_text(str(value))
    return event


def _no_exception_text(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep where an exception came from and its class; its text may quote what was processed."""
    info = event.pop("exc_info", None)
    if info:
        error = info if isinstance(info, BaseException) else sys.exc_info()[1] if info is True else info[1]
        places, trace = [], getattr(error, "__traceback__", None)
        while trace is not None:
            places.append(f"{trace.tb_frame.f_code.co_filename.rsplit('/', 1)[-1]}:{trace.tb_lineno}")
            trace = trace.tb_next
        event["error"], event["where"] = type(error).__name__, " > ".join(places[-8:])
    return event


def configure(level: str) -> None:
    """Send structlog and the standard library's loggers through one scrubbed JSON line each, to stderr."""
    shared: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _no_exception_text,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                scrub,
                structlog.processors.JSONRenderer(ensure_ascii=True),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())


def install(app: Flask) -> None:
    log = structlog.get_logger("connect.access")

    @app.before_request
    def _start() -> None:
        g.request_id = uuid4().hex
        g.started = time.perf_counter()
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(request_id=g.request_id)

    @app.after_request
    def _line(response: Response) -> Response:
        spent = round((time.perf_counter() - g.get("started", time.perf_counter())) * 1000, 1)
        log.info(
            "request", method=request.method, rule=str(request.url_rule), status_code=response.status_code, ms=spent
        )
        response.headers["X-Request-Id"] = g.get("request_id", "")
        return response
