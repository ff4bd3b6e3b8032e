"""The web application: Flask without what is asked at every call and never so here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask, Request, appcontext_tearing_down, request_tearing_down
from flask.globals import request_ctx
from flask.sessions import NullSession, SessionInterface, SessionMixin
from flask.typing import ResponseReturnValue
from flask.wrappers import Response
from werkzeug.routing import MapAdapter
from werkzeug.wsgi import get_host

from idp.models.base import ALONE, OPENED
from idp.models.context import InContext, of_context
from idp.web.in_memory import InMemory
from idp.web.plain_answer import PlainAnswer

OF_ALL = {None}  # whose hooks: those of every request, for no blueprint has hooks of its own


class NoSession(SessionInterface):
    """Flask's own session, which nobody here has (idp/web/session.py)."""

    nobodys = NullSession()

    def open_session(self, app: Flask, request: Request) -> SessionMixin:
        return self.nobodys


class Application(InContext):
    request_class = InMemory
    response_class = PlainAnswer
    session_interface = NoSession()

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Nothing of ours is a coroutine; each hook and view would be looked at for it, at each request."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """No address depends on its host, which is looked at once here."""
        if request is None or self.config["TRUSTED_HOSTS"] is not None or "HTTP_UPGRADE" in request.environ:
            return super().create_url_adapter(request)
        request.host = get_host(request.environ)
        path, query = request.path if request.environ.get("PATH_INFO", "/") else "", request.query_string
        return self.url_map.bind(
            request.host, request.root_path, "", request.scheme, request.method, path, query.decode(errors="replace")
        )

    def preprocess_request(self) -> ResponseReturnValue | None:
        """Runs the hooks in Flask's order."""
        if self.url_value_preprocessors or self.before_request_funcs.keys() != OF_ALL:
            return super().preprocess_request()
        for hook in self.before_request_funcs[None]:
            answer: ResponseReturnValue | None = hook()  # type: ignore[assignment]
            if answer is not None:
                return answer
        return None

    def process_response(self, response: Response) -> Response:
        """Runs the hooks in Flask's order, those of this request first."""
        if self.after_request_funcs.keys() != OF_ALL:
            return super().process_response(response)
        # Flask's own name, promised to nobody: what `after_this_request` adds to.
        for once in request_ctx._after_request_functions:
            response = once(response)  # type: ignore[assignment]
        for hook in reversed(self.after_request_funcs[None]):
            response = hook(response)
        return response

    def do_teardown_appcontext(self, exc: BaseException | None = None) -> None:
        """What was neither begun nor taken need not be ended nor given back."""
        kept = of_context()
        if OPENED in kept or ALONE in kept or appcontext_tearing_down.receivers:
            super().do_teardown_appcontext(exc)

    def do_teardown_request(self, exc: BaseException | None = None) -> None:
        """Nobody is looked for where nobody waits for the end of a request."""
        if self.teardown_request_funcs or request_tearing_down.receivers:
            super().do_teardown_request(exc)
