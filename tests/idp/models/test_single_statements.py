"""Statements that are kept each by itself go the short way, on connections that outlive their request."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any, cast
from uuid import uuid4

import pytest
from flask import Flask, current_app, g
from sqlalchemy import Table, bindparam, insert, literal, select, update
from sqlalchemy import text as sql
from sqlalchemy.exc import DataError, IntegrityError, OperationalError

from idp.models import postgresql
from idp.models.base import ALONE, UTCDateTime, db
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.models.prepared import Prepared
from idp.models.single_statements import MOST, Single, SingleStatements
from idp.models.units import each_alone, give_back
from tests.idp.models.test_prepared import break_connections
from tests.support.builders import add_person
from tests.support.engines import held_connections

pytestmark = pytest.mark.postgresql_only
PERSON = cast(Table, InsuredPerson.__table__)
BY_ID = Prepared(select(PERSON).where(PERSON.c.id == bindparam("ident")))
OF_PORTAL = Prepared(select(PERSON.c.id).where(PERSON.c.portal_id == bindparam("ident")).order_by(PERSON.c.external_id))
MOVE = Prepared(
    update(PERSON).where(PERSON.c.id == bindparam("ident")).values(changed_at=bindparam("now", type_=UTCDateTime()))
)
FIXED = "100 % :a %(b)s $1"
TEXTS = Prepared(
    select(literal(FIXED).label("fixed"), bindparam("said", type_=PERSON.c.family_name.type).label("given"))
)
NOW = datetime(2026, 5, 4, 3, 2, 1, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _single(app: Flask, portal: Portal) -> Iterator[None]:
    db.session.commit()
    each_alone()
    yield
    give_back()


def single() -> Single:
    one: Single = g.get(ALONE)
    return one


def backend() -> int:
    return int(single().connection.connection.driver_connection.info.backend_pid)  # type: ignore[union-attr]


def again() -> None:
    """What the next request does."""
    give_back()
    each_alone()


def person_of(portal: Portal, **more: Any) -> Any:
    """Written and committed by the session, which has the connection meanwhile."""
    made = add_person(portal, **more)
    db.session.commit()
    return made


def test_what_comes_out_is_what_the_record_says(portal: Portal) -> None:
    person = person_of(portal, address=["Rue du Lac 1", "1000 Ville"], birth_date=date(1950, 2, 3))
    row = BY_ID.first(ident=person.id)
    assert row is not None
    for column in PERSON.columns:
        assert getattr(row, column.key) == getattr(person, column.key), column.key
    assert BY_ID.first(ident=uuid4()) is None


def test_rows_and_counts_come_as_they_are(portal: Portal) -> None:
    persons = [person_of(portal, external_id=f"P-{number}") for number in range(3)]
    assert [row.id for row in OF_PORTAL.all(ident=portal.id)] == [person.id for person in persons]
    assert OF_PORTAL.all(ident=uuid4()) == []
    assert MOVE.count(ident=persons[0].id, now=NOW) == 1
    assert MOVE.count(ident=uuid4(), now=NOW) == 0
    give_back()
    db.session.refresh(persons[0])
    assert persons[0].changed_at == NOW


@pytest.mark.parametrize("said", ["", "Zoë", "'; --", "%s $2 \\x00", "a" * 5000])
def test_no_text_is_taken_for_anything_else(said: str) -> None:
    assert tuple(TEXTS.first(said=said)) == (FIXED, said)


def test_what_is_refused_is_refused_as_by_sqlalchemy_and_the_next_is_answered(portal: Portal) -> None:
    person = person_of(portal)
    columns = [column.key for column in PERSON.columns]
    twice = Prepared(insert(PERSON), *columns)
    values = {name: getattr(person, name) for name in columns}
    db.session.commit()
    with pytest.raises(IntegrityError) as refused:
        twice.count(**values)
    assert person.family_name not in str(refused.value)
    with pytest.raises(DataError):
        TEXTS.first(said="\0")
    assert BY_ID.first(ident=person.id) is not None


def test_a_statement_is_prepared_once_and_prepared_anew_where_the_server_forgot_it(portal: Portal) -> None:
    person = person_of(portal)
    for _ in range(3):
        assert BY_ID.first(ident=person.id) is not None
    names = "SELECT count(*) FROM pg_prepared_statements WHERE name LIKE 'connect%%'"
    assert single().connection.exec_driver_sql(names).scalar() == 1
    single().connection.exec_driver_sql("DEALLOCATE ALL")
    assert BY_ID.first(ident=person.id).id == person.id


def test_a_connection_stays_for_the_next_request(app: Flask) -> None:
    first = backend()
    again()
    assert backend() == first
    give_back()
    assert held_connections(app) == 0


def test_few_stay(app: Flask) -> None:
    give_back()
    spared: SingleStatements = current_app.extensions[ALONE]
    taken = [spared.take() for _ in range(MOST + 2)]
    for one in taken:
        spared.give_back(one)
    assert spared.kept == MOST
    assert held_connections(app) == 0


def test_what_is_still_open_goes_back_to_the_pool_which_ends_it(portal: Portal) -> None:
    spared: SingleStatements = current_app.extensions[ALONE]
    assert BY_ID.first(ident=uuid4()) is None
    first = backend()
    single().connection.execute(sql("SELECT 1"))
    assert single().connection.in_transaction()
    kept = spared.kept
    again()
    assert spared.kept == kept
    assert backend() == first
    assert BY_ID.first(ident=uuid4()) is None, "what is prepared there is known to whoever has it next"


def test_what_psycopg_forgets_with_a_rollback_is_prepared_anew(portal: Portal) -> None:
    ident = person_of(portal).id
    db.session.commit()
    assert BY_ID.first(ident=ident) is not None
    first = backend()
    single().connection.execute(sql("SELECT 1"))
    give_back()
    for _ in range(8):  # so often that psycopg prepares it
        db.session.execute(sql("SELECT 2"))
    assert db.session.connection().connection.driver_connection.info.backend_pid == first  # type: ignore[union-attr]
    db.session.rollback()
    each_alone()
    assert backend() == first
    assert BY_ID.first(ident=ident) is not None


def test_after_a_pause_a_broken_connection_is_noticed_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    first = backend()
    give_back()
    break_connections()
    monkeypatch.setattr(postgresql, "TRUSTED_FOR_S", 0.0)
    each_alone()
    assert BY_ID.first(ident=uuid4()) is None
    assert backend() != first


def test_what_breaks_on_its_way_says_so_and_the_next_request_has_another_one() -> None:
    break_connections()
    with pytest.raises(OperationalError) as gone:
        BY_ID.first(ident=uuid4())
    assert gone.value.connection_invalidated
    again()
    assert BY_ID.first(ident=uuid4()) is None


def test_one_that_broke_ends_all_that_were_kept_before(app: Flask) -> None:
    spared: SingleStatements = current_app.extensions[ALONE]
    for one in [spared.take() for _ in range(3)]:
        spared.give_back(one)
    break_connections()
    with pytest.raises(OperationalError):
        BY_ID.first(ident=uuid4())
    again()
    assert BY_ID.first(ident=uuid4()) is None
    assert spared.kept == 0


def test_an_engine_that_is_disposed_of_leaves_none_open() -> None:
    pid = backend()
    give_back()
    db.engine.dispose()
    each_alone()
    left = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    assert single().connection.exec_driver_sql(left, (pid,)).scalar() == 0
