"""The short way of a prepared statement to PostgreSQL and back, over psycopg's binding of libpq.

A cursor of psycopg serves every kind of statement and shape of result, which is half of what a short statement costs.
This one serves single statements with positional parameters in autocommit, and prepares each at its first use.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import count
from typing import Any, cast

from psycopg import pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import InvalidSqlStatementName, error_from_result
from psycopg.generators import execute
from psycopg.types.json import set_json_loads

from idp.models.postgresql import PatientConnection

WELL = frozenset({pq.ExecStatus.TUPLES_OK, pq.ExecStatus.COMMAND_OK})


_scan = cast(Any, json.JSONDecoder()).scan_once


def _read_json(written: Any) -> Any:
    """What the server wrote, which has neither a mark of its encoding nor space around it."""
    return _scan(written.decode(), 0)[0]


class DirectCursor:
    """The part of a DBAPI cursor (PEP 249) that prepared.py needs. It lives as long as its connection."""

    def __init__(self, connection: PatientConnection) -> None:
        self.driver_connection = connection
        set_json_loads(_read_json, connection)
        self._transformer = Transformer(connection)
        self._names: dict[tuple[str, tuple[int, ...]], bytes] = {}  # by text and types of the parameters
        self._numbers = count()
        self._rows = 0
        self.rowcount = -1

    def execute(self, statement: str, parameters: Sequence[Any]) -> None:
        """Raises `psycopg.Error`."""
        given = self._transformer.dump_sequence(parameters, [PyFormat.AUTO] * len(parameters))
        types = self._transformer.types or ()
        name = self._names.get((statement, types)) or self._prepare(statement, types)
        try:
            result = self._ask(name, given)
        except InvalidSqlStatementName:  # whoever shares the connection had everything forgotten
            self._names.clear()
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
        self.driver_connection.pgconn.send_prepare(name, statement.encode(), types)
        self._answer()
        self._names[statement, types] = name
        return name

    def _ask(self, name: bytes, given: Sequence[Any]) -> Any:
        self.driver_connection.pgconn.send_query_prepared(name, given, self._transformer.formats)
        return self._answer()

    def _answer(self) -> Any:
        (result,) = self.driver_connection.wait(execute(self.driver_connection.pgconn))
        if result.status not in WELL:
            raise error_from_result(result, encoding=self.driver_connection.info.encoding)
        return result
