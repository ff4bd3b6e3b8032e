"""Error pages: what happened in words, what to do, one way out, and a reference to tell on the telephone."""

from __future__ import annotations

from dataclasses import dataclass

import structlog
from flask import Flask, Response, g, jsonify, request
from sqlalchemy.exc import OperationalError
from werkzeug.exceptions import HTTPException

from idp.chance import pick
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.texts import format_time
from idp.web.i18n import text
from idp.web.render import Frame, page
from idp.web.session import BLIND

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
KEYS = {404: "x.404", 405: "x.405", 413: "x.client", 421: "x.404", 429: "x.429", 403: "x.denied", 400: "x.client"}

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class ErrorView:
    text: str
    reference: str
    time: str
    action: tuple[str, str]
    detail: str  # for the portal's developer, in English


def error_page(
    key: str,
    status: int,
    *,
    portal: Portal | None = None,
    action: tuple[str, str] | None = None,
    values: dict[str, object] | None = None,
    detail: str = "",
) -> Response:
    """One of the pages `x.*` of ux.md §6.9. `action`: label and address of the one way out."""
    bundle = services()
    raw = pick(bundle.random, CROCKFORD, 8)
    reference = f"{raw[:4]}-{raw[4:]}"
    time = format_time(bundle.clock.now())
    words = {"time": time, "host": bundle.settings.host, **(values or {})}
    log.info("error_page", key=key, status=status, reference=reference)
    view = ErrorView(
        text=text(f"{key}.text", **words),
        reference=reference,
        time=time,
        action=action or (text("x.retry"), f"/{portal.slug}/login" if portal else "/"),
        detail=detail,
    )
    return page("errors/error.html", Frame(text(f"{key}.title", **words), portal=portal), view, status=status)


def _is_machine(app: Flask) -> bool:
    """Whether this address is one that machines call: they read JSON, also where no view was reached."""
    if request.blueprint in BLIND:
        return True
    methods = getattr(request.routing_exception, "valid_methods", None) or ()
    adapter = app.create_url_adapter(request)
    return any(adapter.match(method=method)[0].split(".")[0] in BLIND for method in methods if adapter is not None)


def _machine_error(code: str, status: int) -> Response:
    response = jsonify(error=code)
    response.status_code = status
    return response


def install(app: Flask) -> None:
    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        status = error.code or 500
        if status < 400:
            return error.get_response()  # type: ignore[return-value]
        if _is_machine(app):
            response = _machine_error("invalid_request" if status < 500 else "server_error", status)
        else:
            response = error_page(KEYS.get(status, "x.500"), status)
        if status == 405 and getattr(error, "valid_methods", None):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))  # type: ignore[attr-defined]
        return response

    @app.errorhandler(Exception)
    def _fault(error: Exception) -> Response:
        db.session.rollback()
        log.error(
            "fault",
            kind=type(error).__name__,
            rule=str(request.url_rule),
            request_id=g.get("request_id"),
            exc_info=True,
        )
        is_outage = isinstance(error, OperationalError)
        if _is_machine(app):
            return _machine_error("temporarily_unavailable" if is_outage else "server_error", 503 if is_outage else 500)
        if is_outage:
            response = error_page("x.500", 503)
            response.headers["Retry-After"] = "10"
            return response
        return error_page("x.500", 500)
