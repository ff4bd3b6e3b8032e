"""Statements of requests: built and compiled once, run on the driver's own cursor (docs/performance.md).

They run in the transaction of `db.session`, or each by itself (units.py), and raise what the session would raise; what
listens to its statements hears of them.
Half of what a short statement costs through SQLAlchemy is the way there and back, which is the same every time.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from operator import attrgetter, methodcaller
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from pydantic_core import to_json
from sqlalchemy import JSON, Connection, Dialect, Executable
from sqlalchemy.engine.default import DefaultDialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.types import TypeEngine

from idp.models.base import ALONE, NAIVE, UTCDateTime, connection_of_transaction
from idp.models.context import of_context

if TYPE_CHECKING:
    from idp.models.single_statements import Single

POSTGRESQL = "postgresql"
Convert = Callable[[Any], Any] | None
ONE, ALL, COUNT = methodcaller("fetchone"), methodcaller("fetchall"), attrgetter("rowcount")  # of a cursor


class Prepared:
    """One Core statement whose values are bound parameters."""

    def __init__(self, statement: Executable, *columns: str) -> None:
        """`columns`: of an INSERT, those that are given."""
        self._statement = statement
        self._columns = columns
        self._compiled: dict[str, _Compiled] = {}  # by dialect

    def first(self, **values: Any) -> Any:
        """The first row, its columns by name, or None."""
        return self._run(values, ONE)

    def all(self, **values: Any) -> list[Any]:
        """Every row, its columns by name."""
        return list(self._run(values, ALL))

    def count(self, **values: Any) -> int:
        """How many rows it met."""
        return int(self._run(values, COUNT))

    def _run(self, values: dict[str, Any], then: Callable[[Any], Any]) -> Any:
        alone: Single | None = of_context().get(ALONE)
        connection = connection_of_transaction() if alone is None else alone.connection
        compiled = self._compiled.get(connection.dialect.name) or self._compile(connection.dialect)
        bound = compiled.bind(values)
        context, cursor = SimpleNamespace(), None
        try:
            cursor = _cursor(connection) if alone is None else alone.cursor
            listeners = connection.engine.dispatch if alone is None else alone.listeners
            _execute(connection, cursor, compiled.text, bound, context, listeners)
            found = then(cursor)
        except connection.dialect.loaded_dbapi.Error as error:
            raise _as_sqlalchemy_says(connection, cursor, compiled.text, context, error) from error
        finally:
            if cursor is not None:
                cursor.close()
        if isinstance(found, list):
            return [compiled.read(row) for row in found]
        return compiled.read(found) if isinstance(found, tuple) else found

    def _compile(self, dialect: Dialect) -> _Compiled:
        """PostgreSQL's parameters have the numbers that the server knows them by."""
        kind = dialect
        if dialect.name == POSTGRESQL:
            kind = cast("type[DefaultDialect]", type(dialect))(paramstyle="numeric_dollar")
        text = self._statement.compile(dialect=kind, column_keys=list(self._columns) or None)  # type: ignore[attr-defined]
        made = self._compiled[dialect.name] = _Compiled.of(text, dialect)
        return made


@dataclass(frozen=True, repr=False)
class _Compiled:
    """The text for one engine, and how values go in and come out: by name, or in their order where they have none."""

    text: str
    given: tuple[tuple[str, Convert], ...]
    fixed: dict[str, Any]
    order: tuple[tuple[str | None, Any], ...] | None  # what is fixed has no name, and stands itself
    row: Callable[[Any], Any] | None
    results: tuple[tuple[int, Callable[[Any], Any]], ...]

    @classmethod
    def of(cls, compiled: SQLCompiler, dialect: Dialect) -> _Compiled:
        given, fixed = [], {}
        for name, parameter in compiled.binds.items():
            convert = _bound(parameter.type, dialect)
            if parameter.required or parameter.value is None:
                given.append((name, convert))
            else:
                fixed[name] = convert(parameter.value) if convert else parameter.value
        columns = list(getattr(compiled.statement, "exported_columns", ()) or ())
        results = [(at, _read(column.type, dialect)) for at, column in enumerate(columns)]
        names = [column.key for column in columns]
        return cls(
            text=compiled.string,
            order=_order(compiled.positiontup, given, fixed) if compiled.positional and compiled.positiontup else None,
            given=tuple(given),
            fixed=fixed,
            row=_row(names) if names else None,
            results=tuple((at, convert) for at, convert in results if convert),
        )

    def bind(self, values: dict[str, Any]) -> Any:
        if self.order is not None:
            return [
                convert if name is None else convert(values[name]) if convert else values[name]
                for name, convert in self.order
            ]
        return {name: convert(values[name]) if convert else values[name] for name, convert in self.given} | self.fixed

    def read(self, found: tuple[Any, ...]) -> Any:
        if self.row and not self.results:
            return self.row(found)
        cells = list(found)
        for at, convert in self.results:
            cells[at] = convert(cells[at])
        return self.row(cells) if self.row else found


