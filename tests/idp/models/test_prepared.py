"""Prepared statements give and take what SQLAlchemy would, and fail as it would."""

from __future__ import annotations

from contextlib import ExitStack
from datetime import UTC, date, datetime
from typing import Any, cast
from uuid import uuid4

import psycopg
import pytest
from flask import Flask
from sqlalchemy import Table, bindparam, event, insert, select, update
from sqlalchemy import text as sql
from sqlalchemy.exc import DBAPIError, IntegrityError, OperationalError, ProgrammingError

from idp.models import postgresql
from idp.models.base import UTCDateTime, db
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.models.prepared import Prepared
from tests.support.builders import add_person

PERSON = cast(Table, InsuredPerson.__table__)
BY_ID = Prepared(select(PERSON).where(PERSON.c.id == bindparam("ident"), PERSON.c.language == "fr"))
OF_PORTAL = Prepared(
    select(PERSON.c.id, PERSON.c.created_at)
    .where(PERSON.c.portal_id == bindparam("ident"))
    .order_by(PERSON.c.external_id)
)
MOVE = Prepared(
    update(PERSON).where(PERSON.c.id == bindparam("ident")).values(changed_at=bindparam("now", type_=UTCDateTime()))
)
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


def test_what_comes_out_is_what_the_record_says(app: Flask, portal: Portal) -> None:
    person = add_person(portal, address=["Rue du Lac 1", "1000 Ville"], birth_date=date(1950, 2, 3))
    row = BY_ID.first(ident=person.id)
    assert row is not None
    for column in PERSON.columns:
        assert getattr(row, column.key) == getattr(person, column.key), column.key


def test_nothing_is_none_and_a_count_is_a_count(app: Flask, portal: Portal) -> None:
    person = add_person(portal)
    assert BY_ID.first(ident=uuid4()) is None
    assert MOVE.count(ident=person.id, now=NOW) == 1
    assert MOVE.count(ident=uuid4(), now=NOW) == 0
    db.session.commit()
    db.session.refresh(person)
    assert person.changed_at == NOW


def test_all_rows_come_out_as_each_alone(app: Flask, portal: Portal) -> None:
    persons = [add_person(portal, external_id=f"P-{number}") for number in range(3)]
    rows = OF_PORTAL.all(ident=portal.id)
    assert [(row.id, row.created_at) for row in rows] == [(person.id, person.created_at) for person in persons]
    assert OF_PORTAL.all(ident=uuid4()) == []


def test_it_belongs_to_the_transaction_of_the_session(app: Flask, portal: Portal) -> None:
    person = add_person(portal)
    before = person.changed_at
    MOVE.count(ident=person.id, now=NOW)
    db.session.rollback()
    db.session.refresh(person)
    assert person.changed_at == before


def test_a_value_that_is_missing_is_a_fault(app: Flask, portal: Portal) -> None:
    with pytest.raises(KeyError):
        BY_ID.first()


def test_what_the_driver_refuses_is_refused_as_by_sqlalchemy(app: Flask, portal: Portal) -> None:
    person = add_person(portal)
    columns = [column.key for column in PERSON.columns]
    twice = Prepared(insert(PERSON), *columns)
    with pytest.raises(IntegrityError) as refused:
        twice.count(**{name: getattr(person, name) for name in columns})
    db.session.rollback()
    assert person.family_name not in str(refused.value)


def test_a_connection_that_is_closed_is_an_error_of_the_database(app: Flask, portal: Portal) -> None:
    db.session.rollback()
    cast(Any, db.session.connection().connection.dbapi_connection).close()
    with pytest.raises(DBAPIError) as gone:
        BY_ID.first(ident=uuid4())
    assert gone.value.connection_invalidated
    db.session.rollback()
    assert BY_ID.first(ident=uuid4()) is None


def test_whoever_listens_hears_of_it(app: Flask, portal: Portal) -> None:
    heard: list[str] = []

    def hear(_c: Any, _k: Any, text: str, *_: Any) -> None:
        heard.append(text)

    event.listen(db.engine, "before_cursor_execute", hear)
    try:
        BY_ID.first(ident=uuid4())
    finally:
        event.remove(db.engine, "before_cursor_execute", hear)
    assert len(heard) == 1


def pooled(count: int) -> None:
    """So many connections answer, all at once, and go back to the pool."""
    with ExitStack() as held:
        for one in [held.enter_context(db.engine.connect()) for _ in range(count)]:
            one.execute(sql("SELECT 1"))


def break_connections() -> None:
    """End them at the server, as a restart does."""
    address = db.engine.url.query["host"]
    with psycopg.connect(host=str(address), user="connect", dbname="postgres", autocommit=True) as server:
        server.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE datname = %s", [db.engine.url.database]
        )


@pytest.mark.postgresql_only
def test_after_a_pause_a_broken_connection_is_noticed_by_nobody(
    portal: Portal, monkeypatch: pytest.MonkeyPatch
) -> None:
    db.session.rollback()
    pooled(3)
    break_connections()
    monkeypatch.setattr(postgresql, "TRUSTED_FOR_S", 0.0)
    pooled(3)
    assert BY_ID.first(ident=uuid4()) is None


@pytest.mark.postgresql_only
def test_one_broken_connection_puts_all_others_in_doubt(portal: Portal) -> None:
    db.session.rollback()
    pooled(3)
    break_connections()
    with pytest.raises(OperationalError) as gone:
        BY_ID.first(ident=uuid4())
    assert gone.value.connection_invalidated
    db.session.rollback()
    pooled(3)
    assert BY_ID.first(ident=uuid4()) is None


@pytest.mark.postgresql_only
def test_a_rollback_leaves_nothing_prepared_behind_and_the_next_statement_prepares_anew(portal: Portal) -> None:
    ident = add_person(portal).id
    db.session.commit()
    prepared = sql("SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'connect%'")
    for _ in range(3):
        assert MOVE.count(ident=ident, now=NOW) == 1
        assert db.session.scalar(prepared) == 1
        db.session.rollback()
    assert db.session.scalar(sql("SELECT changed_at FROM insured_person")) != NOW
    assert MOVE.count(ident=ident, now=NOW) == 1
    db.session.commit()
    db.session.rollback()  # of nothing
    assert db.session.scalar(sql("SELECT changed_at FROM insured_person")) == NOW
    assert db.session.scalar(prepared) == 1


@pytest.mark.postgresql_only
def test_what_was_forgotten_behind_our_back_costs_one_transaction(portal: Portal) -> None:
    ident = add_person(portal).id
    db.session.commit()
    assert MOVE.count(ident=ident, now=NOW) == 1
    db.session.execute(sql("DEALLOCATE ALL"))
    with pytest.raises(ProgrammingError):
        MOVE.count(ident=ident, now=NOW)
    db.session.rollback()
    assert MOVE.count(ident=ident, now=NOW) == 1
