"""Error pages: what happened in words, what to do, one way out, and a reference to tell on the telephone."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import structlog
from flask import Flask, Response, has_request_context, jsonify, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException

from idp.chance import pick
from idp.models import outage
from idp.models.base import db
from idp.models.portal import Portal, find_portal
from idp.models.units import give_back
from idp.services.bundle import services
from idp.services.hash_queue import COME_BACK_IN_S, TooBusy
from idp.texts import format_time
from idp.web import problems
from idp.web.i18n import keep_asked, text
from idp.web.problems import Kind, Problem
from idp.web.render import Frame, page
from idp.web.session import BLIND
from idp.web.unavailable import unavailable_page

CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
KEYS = {
    400: "x.client", 403: "x.denied", 404: "x.404", 405: "x.405", 413: "x.client", 414: "x.414", 421: "x.404",
    429: "x.429",
}  # fmt: skip

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
    words: str | None = None,
    detail: str = "",
) -> Response:
    """One of the pages `x.*` of ux.md §6.9. `action`: label and address of the one way out; `words` replace its text
    where more is known.
    """
    bundle = services()
    keep_asked()
    raw = pick(bundle.random, CROCKFORD, 8)
    reference = f"{raw[:4]}-{raw[4:]}"
    time = format_time(bundle.clock.now())
    values = {"time": time, "host": bundle.settings.host}
    log.info("error_page", key=key, status=status, reference=reference)
    view = ErrorView(
        text=words or text(f"{key}.text", **values),
        reference=reference,
        time=time,
        action=action or (text("x.retry"), f"/{portal.slug}/login" if portal else "/"),
        detail=detail,
    )
    frame = Frame(text(f"{key}.title", **values), portal=portal, can_switch=status != 414)
    return page("errors/error.html", frame, view, status=status)


def portal_of_request() -> Portal | None:
    """The portal whose pages this address belongs to: its people know best whom to call."""
    try:
        return find_portal(request.path.split("/")[1])
    except SQLAlchemyError:  # an error page must come, also without a database
        db.session.rollback()
        return None


def _is_machine(app: Flask) -> bool:
    """Whether this address is one that machines call: they read JSON, also where no view was reached."""
    if request.blueprint in BLIND or problems.is_api():
        return True
    methods = getattr(request.routing_exception, "valid_methods", None) or ()
    adapter = app.create_url_adapter(request)
    return any(adapter.match(method=method)[0].split(".")[0] in BLIND for method in methods if adapter is not None)


def machine_error(code: str, status: int) -> Response:
    """An error in JSON, in the form that its readers expect."""
    if has_request_context() and problems.is_api():
        return problems.answer(Problem(problems.BY_STATUS.get(status, Kind.MALFORMED)))
    response = jsonify(error=code)
    response.status_code = status
    return response


def _retry_words(key: str, error: HTTPException) -> str | None:
    """From when on to try again, where the error knows."""
    seconds = getattr(error, "retry_after", None)
    if not isinstance(seconds, int):
        return None
    told = services().clock.now() + timedelta(seconds=seconds + 59)  # in whole minutes, and never too early
    return text(f"{key}.text", time=format_time(told))


def install(app: Flask) -> None:
    @app.errorhandler(HTTPException)
    def _http(error: HTTPException) -> Response:
        original = getattr(error, "original_exception", None)
        if original is not None:
            return _answer_fault(app, original)
        status = error.code or 500
        if status < 400:
            return error.get_response()  # type: ignore[return-value]
        if _is_machine(app):
            response = _of_status(status)
        else:
            portal, key = portal_of_request() if status < 500 else None, KEYS.get(status, "x.500")
            response = error_page(key, status, portal=portal, words=_retry_words(key, error))
        if getattr(error, "retry_after", None):
            response.headers["Retry-After"] = str(error.retry_after)  # type: ignore[attr-defined]
        if status == 405 and getattr(error, "valid_methods", None):
            response.headers["Allow"] = ", ".join(sorted(error.valid_methods))  # type: ignore[attr-defined]
        return response

    @app.errorhandler(TooBusy)
    def _busy(error: TooBusy) -> Response:
        db.session.rollback()
        if _is_machine(app):
            return _of_crowd(error)
        status = 429 if error.is_own_flood else 503
        response = error_page("x.busy", status, action=(text("x.retry"), request.full_path.rstrip("?")))
        response.headers["Retry-After"] = str(COME_BACK_IN_S)
        return response

    @app.errorhandler(Exception)
    def _fault(error: Exception) -> Response:
        _log_fault((type(error), error, error.__traceback__))
        return _answer_fault(app, error)

    # For what fails after the view, the commit: Flask's own line would name the address.
    app.log_exception = _log_fault  # type: ignore[method-assign]


def answer_machine(error: Exception, rule: str) -> Response:
    """What a machine's endpoint answers where it raised, whoever called it."""
    db.session.rollback()
    give_back()
    if isinstance(error, HTTPException):
        return _of_status(error.code or 500)
    if isinstance(error, TooBusy):
        return _of_crowd(error)
    log.error("fault", rule=rule, exc_info=error)
    return _of_fault(error)


def _log_fault(exc_info: Any) -> None:
    db.session.rollback()
    give_back()  # what tells of the fault must not ask by a connection that may be broken
    log.error("fault", rule=str(request.url_rule), exc_info=exc_info)


def _answer_fault(app: Flask, error: BaseException) -> Response:
    if _is_machine(app):
        return _of_fault(error)
    seconds = outage.retry_after(error)
    return error_page("x.500", 500) if seconds is None else unavailable_page(seconds)


def _of_status(status: int) -> Response:
    return machine_error("invalid_request" if status < 500 else "server_error", status)


def _of_crowd(error: TooBusy) -> Response:
    response = machine_error("temporarily_unavailable", 429 if error.is_own_flood else 503)
    response.headers["Retry-After"] = str(COME_BACK_IN_S)
    return response


def _of_fault(error: BaseException) -> Response:
    seconds = outage.retry_after(error)
    if seconds is None:
        return machine_error("server_error", 500)
    response = machine_error("temporarily_unavailable", 503)
    response.headers["Retry-After"] = str(seconds)
    return response
