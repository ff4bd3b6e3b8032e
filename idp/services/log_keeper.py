"""The duty of a worker on SQLite: what commits leave in its log is moved into the file, so that no request has to."""

from __future__ import annotations

import threading

from flask import Flask

from idp.models.base import db
from idp.models.disk import shorten_log
from idp.services.duty import keep_at

EVERY_S = 1.0


class LogKeeper:
    def __init__(self, app: Flask) -> None:
        self._app = app

    def run_forever(self, stop: threading.Event) -> None:
        """Until told to stop; PostgreSQL keeps its log itself."""
        with self._app.app_context():
            is_ours = db.engine.dialect.name == "sqlite"
        if is_ours:
            keep_at(self._app, "log", self.run_once, stop, EVERY_S)

    def run_once(self) -> None:
        with self._app.app_context():
            shorten_log()
