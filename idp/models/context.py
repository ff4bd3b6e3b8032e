"""What a context of the application holds, for whoever asks it often.

Through the proxies of Flask's `g` a question is three calls of functions.
"""

from __future__ import annotations

from contextvars import ContextVar, Token
from typing import Any

from flask import Flask
from flask.ctx import AppContext

APPLICATION = "application"
_HELD: ContextVar[dict[str, Any]] = ContextVar("held")
of_context = _HELD.get  # what `g` holds, and the application itself; `LookupError` outside of every context


class _Context(AppContext):
    def __init__(self, app: Flask) -> None:
        super().__init__(app)
        self._held = vars(self.g)
        self._held[APPLICATION] = app
        self._before: list[Token[dict[str, Any]]] = []  # one for each time it was entered

    def push(self) -> None:
        self._before.append(_HELD.set(self._held))
        super().push()

    def pop(self, exc: BaseException | None = None) -> None:
        try:
            super().pop(exc)
        finally:
            _HELD.reset(self._before.pop())


class InContext(Flask):
    """An application that the database may be attached to."""

    def app_context(self) -> AppContext:
        return _Context(self)
