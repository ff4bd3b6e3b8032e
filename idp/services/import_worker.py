"""The worker's part of imports: takes what waits for a dry run, for writing or for undoing, one after the other.

Several workers may run: an import is taken by one conditional UPDATE with a lease, and a crash gives it back.
"""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta

import structlog
from flask import Flask

from idp.models.person_import import take_import
from idp.services import import_job
from idp.services.bundle import services
from idp.services.duty import keep_at
from idp.services.import_folder import LOOK_EVERY, FolderWatch
from idp.services.import_tidy import tidy

POLL_S = 1.0
TIDY_EVERY = timedelta(minutes=1)
NEVER = datetime.min.replace(tzinfo=UTC)

log = structlog.get_logger(__name__)


class ImportWorker:
    def __init__(self, app: Flask) -> None:
        self._app = app
        self._looked_at = self._tidied_at = NEVER

    def run_forever(self, stop: threading.Event) -> None:
        """Work on imports until told to stop; an unreachable database is waited for."""
        keep_at(self._app, "imports", lambda: self._pass(stop), stop, POLL_S)

    def _pass(self, stop: threading.Event) -> None:
        self.run_once(stop)
        try:
            self._look()
        except (OSError, ValueError) as error:  # a folder that cannot be written, a name that cannot be read
            log.error("import_folder", error=type(error).__name__)

    def _look(self) -> None:
        """Now and then into the folder of imports, where there is one."""
        with self._app.app_context():
            bundle = services()
            folder, now = bundle.settings.import_folder, bundle.clock.now()
            if folder is not None and now - self._looked_at >= LOOK_EVERY:
                self._looked_at = now
                FolderWatch(bundle, folder).look()

    def run_once(self, stop: threading.Event | None = None) -> int:
        """Work on everything that waits for a worker; returns how many imports there were."""
        stop, count = stop or threading.Event(), 0
        with self._app.app_context():
            bundle = services()
            if bundle.clock.now() - self._tidied_at >= TIDY_EVERY:
                self._tidied_at = bundle.clock.now()
                tidy(self._tidied_at)
            while not stop.is_set() and (taken := take_import(bundle.clock.now(), import_job.LEASE)) is not None:
                import_job.Job(bundle, *taken, stop).work()
                count += 1
        return count
