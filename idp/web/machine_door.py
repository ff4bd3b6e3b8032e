"""The short way of a well-formed request of a portal's server to its endpoint (docs/decisions/0026).

A request that is plain in every respect is answered here, with the same functions, checks and headers as behind Flask's
dispatch; whatever is not plain, and every other address, goes there. So this file holds no rule of the protocol.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Protocol

from flask import Flask, Request, Response
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.http import remove_entity_headers

from idp.models.base import db
from idp.models.context import of_context
from idp.services import statements
from idp.services.bundle import Services
from idp.web import errors, headers, log, precedence, trace
from idp.web.guard import LARGEST_BODY
from idp.web.headers import CACHEABLE
from idp.web.in_memory import NOTHING, Values, pairs
from idp.web.machine_request import FORM, MachineRequest
from idp.web.unit import begin, settle

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

LONGEST_LENGTH = len(str(LARGEST_BODY))
NOT_MODIFIED = 304
LENGTH = {"Content-Length", "content-length"}
NO_STORE = "Cache-Control", "no-store"
REASONS = {200: "200 OK", 201: "201 CREATED", 400: "400 BAD REQUEST", 401: "401 UNAUTHORIZED"}
Endpoint = Callable[[Request], Response]


@dataclass(frozen=True, eq=False)
class Document:
    """What everybody may read, as bytes, and its own headers."""

    body: bytes
    headers: tuple[tuple[str, str], ...]


class Public(Protocol):
    """Where a document comes from (idp/endpoints/discovery.py)."""

    def known(self, bundle: Services) -> Document | None: ...


class MachineDoor:
    """`table`: (method, path) → what answers it there. `documents`: path → what everybody may read there. `dispatch` is
    the way of everything else.
    """

    def __init__(
        self, app: Flask, bundle: Services, table: Mapping[tuple[str, str], Endpoint], documents: Mapping[str, Public]
    ) -> None:
        self._app = app
        self._bundle = bundle
        self._documents = documents
        self._ready: dict[str, tuple[Document, list[tuple[str, str]]]] = {}  # by path
        self.dispatch: WSGIApplication = app.wsgi_app
        self.table = table
        self._is_traced = bundle.spans.tracer is not None
        settings = bundle.settings
        self._hosts = {settings.host, settings.mtls_host} - {None}
        fixed = {"Content-Security-Policy": headers.policy(()), **headers.of_every_answer(settings)}
        self._unsaid: dict[tuple[str, ...], list[tuple[str, str]]] = {}  # by the names of the headers of an answer
        self._fixed = tuple((name.lower(), (name, value)) for name, value in fixed.items())

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        precedence.in_front()
        endpoint = self.table.get((environ["REQUEST_METHOD"], environ["PATH_INFO"]))
        if endpoint is None or not self._is_plain(environ):
            return self.dispatch(environ, start_response)
        request = MachineRequest(environ)
        known = request.path, request.method
        if (document := self._known_document(request)) is not None:
            return self._show(document, request, known, start_response)
        bundle = self._bundle
        with self._app.app_context():
            if self._is_watched():  # a self-test notes whole requests, behind the dispatch
                return self.dispatch(environ, start_response)
            if self._is_traced:
                trace.begin(request, known[1], known[0])
            request_id, began = log.begin(request, bundle, trace.trace_id() if self._is_traced else "")
            bundle.live.refresh()
            begin()
            response = self._answer(request, endpoint)
            log.tell(bundle, *known, known, response.status_code, time.perf_counter() - began)
            if self._is_traced:
                trace.note(response)
                trace.end()
            return self._send(response, request_id, start_response)

    def _is_plain(self, environ: WSGIEnvironment) -> bool:
        """What the guard of Flask's requests lets through to a machine's endpoint, and nothing near its limits."""
        if environ.get("HTTP_HOST") not in self._hosts or environ.get("QUERY_STRING"):
            return False
        if environ["REQUEST_METHOD"] == "GET":
            return environ.get("CONTENT_LENGTH", "") in {"", "0"} and "HTTP_TRANSFER_ENCODING" not in environ
        length = environ.get("CONTENT_LENGTH", "")
        return (
            environ.get("CONTENT_TYPE", "") == FORM
            and len(length) <= LONGEST_LENGTH and length.isascii() and length.isdigit() and int(length) <= LARGEST_BODY
            and "HTTP_TRANSFER_ENCODING" not in environ
        )  # fmt: skip

    def _known_document(self, request: MachineRequest) -> Document | None:
        """What is asked for, where it is known as it is now and nobody's request is looked at more closely."""
        public, bundle = self._documents.get(request.path), self._bundle
        if public is None or self._is_traced or "If-None-Match" in request.headers:
            return None
        is_known = bundle.live.is_fresh() and bundle.self_tests.is_known_to_watch_nobody()
        return public.known(bundle) if is_known else None

    def _show(
        self, document: Document, request: MachineRequest, known: tuple[str, str], start_response: StartResponse
    ) -> list[bytes]:
        """Without a context of the application: nothing here asks for one."""
        began = time.perf_counter()
        statements.sum_up()
        request_id = log.name(request, self._bundle)
        of, ready = self._ready.get(request.path, (None, []))
        if of is not document:
            ready = [*document.headers, ("Content-Length", str(len(document.body)))]
            ready += self._besides(tuple([name for name, _ in ready]))
            self._ready[request.path] = document, ready
        log.tell(self._bundle, *known, known, 200, time.perf_counter() - began, request_id=request_id)
        start_response(REASONS[200], [*ready, ("X-Request-Id", request_id)])
        return [document.body]

    def _is_watched(self) -> bool:
        """Whether any portal is; while the database is away none is, and what needs no database is answered."""
        tests = self._bundle.self_tests
        try:
            return not tests.is_known_to_watch_nobody() and bool(tests.watched().until)
        except SQLAlchemyError:
            db.session.rollback()
            return False

    def _answer(self, request: MachineRequest, endpoint: Endpoint) -> Response:
        try:
            if request.method != "GET" and not _read_form(request):
                return errors.machine_error("invalid_request", 400)
            return settle(endpoint(request))
        except Exception as error:
            return errors.answer_machine(error, request.path)

    def _send(self, response: Response, request_id: str, start_response: StartResponse) -> list[bytes]:
        status = response.status_code
        body = _body(response) if status != NOT_MODIFIED else b""
        if status == NOT_MODIFIED:  # the asker has what these tell of (RFC 9110 §15.4.5)
            remove_entity_headers(response.headers)
        sent = [pair for pair in response.headers if pair[0] not in LENGTH]
        sent += self._besides(tuple([name for name, _ in sent]))
        if not of_context().get(CACHEABLE):
            sent.append(NO_STORE)
        sent.append(("X-Request-Id", request_id))
        if status != NOT_MODIFIED:
            sent.append(("Content-Length", str(len(body))))
        start_response(REASONS.get(status, response.status), sent)
        return [body]

    def _besides(self, names: tuple[str, ...]) -> list[tuple[str, str]]:
        """What each answer says and this one does not say itself. The names are ours, so there are few kinds of it."""
        besides = self._unsaid.get(names)
        if besides is None:
            said = {name.lower() for name in names}
            besides = self._unsaid[names] = [pair for name, pair in self._fixed if name not in said]
        return besides


def _body(response: Response) -> bytes:
    chunks = response.response
    if isinstance(chunks, list) and len(chunks) == 1 and isinstance(chunks[0], bytes):
        return chunks[0]
    return response.get_data()


def _read_form(request: MachineRequest) -> bool:
    """Werkzeug's parser without the way to it, for a body of this one kind and known length; False where less came, or
    a NUL, which no database keeps.
    """
    length = int(request.environ["CONTENT_LENGTH"] or 0)
    body = request.environ["wsgi.input"].read(length)
    try:
        form = Values(pairs(body.decode()))
    except ValueError:
        form = NOTHING
    vars(request).update(form=form, stream=BytesIO())
    return len(body) == length and b"\0" not in body and b"%00" not in body
