"""Connections of which each statement is committed by itself; a few stay with us between requests.

What the pool does when a connection comes and goes (a rollback, the kind of its transactions, its events) takes as long
as a short statement; those that are kept here are spared all of it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Engine, event

from idp.models.direct_cursor import DirectCursor
from idp.models.postgresql import doubts_of, is_alive

MOST = 4  # kept while nobody needs them, of the many that a pool may open


@dataclass(frozen=True, eq=False)
class Single:
    """A connection in autocommit, and the short way to its server."""

    connection: Connection
    cursor: DirectCursor
    listeners: Any  # of the engine; nobody listens to one connection
    keeper: SingleStatements


class SingleStatements:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._autocommit = engine.execution_options(isolation_level="AUTOCOMMIT")
        self._doubts = doubts_of(engine)
        self._idle: list[tuple[Single, float]] = []  # each with the moment since when
        event.listen(engine, "engine_disposed", lambda _: self._let_go())

    @property
    def kept(self) -> int:
        """How many connections nobody needs now; the pool counts them as given out."""
        return len(self._idle)

    def take(self) -> Single:
        """A connection that was alive a moment ago. Raises what connecting raises."""
        while self._idle:
            try:
                single, since = self._idle.pop()
            except IndexError:  # another thread was faster
                break
            # What was in doubt goes, as it does from the pool: a server that only reads now answers all the same.
            if since > self._doubts.at and is_alive(self._engine, self._doubts, single.cursor.driver_connection, since):
                return single
            _end(single)
        connection = self._autocommit.connect()
        return Single(connection, DirectCursor.of(connection), self._engine.dispatch, self)

    def give_back(self, single: Single) -> None:
        """It may be used again, unless it broke or something is still open in it."""
        connection = single.connection
        if connection.invalidated or connection.in_transaction() or len(self._idle) >= MOST:
            connection.close()
        else:
            self._idle.append((single, time.monotonic()))

    def _let_go(self) -> None:
        """The pool they came from is no more."""
        while self._idle:
            _end(self._idle.pop()[0])


def _end(single: Single) -> None:
    single.connection.invalidate()
    single.connection.close()
