"""Threads of one process take turns at writing to SQLite by a lock of their own.

SQLite lets one transaction write, and whoever comes meanwhile asks again after a nap, soon of a tenth of a second:
while others come and go in between, one may wait for half a second where each writes for a millisecond. A thread that
waits for a lock is woken. Other processes are waited for as before.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterable
from typing import Any, ClassVar

from sqlalchemy import Engine, event

BEGIN = frozenset({"INSERT", "UPDATE", "DELETE", "REPLAC"})  # a transaction, before them (sqlite3, `isolation_level`)


class _Cursor(sqlite3.Cursor):
    connection: _Connection

    def execute(self, sql: str, parameters: Any = (), /) -> _Cursor:
        if self.connection.in_transaction or sql[:6].upper() not in BEGIN:
            super().execute(sql, parameters)
            return self
        with _Turn(self.connection):
            super().execute(sql, parameters)
        return self

    def executemany(self, sql: str, parameters: Iterable[Any], /) -> _Cursor:
        if self.connection.in_transaction:
            super().executemany(sql, parameters)
            return self
        with _Turn(self.connection):
            super().executemany(sql, parameters)
        return self


class _Connection(sqlite3.Connection):
    """Has its turn from the statement that begins a transaction to the end of that."""

    lock: ClassVar[threading.Lock]
    patience_ms: ClassVar[int]
    has_turn = False

    def cursor(self, factory: Any = _Cursor) -> Any:
        return super().cursor(factory)

    def take_turn(self) -> None:
        self.has_turn = self.lock.acquire(timeout=self.patience_ms / 1000)
        if not self.has_turn:  # waited long enough: SQLite says at once whether it is locked
            self.execute("PRAGMA busy_timeout=0")

    def end_turn(self) -> None:
        if self.has_turn:
            self.has_turn = False
            self.lock.release()

    def commit(self) -> None:
        super().commit()  # where it fails the transaction goes on, until it is rolled back
        self.end_turn()

    def rollback(self) -> None:
        try:
            super().rollback()
        finally:
            self.end_turn()

    def close(self) -> None:
        try:
            super().close()
        finally:
            self.end_turn()


class _Turn:
    """Around the statement that begins a transaction: where none began, the turn is over."""

    def __init__(self, connection: _Connection) -> None:
        self._connection = connection

    def __enter__(self) -> None:
        self._connection.take_turn()

    def __exit__(self, *_: object) -> None:
        connection = self._connection
        if not connection.has_turn:
            connection.execute(f"PRAGMA busy_timeout={connection.patience_ms}")
        if not connection.in_transaction:
            connection.end_turn()


def take_turns(engine: Engine, patience_ms: int) -> None:
    """`patience_ms`: how long to wait for the others, at most, as long as for other processes."""
    kind = type("Connection", (_Connection,), {"lock": threading.Lock(), "patience_ms": patience_ms})

    @event.listens_for(engine, "do_connect")
    def _on_connect(_dialect: object, _record: object, _given: list[Any], named: dict[str, Any]) -> None:
        named["factory"] = kind
