"""The short way of a well-formed request of a portal's server to its endpoint (docs/decisions/0026).

A request that is plain in every respect is answered here, with the same functions, checks and headers as behind Flask's
dispatch; whatever is not plain, and every other address, goes there. So this file holds no rule of the protocol.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

import structlog
from flask import Flask, Request, Response, g

from idp.services.bundle import Services, services
from idp.web import errors, headers
from idp.web.guard import LARGEST_BODY
from idp.web.headers import CACHEABLE
from idp.web.unit import begin, settle

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

FORM = "application/x-www-form-urlencoded"
REASONS = {200: "200 OK", 201: "201 CREATED", 400: "400 BAD REQUEST", 401: "401 UNAUTHORIZED"}
Endpoint = Callable[[Request], Response]

log = structlog.get_logger("connect.access")


class MachineDoor:
    """`table`: (method, path) → what answers it there. `dispatch` is the way of everything else."""

    def __init__(self, app: Flask, bundle: Services, table: Mapping[tuple[str, str], Endpoint]) -> None:
        self._app = app
        self.dispatch: WSGIApplication = app.wsgi_app
        self.table = table
        settings = bundle.settings
        self._hosts = {settings.host, settings.mtls_host} - {None}
        self._fixed = (("Content-Security-Policy", headers.policy(())), *headers.of_every_answer(settings).items())

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        endpoint = self.table.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if endpoint is None or not self._is_plain(environ):
            return self.dispatch(environ, start_response)
        began = time.perf_counter()
        with self._app.app_context():
            if services().self_tests.watched().until:  # a self-test notes whole requests, behind the dispatch
                return self.dispatch(environ, start_response)
            request = self._app.request_class(environ)
            g.request_id = services().random.bytes(16).hex()
            structlog.contextvars.clear_contextvars()
            structlog.contextvars.bind_contextvars(request_id=g.request_id)
            if request.method != "GET":
                begin()
            response = self._answer(request, endpoint)
            spent = round((time.perf_counter() - began) * 1000, 1)
            log.info("request", method=request.method, rule=request.path, status_code=response.status_code, ms=spent)
            is_cacheable = bool(g.get(CACHEABLE))
            return self._send(response, g.request_id, start_response, is_cacheable=is_cacheable)

    def _is_plain(self, environ: WSGIEnvironment) -> bool:
        """What the guard of Flask's requests lets through to a machine's endpoint, and nothing near its limits."""
        if environ.get("HTTP_HOST") not in self._hosts or environ.get("QUERY_STRING"):
            return False
        if environ["REQUEST_METHOD"] == "GET":
            return environ.get("CONTENT_LENGTH", "") in {"", "0"} and "HTTP_TRANSFER_ENCODING" not in environ
        length = environ.get("CONTENT_LENGTH", "")
        return (
            environ.get("CONTENT_TYPE", "") == FORM
            and length.isascii() and length.isdigit() and int(length) <= LARGEST_BODY
            and "HTTP_TRANSFER_ENCODING" not in environ
        )  # fmt: skip

    def _answer(self, request: Request, endpoint: Endpoint) -> Response:
        try:
            if any("\0" in name or "\0" in value for name, value in request.form.items(multi=True)):
                return errors.machine_error("invalid_request", 400)
            return settle(endpoint(request))
        except Exception as error:
            return errors.answer_machine(error, request.path)

    def _send(
        self, response: Response, request_id: str, start_response: StartResponse, *, is_cacheable: bool
    ) -> list[bytes]:
        body, status = response.get_data(), response.status_code
        said = {name.lower() for name, _ in response.headers}
        sent = [(name, value) for name, value in response.headers if name.lower() != "content-length"]
        sent += [(name, value) for name, value in self._fixed if name.lower() not in said]
        if not is_cacheable:
            sent.append(("Cache-Control", "no-store"))
        sent += [("X-Request-Id", request_id), ("Content-Length", str(len(body)))]
        start_response(REASONS.get(status, response.status), sent)
        return [body]
