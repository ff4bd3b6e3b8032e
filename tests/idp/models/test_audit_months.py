"""The record of events by month on PostgreSQL: an event always has a place, and what was there stays where it lies."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select, text, update

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.audit_months import AHEAD, ELSE, make_months, partitions
from idp.models.base import db
from idp.models.context import InContext
from idp.models.postgresql import prepare_postgresql
from idp.services import housekeeping, schema
from idp.services.audit import AuditTag
from idp.services.audit_chain import link_events, verify
from idp.services.audit_redaction import redact
from idp.services.bundle import Services
from tests.support.engines import empty_postgresql_database, worker_number

pytestmark = pytest.mark.postgresql_only

DAY = timedelta(days=1)


@pytest.fixture
def fresh(services: Services, run_folder: Path) -> Iterator[Flask]:
    """An application on an empty database of its own: partitions that a test makes would stay in a shared one."""
    app = InContext("months")
    app.config["SQLALCHEMY_DATABASE_URI"] = empty_postgresql_database(run_folder, f"months_{worker_number()}")
    db.init_app(app)
    with app.app_context():
        prepare_postgresql(db.engine)
        yield app
        db.session.remove()
        db.engine.dispose()


def record(services: Services, clock: FrozenClock, at: datetime) -> None:
    clock.advance(at - clock.now())
    services.audit.record(AuditTag.SIGNED_IN, account=UUID(int=7))
    db.session.commit()


def places() -> list[str]:
    """The partition of every event, in the order of their making."""
    found = db.session.scalars(text("SELECT tableoid::regclass::text FROM audit_event ORDER BY at, id")).all()
    db.session.rollback()
    return list(found)


def end_of_the_old() -> datetime:
    """Since when events are kept by month: the beginning of the next one after the migration."""
    (name,) = [one for one in partitions(db.session.connection()) if "until" in one]
    db.session.rollback()
    year, month = name.split("_")[-2:]
    return datetime(int(year), int(month), 1, tzinfo=UTC)


def test_the_events_of_before_stay_where_they_lie_and_the_chain_is_whole(
    fresh: Flask, services: Services, clock: FrozenClock
) -> None:
    schema.upgrade("0023")
    for _ in range(3):
        record(services, clock, clock.now() + DAY)
    link_events(services.vault)
    before = db.session.execute(text("SELECT pg_relation_filenode('audit_event')")).scalar_one()
    db.session.rollback()
    schema.upgrade()
    assert len(set(places())) == 1
    file = db.session.execute(text("SELECT pg_relation_filenode(:name)"), {"name": places()[0]}).scalar_one()
    assert file == before, "the rows were copied"
    record(services, clock, end_of_the_old() + DAY)
    link_events(services.vault)
    assert (verify(services.vault).links, verify(services.vault).broken) == (4, None)
    assert redact(services, AuditEvent.account_id == UUID(int=7)) == 4
    assert verify(services.vault).broken is None


def test_every_month_has_a_place_of_its_own_made_before_it_begins(
    fresh: Flask, services: Services, clock: FrozenClock
) -> None:
    schema.upgrade()
    begin = end_of_the_old()
    clock.advance(begin - clock.now() + 40 * DAY)
    housekeeping.begin_months(clock.now())
    housekeeping.begin_months(clock.now())
    names = [f"audit_event_{(begin.replace(day=1) + timedelta(days=32 * n)).replace(day=1):%Y_%m}" for n in range(5)]
    assert set(names) <= set(partitions(db.session.connection()))
    for month in (0, 35, 65):
        record(services, clock, begin + month * DAY + DAY)
    assert places() == names[:3]
    of_months = AHEAD + 2  # one from the beginning, this one and the next
    assert len(partitions(db.session.connection())) == of_months + len(["until", "else"])


def test_a_month_that_nobody_made_refuses_no_event_and_keeps_what_it_has(
    fresh: Flask, services: Services, clock: FrozenClock
) -> None:
    schema.upgrade()
    later = end_of_the_old() + 400 * DAY
    record(services, clock, later)
    assert places() == [ELSE]
    made = make_months(db.session.connection(), later)
    db.session.commit()
    assert len(made) == AHEAD, "the month with an event stays among the rest"
    record(services, clock, later + timedelta(hours=1))
    assert places() == [ELSE, ELSE]
    link_events(services.vault)
    assert (verify(services.vault).links, verify(services.vault).broken) == (2, None)


def test_an_event_that_was_moved_to_another_month_is_found_and_named(
    fresh: Flask, services: Services, clock: FrozenClock
) -> None:
    schema.upgrade()
    record(services, clock, end_of_the_old() + DAY)
    link_events(services.vault)
    db.session.execute(update(AuditEvent).values(at=clock.now() + 40 * DAY))
    db.session.commit()
    broken = verify(services.vault).broken
    assert broken is not None
    assert broken.what == "the event was changed"


def test_making_months_waits_for_nobody_and_nobody_waits_for_it(
    fresh: Flask, services: Services, clock: FrozenClock
) -> None:
    """Somebody writes an event and has not committed; meanwhile a month is made, and somebody else writes."""
    schema.upgrade()
    begin = end_of_the_old() + 40 * DAY
    with db.engine.connect() as writer:
        writer.execute(text(INSERT), {"id": UUID(int=1), "at": begin})
        made = make_months(db.session.connection(), begin)
        assert made
        with db.engine.begin() as other:
            other.execute(text("SET LOCAL lock_timeout = '50ms'"))
            other.execute(text(INSERT), {"id": UUID(int=2), "at": begin})
        db.session.commit()
        writer.commit()
    assert db.session.scalar(select(func.count()).select_from(AuditEvent)) == 2


def test_whoever_may_not_change_the_record_may_not_change_a_month(fresh: Flask, clock: FrozenClock) -> None:
    schema.upgrade("0023")
    db.session.execute(text("REVOKE UPDATE, DELETE, TRUNCATE ON audit_event FROM connect"))
    db.session.execute(text("GRANT UPDATE (detail, redacted_at) ON audit_event TO connect"))
    db.session.execute(text("GRANT SELECT ON audit_event TO PUBLIC"))
    db.session.commit()
    before = rights("audit_event")
    schema.upgrade()
    tables = ["audit_event", *partitions(db.session.connection())]
    assert {table: rights(table) for table in tables} == dict.fromkeys(tables, before)
    assert not any(right in one for one in before for right in ("DELETE", "TRUNCATE"))


def rights(table: str) -> set[str]:
    whole = "SELECT a.grantee || ' ' || privilege_type FROM pg_class, aclexplode(relacl) a WHERE oid = to_regclass(:t)"
    columns = (
        "SELECT attname || ' ' || privilege_type FROM pg_attribute, aclexplode(attacl) WHERE attrelid = to_regclass(:t)"
    )
    return {str(one) for query in (whole, columns) for one in db.session.scalars(text(query), {"t": table})}


INSERT = "INSERT INTO audit_event (id, at, tag, detail) VALUES (:id, :at, 'operator:signing_key:rotate', '{}')"
