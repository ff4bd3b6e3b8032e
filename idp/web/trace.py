"""The span of each request, within the trace that a trusted proxy began; its trace names the request in the log."""

from __future__ import annotations

from typing import cast

from flask import Flask, Request, Response, g, request

from idp.services.bundle import services
from idp.services.spans import SERVER, Span
from idp.web import request_ids
from idp.web.known import known_method, known_route


def begin(asked: Request, method: str, route: str) -> None:
    noted = {"http.request.method": method, "http.route": route}
    bundle = services()
    begun_by = request_ids.traceparent(asked, bundle.settings) or ""
    g.span = bundle.spans.begin(f"{method} {route}", SERVER, noted, begun_by)


def note(response: Response) -> Response:
    if "span" in g:
        noted = {"http.response.status_code": response.status_code, "connect.request_id": g.get("request_id", "")}
        cast(Span, g.span).note(noted)
        g.answered = response.status_code
    return response


def end(_error: BaseException | None = None) -> None:
    if "span" in g:
        status = g.get("answered", 500)
        cast(Span, g.pop("span")).end(str(status) if status >= 500 else "")


def install(app: Flask) -> None:
    with app.app_context():
        if services().spans.tracer is None:
            return
    app.before_request(lambda: begin(request, known_method(request), known_route(request)))
    app.after_request(note)
    app.teardown_request(end)


def trace_id() -> str:
    """Of the trace that this request belongs to; empty where nothing is traced."""
    return cast(Span, g.span).trace_id if "span" in g else ""
