"""Delivers the messages of one channel to portals' servers, in parallel: one that is slow or down holds up no other.

Several may run: a row is taken by one conditional UPDATE with a lease, and a crash gives it back.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from idp.models.outbox import Attempt, take_message
from idp.services.bundle import services
from idp.services.duty import mark_done, mark_fault

LEASE = timedelta(seconds=30)
PARALLEL = 16

log = structlog.get_logger(__name__)


class Courier:
    def __init__(self, app: Flask, channel: str, poll_s: float, try_once: Callable[[Attempt], None]) -> None:
        self._app = app
        self._channel = channel
        self._poll_s = poll_s
        self._try = try_once

    def run_forever(self, stop: threading.Event) -> None:
        """Deliver until told to stop, each message as soon as one of the threads is free."""
        flying: set[Future[None]] = set()
        with ThreadPoolExecutor(PARALLEL, self._channel) as pool:
            while not stop.is_set():
                for done in [one for one in flying if one.done()]:
                    flying.discard(done)
                    if (fault := done.exception()) is not None:  # the lease ends and another attempt follows
                        log.error("courier_fault", channel=self._channel, error=type(fault).__name__)
                try:
                    taken = self._take(PARALLEL - len(flying))
                    mark_done(self._app, self._channel)
                except SQLAlchemyError as error:
                    mark_fault(self._app, self._channel)
                    log.error("worker_database", error=type(error).__name__)
                    taken = []
                flying |= {pool.submit(self._deliver, attempt) for attempt in taken}
                stop.wait(self._poll_s)

    def run_once(self) -> int:
        """Deliver what is due now; returns how many messages were settled or put off."""
        with ThreadPoolExecutor(PARALLEL, self._channel) as pool:
            taken = self._take(PARALLEL)
            list(pool.map(self._deliver, taken))
        return len(taken)

    def _take(self, count: int) -> list[Attempt]:
        with self._app.app_context():
            now, taken = services().clock.now(), list[Attempt]()
            while len(taken) < count and (attempt := take_message(self._channel, now, LEASE)) is not None:
                taken.append(attempt)
            return taken

    def _deliver(self, attempt: Attempt) -> None:
        with self._app.app_context():
            self._try(attempt)
