"""The worker's part in changes of many codes: a transaction at a time, until each is over."""

from __future__ import annotations

import threading

from flask import Flask

from idp.models.base import db
from idp.models.code_change import CodeChange, take_change
from idp.services.bundle import services
from idp.services.code_changes import LEASE
from idp.services.duty import keep_at

EVERY_S = 2.0


class CodeChanger:
    def __init__(self, app: Flask) -> None:
        self._app = app

    def run_forever(self, stop: threading.Event) -> None:
        keep_at(self._app, "codes", self.run_once, stop, EVERY_S)

    def run_once(self) -> bool:
        """Whether there was something to do."""
        with self._app.app_context():
            bundle = services()
            ident = take_change(bundle.clock.now(), LEASE)
            if ident is None:
                return False
            while bundle.code_changes.go_on(db.session.get_one(CodeChange, ident, populate_existing=True)):
                db.session.commit()
            db.session.commit()
            return True