def _order(
    names: list[str], given: list[tuple[str, Convert]], fixed: dict[str, Any]
) -> tuple[tuple[str | None, Any], ...]:
    converts = dict(given)
    return tuple((name, converts[name]) if name in converts else (None, fixed[name]) for name in names)


def _cursor(connection: Connection) -> Any:
    """One in the transaction of this connection."""
    if connection.dialect.name != POSTGRESQL:
        return connection.connection.cursor()
    from idp.models.direct_cursor import DirectCursor  # its driver is not everywhere

    cursor = DirectCursor.of(connection)
    cursor.begin()
    return cursor


def _row(names: list[str]) -> Callable[[Any], Any]:
    """A constructor of rows whose cells have these names."""
    kind: Any = type("Row", (namedtuple("Row", names),), {"__slots__": (), "__repr__": _named})
    return partial(tuple.__new__, kind)  # what its `_make` does, after a look at the length


def _named(row: Any) -> str:
    """Its cells may be of a person."""
    return f"<Row {', '.join(row._fields)}>"


def _bound(kind: TypeEngine[Any], dialect: Dialect) -> Convert:
    if isinstance(kind, JSON) and dialect.name == POSTGRESQL:
        return _written
    if isinstance(kind, UTCDateTime) and dialect.name == POSTGRESQL:
        return _aware  # the driver takes a moment of any zone
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _aware(moment: datetime | None) -> datetime | None:
    if moment is not None and moment.tzinfo is None:
        raise ValueError(NAIVE)
    return moment


def _written(value: Any) -> str | None:
    """JSON as text, of which the statement's cast makes what the column holds; nothing is NULL (`none_as_null`)."""
    return None if value is None else to_json(value).decode()


def _read(kind: TypeEngine[Any], dialect: Dialect) -> Convert:
    if isinstance(kind, UTCDateTime) and dialect.name == POSTGRESQL:
        return None  # every connection speaks in UTC (postgresql.py)
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def _execute(
    connection: Connection, cursor: Any, text: str, bound: Any, context: SimpleNamespace, listeners: Any
) -> None:
    """With what SQLAlchemy's own execution tells to whoever listens."""
    before, after = listeners.before_cursor_execute, listeners.after_cursor_execute
    if before:  # to go through none of them takes longer than to ask
        for listener in before:
            listener(connection, cursor, text, bound, context, False)
    connection.dialect.do_execute(cursor, text, bound)
    if after:
        for listener in after:
            listener(connection, cursor, text, bound, context, False)


def _as_sqlalchemy_says(
    connection: Connection, cursor: Any, text: str, context: SimpleNamespace, error: Exception
) -> BaseException:
    """The exception of SQLAlchemy for an error of the driver; a connection that broke is not used again."""
    dialect, proxied = connection.dialect, connection.connection
    is_gone = dialect.is_disconnect(error, proxied.dbapi_connection, cursor)  # type: ignore[arg-type]
    told = SimpleNamespace(
        execution_context=context, statement=text, original_exception=error, is_disconnect=is_gone,
        connection=connection, engine=connection.engine, dialect=dialect,
    )  # fmt: skip
    for listener in dialect.dispatch.handle_error:
        listener(told)
    if is_gone:
        connection.invalidate(error)
    return DBAPIError.instance(
        text, {}, error, dialect.loaded_dbapi.Error, hide_parameters=True, connection_invalidated=is_gone,
        dialect=dialect,
    )  # fmt: skip
