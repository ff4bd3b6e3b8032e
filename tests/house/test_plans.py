"""What every test asks of PostgreSQL by a request is looked at; here is that the look sees, and misses no table."""

from __future__ import annotations

import re
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from flask import Flask
from sqlalchemy import PrimaryKeyConstraint, Table, UniqueConstraint, select, text

from idp.models.audit_months import BEFORE
from idp.models.base import Base, db
from idp.models.session import Session
from tests.support import every_plan
from tests.support.big import ROWS, SMALL, growing
from tests.support.every_plan import faults, statements_of_requests

OF_PERSONS = "SELECT * FROM insured_person "
# From these no row is ever removed: a portal is disabled, an account is emptied.
FOR_EVER = {"account", "portal"}


@pytest.fixture(autouse=True)
def nothing_seen_before(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(every_plan, "_explained", set())


@pytest.mark.postgresql_only
@pytest.mark.parametrize(
    ("statement", "fault"),
    [
        (OF_PERSONS + "WHERE insured_number = %(number)s", "all of insured_person is read"),
        (OF_PERSONS + "ORDER BY external_id LIMIT %(most)s", "all of insured_person is read"),
        ("UPDATE session SET seen_at = seen_at WHERE user_agent = %(number)s", "all of session is read"),
        ("DELETE FROM access_token WHERE scope = %(number)s", "all of access_token is read"),
        ("SELECT min(hash) FROM password", "all of password is read"),
        (OF_PERSONS + "JOIN account ON account.email = external_id WHERE insured_person.id = %(id)s", ""),
        (OF_PERSONS + "WHERE portal_id = %(id)s AND external_id = %(number)s", ""),
        (OF_PERSONS + "ORDER BY id DESC LIMIT %(most)s", ""),
        ("SELECT * FROM portal", ""),
        ("SELECT * FROM audit_event WHERE request_id = %(number)s", f"all of {BEFORE}* is read"),
        ("SELECT * FROM audit_event WHERE account_id = %(id)s", ""),
    ],
)  # fmt: skip
def test_a_plan_that_reads_a_whole_table_is_named(app: Flask, run_folder: Path, statement: str, fault: str) -> None:
    found = faults({statement: {"number": "756.1", "most": 20, "id": uuid4()}}, run_folder)
    named = [re.sub(r"until_\w+", "until_*", one.partition(": ")[0]) for one in found if "costs" not in one]
    assert named == ([fault] if fault else [])


@pytest.mark.postgresql_only
def test_statements_are_noted_while_a_request_runs_and_only_then(app: Flask) -> None:
    with statements_of_requests(app) as noted:
        app.add_url_rule("/asked", view_func=lambda: str(db.session.scalar(text("SELECT 1"))))
        db.session.scalar(select(Session.id))
        assert app.test_client().get("/asked").text == "1"
    assert set(noted) == {"SELECT 1"}


@pytest.mark.no_database
def test_every_table_grows_or_is_named_as_small() -> None:
    assert set(Base.metadata.tables) >= SMALL
    assert len(growing()) > len(SMALL)


@pytest.mark.postgresql_only
def test_the_big_database_has_rows_in_every_table_that_grows(app: Flask, run_folder: Path) -> None:
    with psycopg.connect(every_plan.big_database(run_folder)) as connection:
        counted = dict(connection.execute("SELECT relname, reltuples FROM pg_class").fetchall())
    assert {name for name in growing() if counted[name] < ROWS / 2} == set()


@pytest.mark.no_database
def test_what_hangs_from_a_row_that_may_be_removed_is_found_by_an_index() -> None:
    """Else each removal would read the other table from end to end, under a lock."""
    missing = {
        f"{table.name}.{key.parent.name}"
        for table in Base.metadata.tables.values()
        for key in table.foreign_keys
        if key.column.table.name not in FOR_EVER and key.parent.name not in first_columns(table)
    }
    assert missing == set()


def first_columns(table: Table) -> set[str]:
    """By which a row of this table can be looked for among all of them."""
    keys = [one for one in table.constraints if isinstance(one, PrimaryKeyConstraint | UniqueConstraint)]
    whole = [index for index in table.indexes if index.dialect_options["postgresql"]["where"] is None]
    return {next(iter(one.columns)).name for one in (*keys, *whole) if len(one.columns)}
