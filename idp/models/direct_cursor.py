"""The short way of a prepared statement to PostgreSQL and back, over psycopg's binding of libpq.

A cursor of psycopg serves every kind of statement and shape of result, which is half of what a short statement costs.
This one serves statements with positional parameters, and prepares each at its first use in a connection.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import count
from typing import Any

from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import InvalidSqlStatementName
from psycopg.pq import TransactionStatus
from psycopg.types.json import set_json_loads
from pydantic_core import from_json
from sqlalchemy import Connection

from idp.models.postgresql import PatientConnection

CURSOR = "direct_cursor"
# Of what it reads names alone are kept for the next time: values are of persons.
read_json = partial(from_json, cache_strings="keys")


class DirectCursor:
    """The part of a DBAPI cursor (PEP 249) that prepared.py needs. It lives as long as its connection."""

    @classmethod
    def of(cls, connection: Connection) -> DirectCursor:
        """That of a connection to PostgreSQL, which it keeps when it goes back to the pool."""
        kept = connection.info
        cursor: DirectCursor | None = kept.get(CURSOR)
        if cursor is None:
            driver: Any = connection.connection.driver_connection
            cursor = kept[CURSOR] = cls(driver)
        return cursor

    def __init__(self, connection: PatientConnection) -> None:
        self.driver_connection = connection
        set_json_loads(read_json, connection)
        self._transformer = Transformer(connection)
        self._names: dict[tuple[str, tuple[int, ...]], bytes] = {}  # by text and types of the parameters
        self._numbers = count()
        self._rollbacks = connection.rollbacks
        self._rows = 0
        self.rowcount = -1

    def begin(self) -> None:
        """The transaction that the driver would begin with its own next statement, if none is begun."""
        pgconn = self.driver_connection.pgconn
        if pgconn.transaction_status == TransactionStatus.IDLE:
            self.driver_connection.ask(pgconn.exec_, b"BEGIN")

    def execute(self, statement: str, parameters: Sequence[Any]) -> None:
        """Raises `psycopg.Error`."""
        if self._rollbacks != self.driver_connection.rollbacks:
            self._names.clear()
            self._rollbacks = self.driver_connection.rollbacks
        given = self._transformer.dump_sequence(parameters, [PyFormat.AUTO] * len(parameters))
        types = self._transformer.types or ()
        name = self._names.get((statement, types)) or self._prepare(statement, types)
        try:
            result = self._ask(name, given)
        except InvalidSqlStatementName:  # whoever shares the connection had everything forgotten
            self._names.clear()
            if self.driver_connection.pgconn.transaction_status != TransactionStatus.IDLE:
                raise  # within a transaction, which is lost with it
            result = self._ask(self._prepare(statement, types), given)
        self._transformer.set_pgresult(result)
        self._rows = result.ntuples
        self.rowcount = result.command_tuples or 0

    def fetchone(self) -> tuple[Any, ...] | None:
        return self._transformer.load_row(0, tuple) if self._rows else None

    def fetchall(self) -> list[tuple[Any, ...]]:
        return self._transformer.load_rows(0, self._rows, tuple)

    def close(self) -> None:
        """What was found is let go; the connection is used again."""
        self._transformer.set_pgresult(None)
        self._rows = 0

    def _prepare(self, statement: str, types: tuple[int, ...]) -> bytes:
        name = b"connect_%d" % next(self._numbers)
        connection = self.driver_connection
        connection.ask(connection.pgconn.prepare, name, statement.encode(), types)
        self._names[statement, types] = name
        return name

    def _ask(self, name: bytes, given: Sequence[Any]) -> Any:
        connection = self.driver_connection
        return connection.ask(connection.pgconn.exec_prepared, name, given, self._transformer.formats)
