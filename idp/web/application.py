"""The web application: Flask without what is asked at every call and never so here."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flask import Flask

from idp.web.plain_answer import PlainAnswer


class Application(Flask):
    response_class = PlainAnswer

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Nothing of ours is a coroutine; each hook and view would be looked at for it, at each request."""
        return func
