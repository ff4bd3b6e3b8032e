"""The worker's part in changes of many codes: a transaction at a time, until each is over."""

from __future__ import annotations

import threading

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from idp.models.base import db
from idp.models.code_change import CodeChange, take_change
from idp.services.bundle import services
from idp.services.code_changes import LEASE

EVERY_S = 2.0

log = structlog.get_logger(__name__)


class CodeChanger:
    def __init__(self, app: Flask) -> None:
        self._app = app

    def run_forever(self, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                is_busy = self.run_once()
            except SQLAlchemyError as error:
                log.error("worker_database", error=type(error).__name__)
                is_busy = False
            if not is_busy:
                stop.wait(EVERY_S)

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
