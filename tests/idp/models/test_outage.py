"""The table of idp/models/outage.py, asked with errors that the databases themselves make."""

from __future__ import annotations

import os
import re
import socket
import sqlite3
import threading
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg
import pytest
from flask import Flask, g
from sqlalchemy import Float, String, bindparam, create_engine, func, make_url, select, text
from sqlalchemy.exc import DBAPIError, OperationalError

from idp.models import patience, postgresql
from idp.models.base import ALONE, db
from idp.models.outage import LATER_S, SOON_S, retry_after
from idp.models.prepared import Prepared
from idp.models.units import each_alone, give_back
from tests.idp.models.test_prepared import break_connections

SAID = {
    "40P01": SOON_S, "40001": SOON_S, "55P03": SOON_S, "57014": SOON_S, "40003": LATER_S, "25006": LATER_S,
    "53300": LATER_S, "53200": LATER_S, "53100": LATER_S, "57P01": LATER_S, "57P03": LATER_S, "57P05": LATER_S,
    "58030": LATER_S, "08006": LATER_S,
    "23505": None, "42P01": None, "22001": None, "40002": None, "42501": None, "XX000": None,
}  # fmt: skip
THROWN_AWAY = {"25006", "57P01", "57P03", "57P05", "08006"}


def failed(statement: str) -> DBAPIError:
    with db.engine.connect() as connection, pytest.raises(DBAPIError) as error:
        connection.execute(text(statement))
    return error.value


@pytest.mark.postgresql_only
@pytest.mark.parametrize("state", SAID)
def test_what_the_server_says_passes_or_is_a_fault(app: Flask, state: str) -> None:
    error = failed(f"DO $$ BEGIN RAISE EXCEPTION 'somebody' USING ERRCODE = '{state}'; END $$")
    assert retry_after(error) == SAID[state]
    assert error.connection_invalidated == (state in THROWN_AWAY)


@pytest.mark.postgresql_only
def test_a_statement_that_takes_too_long_and_a_lock_that_is_not_to_be_had_pass_soon(app: Flask) -> None:
    assert retry_after(failed("SET LOCAL statement_timeout = 20; SELECT pg_sleep(1)")) == SOON_S
    with db.engine.connect() as other:
        other.execute(text("LOCK TABLE portal"))
        assert retry_after(failed("SET LOCAL lock_timeout = 20; LOCK TABLE portal")) == SOON_S


@pytest.mark.postgresql_only
def test_an_answer_is_not_waited_for_for_ever(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    with db.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, postgresql.PatientConnection)
        connection.execute(text("SET statement_timeout = 0"))
        driver.patience = 0.2
        with pytest.raises(OperationalError) as error:
            connection.execute(text("SELECT pg_sleep(2)"))
        assert driver.closed
        assert retry_after(error.value) == LATER_S
    with db.engine.connect() as connection:
        driver = connection.connection.driver_connection
        assert isinstance(driver, postgresql.PatientConnection)
        assert driver.patience == postgresql.PATIENCE_S
        driver.patience = 0.2
        postgresql.take_your_time(connection)
        connection.execute(text("SELECT pg_sleep(0.4)"))
    with db.engine.connect() as connection:
        again = connection.connection.driver_connection
        assert isinstance(again, postgresql.PatientConnection)
        assert again is driver
        assert again.patience == postgresql.PATIENCE_S  # its next user has not been given more time


SLEEP = Prepared(select(func.pg_sleep(bindparam("seconds", type_=Float())).cast(String).label("slept")))


def refused(seconds: float) -> DBAPIError:
    with pytest.raises(DBAPIError) as error:
        SLEEP.first(seconds=seconds)
    return error.value


@pytest.mark.postgresql_only
@pytest.mark.parametrize("is_alone", [False, True])
def test_nor_is_one_that_was_asked_for_in_one_go(app: Flask, is_alone: bool) -> None:
    if is_alone:
        each_alone()
    SLEEP.first(seconds=0)
    driver = driver_of()
    driver.patience = 0.2
    error = refused(2)
    assert "no answer within 0.2 s" in str(error)
    assert driver.closed
    assert error.connection_invalidated
    assert retry_after(error) == LATER_S
    give_back()
    db.session.rollback()
    if is_alone:
        each_alone()
    driver = driver_of()
    driver.patience = None
    assert SLEEP.first(seconds=0.6) is not None  # whoever takes its time is not ended
    assert not driver.closed
    driver.patience = postgresql.PATIENCE_S
    give_back()


