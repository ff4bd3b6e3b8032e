"""The database handle, the column types both engines share, and how an SQLite connection is set up."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from flask_sqlalchemy import SQLAlchemy
from flask_sqlalchemy.session import Session as SessionOfFlask
from sqlalchemy import (
    JSON,
    ColumnElement,
    Connection,
    CursorResult,
    DateTime,
    Dialect,
    Engine,
    Executable,
    MetaData,
    event,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.orm import DeclarativeBase, Session, SessionTransaction, registry
from sqlalchemy.types import TypeDecorator

from idp.models.context import APPLICATION, of_context
from idp.models.outage import PRIMARY_CODE
from idp.models.sqlite_turns import take_turns

if TYPE_CHECKING:
    from idp.models.single_statements import Single

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s",
    "pk": "pk_%(table_name)s",
}

BUSY_TIMEOUT_MS = 10_000
NAIVE = "a naive datetime has no meaning here"
PENDING = "once_committed"
ALONE = "alone"  # the connection of statements that are kept each by itself (units.py)
HELD = "held"  # the connection of a transaction that lasts
READS_STAY = "reads_stay"
OPENED = "session_opened"


class UTCDateTime(TypeDecorator[datetime]):
    """An aware moment in UTC. SQLite keeps no zone, so it is taken off on the way in and put back on the way out."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(NAIVE)
        return value.astimezone(UTC).replace(tzinfo=None) if dialect.name == "sqlite" else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


JSONDocument = JSON(none_as_null=True).with_variant(JSONB(none_as_null=True), "postgresql")


class Base(DeclarativeBase):
    registry = registry(
        metadata=MetaData(naming_convention=NAMING),
        type_annotation_map={
            datetime: UTCDateTime(),
            dict[str, Any]: JSONDocument,
            dict[str, str]: JSONDocument,
            list[str]: JSONDocument,
        },
    )


class _Session(SessionOfFlask):
    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        kept = of_context()
        kept[OPENED] = True
        if READS_STAY in kept:
            self.expire_on_commit = False

    def get_bind(self, *given: Any, **named: Any) -> Engine | Connection:
        alone: Single | None = of_context().get(ALONE)
        return super().get_bind(*given, **named) if alone is None else alone.connection


db = SQLAlchemy(model_class=Base, session_options={"class_": _Session})


def prepare_sqlite(engine: Engine) -> None:
    """Write-ahead log, enforced foreign keys, and patience instead of `database is locked`.

    A read holds no transaction and the first write begins one with BEGIN IMMEDIATE, so that it waits for its turn
    (a transaction that read first and then wants to write is refused at once, however patient it is). Nothing here
    leans on a read and a later write seeing the same state: what must hold is one conditional statement.
    """
    take_turns(engine, BUSY_TIMEOUT_MS)

    @event.listens_for(engine, "connect")
    def _on_connect(connection: Any, _record: object) -> None:
        connection.isolation_level = "IMMEDIATE"
        cursor = connection.cursor()
        for pragma in (f"busy_timeout={BUSY_TIMEOUT_MS}", "synchronous=FULL", "foreign_keys=ON"):
            cursor.execute(f"PRAGMA {pragma}")
        _keep_write_ahead_log(cursor)
        cursor.close()


def _keep_write_ahead_log(cursor: Any) -> None:
    """Its PRAGMA fails at once, whatever `busy_timeout` says, where another process writes to a file that has no such
    log yet: a new one, which several open at the same time.
    """
    patient_until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            is_busy = error.sqlite_errorcode & PRIMARY_CODE == sqlite3.SQLITE_BUSY
            if not is_busy or time.monotonic() > patient_until:
                raise
            time.sleep(0.01)


def once_committed(act: Callable[[], None]) -> None:
    """Do this as soon as the present transaction is committed, and not at all where it is rolled back."""
    if ALONE in of_context():
        act()
        return
    db.session().info.setdefault(PENDING, []).append(act)


@event.listens_for(db.session, "after_commit")
def _act(session: Session) -> None:
    for act in session.info.pop(PENDING, ()):
        act()


@event.listens_for(db.session, "after_rollback")
def _forget(session: Session) -> None:
    session.info.pop(PENDING, None)


@event.listens_for(db.session, "after_begin")
def _hold(session: Session, _transaction: SessionTransaction, connection: Connection) -> None:
    session.info[HELD] = connection


@event.listens_for(db.session, "after_transaction_end")
def _let_go(session: Session, ended: SessionTransaction) -> None:
    if ended.parent is None:
        session.info.pop(HELD, None)


@event.listens_for(db.session, "after_soft_rollback")  # also of a flush that failed: then the session is asked again
def _doubt(session: Session, _failed: SessionTransaction) -> None:
    session.info.pop(HELD, None)


def connection_of_transaction() -> Connection:
    """That of the session's transaction, which begins where there is none. A session takes as long to say so as a
    statement to be sent.
    """
    session = db.session()
    held: Connection | None = session.info.get(HELD)
    return session.connection() if held is None else held


def write(statement: Executable) -> int:
    """Execute an INSERT, UPDATE or DELETE and return how many rows it met."""
    # The count of an INSERT is thrown away on PostgreSQL unless it is asked for.
    done = db.session.execute(statement, execution_options={"preserve_rowcount": True})
    return cast("CursorResult[Any]", done).rowcount


def writes_in_queries() -> bool:
    """Whether an INSERT or UPDATE may stand in the WITH of a query: on PostgreSQL."""
    return of_context()[APPLICATION].extensions[ALONE] is not None


def insert_if_absent(model: type[Base], **values: Any) -> bool:
    """Insert a row unless its key is taken, in one statement; True when it was inserted."""
    return write(inserted_if_absent(model, db.engine.dialect.name, **values)) == 1


def inserted_if_absent(model: type[Base], dialect: str, **values: Any) -> Any:
    """The statement that does it."""
    return _insert(model, dialect).values(**values).on_conflict_do_nothing()


def insert_or_update(
    model: type[Base], dialect: str, first: dict[str, Any], again: dict[str, Any],
    where: ColumnElement[bool] | None = None, key: tuple[str, ...] = (),
) -> Any:  # fmt: skip
    """The statement that inserts a row or, where its key is taken, changes the one that is there, if it is `where`.
    `key`: of the columns that are unique, if not the primary one.
    """
    taken = key or tuple(model.__table__.primary_key.columns.keys())  # type: ignore[attr-defined]
    return _insert(model, dialect).values(**first).on_conflict_do_update(index_elements=taken, set_=again, where=where)


def _insert(model: type[Base], dialect: str) -> Any:
    return (sqlite_insert if dialect == "sqlite" else postgresql_insert)(model)
