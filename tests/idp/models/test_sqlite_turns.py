"""Threads of one process take turns at writing to SQLite, and none keeps its turn longer than its transaction."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, create_engine, text
from sqlalchemy.exc import IntegrityError, OperationalError

from idp.models import base
from idp.models.outage import SOON_S, retry_after
from idp.models.sqlite_turns import BEGIN

pytestmark = pytest.mark.no_database
WRITE = text("INSERT INTO one VALUES (:number)")
CHANGE = {
    "INSERT": "INSERT OR IGNORE INTO one VALUES (7)", "UPDATE": "UPDATE one SET number = 8",
    "DELETE": "DELETE FROM one", "REPLAC": "REPLACE INTO one VALUES (9)",
}  # fmt: skip


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    monkeypatch.setattr(base, "BUSY_TIMEOUT_MS", 300)
    made = create_engine(f"sqlite:///{tmp_path / 'one.db'}")
    base.prepare_sqlite(made)
    with made.begin() as connection:
        connection.execute(text("CREATE TABLE one (number INTEGER PRIMARY KEY)"))
    yield made
    made.dispose()


def driver(connection: Connection) -> Any:
    return connection.connection.driver_connection


def is_free(engine: Engine) -> bool:
    """Whether another thread could write now."""

    def write() -> bool:
        with engine.connect() as connection:
            try:
                connection.execute(text("DELETE FROM one WHERE number = -1"))
            except OperationalError:
                return False
            connection.rollback()
            return True

    with ThreadPoolExecutor(1) as other:
        return other.submit(write).result()


@pytest.mark.parametrize("verb", sorted(BEGIN))
def test_a_turn_is_as_long_as_its_transaction(engine: Engine, verb: str) -> None:
    for end in ("commit", "rollback", "close"):
        with engine.connect() as connection:
            connection.execute(text("SELECT * FROM one"))
            assert is_free(engine)
            connection.execute(text(CHANGE[verb]))
            assert driver(connection).has_turn
            assert not is_free(engine)
            getattr(connection, end)()
            assert is_free(engine)


def test_many_at_once_are_a_turn_too_and_those_that_wait_are_woken(engine: Engine) -> None:
    order: list[str] = []
    began = threading.Event()

    def second() -> None:
        with engine.connect() as connection:
            began.set()
            connection.execute(WRITE, {"number": 3})
            order.append("second")
            connection.commit()

    with engine.connect() as connection, ThreadPoolExecutor(1) as other:
        connection.execute(WRITE, [{"number": 1}, {"number": 2}])
        told = other.submit(second)
        began.wait()
        order.append("first")
        connection.commit()
        told.result()
    assert order == ["first", "second"]
    with engine.connect() as connection:
        assert list(connection.scalars(text("SELECT number FROM one"))) == [1, 2, 3]


def test_none_is_lost_among_many_threads(engine: Engine) -> None:
    def write(first: int) -> None:
        for number in range(first, first + 25):
            with engine.begin() as connection:
                connection.execute(WRITE, {"number": number})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, range(0, 200, 25)))
    with engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM one")) == 200


def test_a_statement_that_fails_keeps_no_turn(engine: Engine) -> None:
    with engine.connect() as connection:
        connection.execute(WRITE, {"number": 1})
        with pytest.raises(IntegrityError):
            connection.execute(WRITE, {"number": 1})
        connection.rollback()
        assert is_free(engine)
        with pytest.raises(OperationalError):
            connection.execute(text("INSERT INTO two VALUES (1)"))
        connection.rollback()
        assert is_free(engine)


def test_another_process_is_waited_for_as_before(engine: Engine, tmp_path: Path) -> None:
    elsewhere = sqlite3.connect(tmp_path / "one.db", isolation_level=None)
    elsewhere.execute("BEGIN IMMEDIATE")
    with engine.connect() as connection:
        with pytest.raises(OperationalError) as error:
            connection.execute(WRITE, {"number": 1})
        assert retry_after(error.value) == SOON_S
        assert not driver(connection).has_turn
        connection.rollback()
        elsewhere.execute("COMMIT")
        connection.execute(WRITE, {"number": 1})
        connection.commit()
    elsewhere.close()


def test_nobody_waits_longer_for_a_thread_than_for_a_process(engine: Engine) -> None:
    with engine.connect() as first, engine.connect() as connection:
        first.execute(WRITE, {"number": 1})
        with pytest.raises(OperationalError) as error:
            connection.execute(WRITE, {"number": 2})
        assert retry_after(error.value) == SOON_S
        assert driver(connection).execute("PRAGMA busy_timeout").fetchone() == (300,)
        connection.rollback()
        first.rollback()
        connection.execute(WRITE, {"number": 2})
        connection.commit()
