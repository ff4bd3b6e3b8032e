"""Structured logs, one JSON object a line, scrubbed of everything secret or personal before it is written.

Closed by default: our own lines carry the fields of `FIELDS` and no others, libraries are heard from WARNING on, and
what an exception says is never repeated. The scrubber behind that knows the shapes of secrets and personal data.
"""

from __future__ import annotations

import logging
import re
import sys
import threading
import time
from collections.abc import MutableMapping
from contextvars import ContextVar
from types import TracebackType
from typing import Any

import structlog
from flask import Flask, Request, Response, g

from idp.models.context import of_context
from idp.services import statements
from idp.services.bundle import Services, services
from idp.services.metrics import LATENCY, REQUESTS
from idp.web import request_ids
from idp.web.in_memory import current_request
from idp.web.known import known_method, known_route
from idp.web.trace import trace_id

HIDDEN = "[hidden]"
OWN = ("connect", "flows", "idp", "keys")  # the loggers that the configured level is for
SERVER = ("_granian", "granian.access")  # its lines become ours
IDS = frozenset({"timestamp", "level", "logger", "request_id", "message", "reference", "where", "rule", "statement"})
FIELDS = IDS | {
    "event", "method", "status_code", "ms", "key", "status", "kind", "error", "detail", "channel", "duty", "state",
    "tries", "portal", "alg", "volume", "statements", "database_ms", "gateway", "names",
}  # fmt: skip
SHAPES = re.compile(
    r"[^\s\"'<>@]+@[^\s\"'<>@]+"  # e-mail addresses
    r"|cc_[a-z]{2,4}_[A-Za-z0-9]+"  # our tokens
    r"|[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"  # JWTs
    r"|(?=[\w-]*\d)(?=[\w-]*[a-z])(?=[\w-]*[A-Z])[A-Za-z0-9_-]{20,}"  # whatever else looks random
    r"|\b[0-9A-Za-z]{4}[- ][0-9A-Za-z]{4}[- ][0-9A-Za-z]{4}\b"  # letter codes
    r"|\b(?![A-Z][A-Za-z]+Error\b)[0-9A-Za-z]{12}\b"  # but no TimeoutError
    r"|(?<![\w.-])\d{6}(?![\w-])"  # one-time codes
    r"|\+\d{8,15}|\b0\d{2} ?\d{3} ?\d{2} ?\d{2}\b"  # telephone numbers
    r"|\b[A-Z2-7]{32}\b"  # authenticator seeds
    r"|756\.?\d{4}\.?\d{4}\.?\d{2}"  # insured numbers
    r"|\?[^\s\"']+"  # query strings
    r"|Basic [A-Za-z0-9+/=]+|Bearer \S+"
)
NAMED = re.compile(
    r"((?:password|otp|code|csrf_token|client_secret|code_verifier|mobile|birth_date)['\"]?\s*[=:]\s*)[^,&\s)}\]]+",
    re.IGNORECASE,
)
ACCESS = logging.getLogger("connect.access")
access = structlog.get_logger(ACCESS.name)
NAMED_NOW: ContextVar[str] = ContextVar("request_id", default="")
PACKAGES = re.compile(r"/(?:idp|flows|keys)/(.+\.py)$|/(wsgi\.py)$")


def scrub_text(text: str) -> str:
    """The text with every known shape of a secret or of personal data replaced."""
    return SHAPES.sub(HIDDEN, NAMED.sub(lambda found: found[1] + HIDDEN, text))


def scrub(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Hide what has no known name; clean what has one, ids and words of our own code excepted."""
    for name, value in list(event.items()):
        if name not in FIELDS:
            event[name] = HIDDEN
        elif name not in IDS and not isinstance(value, int | float | None):
            event[name] = scrub_text(str(value))
    return event


def _no_exception_text(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Keep where an exception came from and its class; its text may quote what was processed."""
    info = event.pop("exc_info", None)
    event.pop("stack_info", None)
    if info:
        error = info if isinstance(info, BaseException) else sys.exc_info()[1] if info is True else info[1]
        event["error"], event["where"] = type(error).__name__, _where(getattr(error, "__traceback__", None))
    return event


def _where(trace: TracebackType | None) -> str:
    """File and line of our own part of the way, and where it ended."""
    ours, last = [], ""
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        found = PACKAGES.search(path)
        last = f"{path.rsplit('/', 1)[-1]}:{trace.tb_lineno}"
        if found:
            ours.append(f"{found[1] or found[2]}:{trace.tb_lineno}")
        trace = trace.tb_next
    return " > ".join([*ours[-6:], last])


def _name_request(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """The id of the request that this thread answers, unless the line brings one."""
    if request_id := NAMED_NOW.get():
        event.setdefault("request_id", request_id)
    return event


def configure(level: str) -> None:
    """Send structlog, the standard library's loggers, warnings and dying threads through scrubbed lines of JSON."""
    shared: list[Any] = [
        _name_request,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _no_exception_text,
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.make_filtering_bound_logger(level.upper()),  # what is not told is not put together
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
    root.setLevel(max(logging.WARNING, logging.getLevelNamesMapping()[level.upper()]))
    for name in OWN:
        logging.getLogger(name).setLevel(level.upper())
    for name in SERVER:
        logging.getLogger(name).handlers.clear()
        logging.getLogger(name).propagate = True
    logging.captureWarnings(True)
    logging.raiseExceptions = False  # a line that cannot be written must not print its values instead
    log = structlog.get_logger(__name__)
    threading.excepthook = lambda ended: log.critical("thread_ended", exc_info=ended.exc_value)
    sys.excepthook = lambda _kind, error, _trace: log.critical("process_ended", exc_info=error)


def begin(asked: Request, bundle: Services, trace: str = "") -> tuple[str, float]:
    """Name the request in whatever is logged from here on, and look at the clock: its id, and when it began."""
    request_id = name(asked, bundle, trace)
    NAMED_NOW.set(request_id)
    of_context()["request_id"] = request_id
    statements.sum_up()
    return request_id, time.perf_counter()


def name(asked: Request, bundle: Services, trace: str = "") -> str:
    """The id of this request."""
    return request_ids.of_request(asked, bundle.settings) or trace or bundle.random.bytes(16).hex()


def tell(
    bundle: Services, rule: str, method: str, known: tuple[str, str], status: int, seconds: float, **more: str
) -> None:
    """The line of a request that was answered, and its figures under the route and method that are known; `more`
    stands in the line.
    """
    spent = seconds * 1000
    if ACCESS.isEnabledFor(logging.INFO):
        access.info("request", method=method, rule=rule, status_code=status, ms=round(spent, 1), **more)
    if spent > bundle.settings.slow_request_ms:
        count, waited = statements.spent()
        access.warning(
            "slow_request", method=method, rule=rule, status_code=status, ms=round(spent, 1), statements=count,
            database_ms=round(waited * 1000, 1), **more,
        )  # fmt: skip
    bundle.metrics.count(REQUESTS, *known, str(status))
    bundle.metrics.observe(LATENCY, seconds, *known)


def install(app: Flask) -> None:
    @app.before_request
    def _begin() -> None:
        bundle = services()
        g.began = begin(current_request(), bundle, trace_id() if bundle.spans.tracer else "")

    @app.after_request
    def _finish(response: Response) -> Response:
        asked, (request_id, began) = current_request(), g.began
        known = known_route(asked), known_method(asked)
        tell(services(), str(asked.url_rule), asked.method, known, response.status_code, time.perf_counter() - began)
        response.headers["X-Request-Id"] = request_id
        return response
