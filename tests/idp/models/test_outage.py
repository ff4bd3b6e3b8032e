"""The table of idp/models/outage.py, asked with errors that the databases themselves make."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import create_engine, make_url, text
from sqlalchemy.exc import DBAPIError, OperationalError

from idp.models import postgresql
from idp.models.base import db
from idp.models.outage import LATER_S, SOON_S, retry_after

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
