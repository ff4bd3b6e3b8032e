"""An end to the waiting of those who ask libpq in one go.

Asked in steps (psycopg's own way), the driver lets other threads run before and after each of them, five times for one
short statement, and each time threads wake up to find that they may not run yet; asked in one go it does so once.
But libpq then waits as long as it takes. So one thread looks at what everyone waits for, and ends a connection whose
answer is overdue: its user finds it closed by the other side.
"""

from __future__ import annotations

import os
import socket
import threading
import time
from contextlib import suppress
from typing import Protocol
from weakref import WeakSet

import psycopg

LOOKS_EVERY_S = 0.25


class Waiting(Protocol):
    """A connection: what it is to answer within (None: whenever it likes), and when it was asked (monotonic seconds,
    0 while nothing is on its way).
    """

    patience: float | None
    asked_at: float

    def fileno(self) -> int: ...


class Patience:
    """Looks after the connections of this process while there are any."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: WeakSet[Waiting] = WeakSet()
        self._is_looking = False

    def look_after(self, connection: Waiting) -> None:
        with self._lock:
            self._waiting.add(connection)
            if not self._is_looking:
                self._is_looking = True
                threading.Thread(target=self._look, name="patience", daemon=True).start()

    def _look(self) -> None:
        while self._is_needed():
            time.sleep(LOOKS_EVERY_S)
            self._end_what_is_overdue()

    def _is_needed(self) -> bool:
        with self._lock:
            self._is_looking = bool(self._waiting)
            return self._is_looking

    def _end_what_is_overdue(self) -> None:
        with self._lock:
            waiting = list(self._waiting)
        now = time.monotonic()
        for connection in waiting:
            since, patience = connection.asked_at, connection.patience
            if since and patience is not None and now - since > patience:
                _end(connection)


def _end(connection: Waiting) -> None:
    """Whoever reads from it reads that nothing more comes, and the driver closes it."""
    with suppress(OSError, psycopg.Error), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