@pytest.mark.postgresql_only
def test_a_connection_that_is_gone_is_told_as_one_with_each_way_to_ask(app: Flask) -> None:
    SLEEP.first(seconds=0)
    driver = driver_of()
    with socket.socket(fileno=os.dup(driver.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)
    with pytest.raises(OperationalError) as error:
        db.session.commit()
    assert "server closed the connection" in str(error.value)
    assert error.value.connection_invalidated
    assert retry_after(error.value) == LATER_S
    assert driver.closed
    with pytest.raises(psycopg.OperationalError):
        driver.ask(driver.pgconn.exec_, b"SELECT 1")
    db.session.rollback()
    assert SLEEP.first(seconds=0) is not None


@pytest.mark.postgresql_only
def test_why_a_server_ended_a_connection_is_told(app: Flask) -> None:
    SLEEP.first(seconds=0)
    break_connections()
    with pytest.raises(OperationalError, match="terminating connection due to administrator command"):
        SLEEP.first(seconds=0)
    db.session.rollback()


@pytest.mark.postgresql_only
def test_what_the_server_says_to_a_commit_is_told(app: Flask) -> None:
    driver = driver_of()
    driver.execute("CREATE TEMPORARY TABLE one (number int UNIQUE DEFERRABLE INITIALLY DEFERRED)")
    driver.execute("INSERT INTO one VALUES (1), (1)")
    with pytest.raises(psycopg.errors.UniqueViolation):
        driver.commit()
    driver.commit()  # nothing is open any more
    assert driver.execute("SELECT 1").fetchone() == (1,)
    driver.rollback()


def driver_of() -> postgresql.PatientConnection:
    """That of the statements of this request."""
    alone = g.get(ALONE)
    driver = (alone.connection if alone else db.session.connection()).connection.driver_connection
    assert isinstance(driver, postgresql.PatientConnection)
    return driver


@pytest.mark.no_database
def test_only_what_is_overdue_is_ended_and_nobody_looks_where_nobody_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "LOOKS_EVERY_S", 0.02)
    lines = [Line(0.1, time.monotonic()), Line(None, time.monotonic() - 9), Line(0.1, 0.0), Line(60, time.monotonic())]
    looking = patience.Patience()
    for line in lines:
        looking.look_after(line)
    assert [line.is_ended(0.5) for line in lines] == [True, False, False, False]
    threads = [thread for thread in threading.enumerate() if getattr(thread, "_target", None) == looking._look]
    assert len(threads) == 1
    for line in lines:
        line.close()
    del lines, line
    threads[0].join(5)
    assert not threads[0].is_alive()
    another = Line(0.05, time.monotonic())
    looking.look_after(another)  # somebody looks again
    assert another.is_ended(0.5)
    another.close()


class Line:
    """A connection to somebody who says nothing."""

    def __init__(self, patience: float | None, asked_at: float) -> None:
        self.patience, self.asked_at = patience, asked_at
        self._near, self._far = socket.socketpair()

    def fileno(self) -> int:
        return self._near.fileno()

    def is_ended(self, within: float) -> bool:
        self._near.settimeout(within)
        try:
            return self._near.recv(1) == b""
        except TimeoutError:
            return False

    def close(self) -> None:
        self._near.close()
        self._far.close()


@pytest.mark.no_database
def test_what_a_file_says_passes_or_is_a_fault(tmp_path: Path) -> None:
    file = tmp_path / "one.db"
    engine = create_engine(f"sqlite:///{file}", connect_args={"timeout": 0})
    with closing(sqlite3.connect(file, isolation_level=None)) as other, engine.connect() as connection:
        other.execute("CREATE TABLE one (number INTEGER NOT NULL)")
        other.execute("BEGIN IMMEDIATE")
        for statement, seconds in (
            ("INSERT INTO one VALUES (1)", SOON_S),
            ("SELECT * FROM two", None),
        ):
            with pytest.raises(OperationalError) as error:
                connection.execute(text(statement))
            assert retry_after(error.value) == seconds
        other.execute("ROLLBACK")
        with pytest.raises(DBAPIError) as refused:
            connection.execute(text("INSERT INTO one VALUES (NULL)"))
        assert retry_after(refused.value) is None
        connection.rollback()
        connection.execute(text("PRAGMA query_only = on"))
        with pytest.raises(OperationalError) as error:
            connection.execute(text("INSERT INTO one VALUES (1)"))
        assert retry_after(error.value) == LATER_S
    engine.dispose()
    for address in (f"sqlite:///{tmp_path}", "sqlite:////nowhere/at/all.db"):
        with pytest.raises(OperationalError) as error:
            create_engine(address).connect()
        assert retry_after(error.value) == LATER_S
    assert retry_after(RuntimeError("of ours")) is None


@pytest.mark.no_database
def test_the_address_may_choose_otherwise_and_what_it_names_are_parameters_of_the_driver() -> None:
    chosen = make_url("postgresql+psycopg://c@/c?host=a:1&host=b:2&target_session_attrs=any&connect_timeout=7")
    given = postgresql.arguments(chosen)
    assert {"target_session_attrs", "connect_timeout"} & given.keys() == set()
    assert postgresql.arguments(make_url("postgresql+psycopg://c@/c"))["target_session_attrs"] == "read-write"
    assert re.search(r"statement_timeout=5s .*lock_timeout=4s", str(given["options"]))


@pytest.mark.postgresql_only
def test_what_is_read_is_in_utc_whatever_options_the_address_brings(app: Flask) -> None:
    address = db.engine.url.update_query_dict({"options": "-c timezone=America/St_Johns"})
    engine = create_engine(address)
    postgresql.prepare_postgresql(engine)
    for _ in range(2):  # also after what was read was rolled back, and the connection came from the pool
        with engine.connect() as connection:
            found = connection.execute(text("SELECT timestamptz '2026-07-01 12:00+02'")).scalar_one()
            assert (found.utcoffset(), found.hour) == (timedelta(0), 10)
            connection.rollback()
    engine.dispose()
