"""C-22, K3: what breaks in the middle leaves nothing half done, and a refusal stays counted whatever breaks."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import pytest
import structlog
from flask import Flask
from sqlalchemy import event, select

from idp.clock import FrozenClock
from idp.models.account import Account, Password, Phone, RecoveryCode, TOTPSecret
from idp.models.audit import AuditEvent
from idp.models.base import Base, db
from idp.models.flow import AttemptCounter
from idp.models.outbox import OutboxMessage
from idp.models.session import Session
from idp.services.bundle import Services
from tests.support.builders import add_portal
from tests.support.fingerprint import changes, fingerprint
from tests.support.walks import VARIANTS, Variant, World, cells


class PowerCut(Exception):
    """What a request is broken with."""


class Breaker:
    """Breaks whoever next writes a row of `table`, once: what runs after the break runs undisturbed."""

    table: type[Base] | None = None

    def __call__(self, _connection: object, _cursor: object, statement: str, *_: object) -> None:
        if self.table and re.match(rf"(INSERT INTO|UPDATE) {self.table.__tablename__}\b", statement):
            self.table = None
            raise PowerCut(statement)


@pytest.fixture
def breaker(web: Flask) -> Iterator[Breaker]:
    made = Breaker()
    with web.app_context():
        engine = db.engine
    event.listen(engine, "before_cursor_execute", made)
    yield made
    event.remove(engine, "before_cursor_execute", made)


@pytest.fixture(autouse=True)
def plain_log() -> Iterator[None]:
    """Without the coloured tracebacks of a developer's terminal, which take ten seconds each."""
    structlog.configure(processors=[structlog.processors.KeyValueRenderer()])
    yield
    structlog.reset_defaults()


def post_broken(world: World, breaker: Breaker, table: type[Base], form: tuple[str, dict[str, str]]) -> int:
    breaker.table = table
    response, _ = world.person.post(form)
    breaker.table = None
    return response.status_code


WRITTEN_AT_THE_END: dict[str, tuple[type[Base], ...]] = {
    "registration": (Account, Password, Phone, TOTPSecret, Session, AuditEvent, OutboxMessage),
    "login": (Session, AuditEvent),
    "link": (AuditEvent,),
    "reset": (Password, Session, AuditEvent, OutboxMessage),
    "password": (Password, AuditEvent, OutboxMessage),
    "mobile": (Phone, AuditEvent, OutboxMessage),
    "app": (TOTPSecret, AuditEvent, OutboxMessage),
    "removal": (AuditEvent, OutboxMessage),
    "closing": (Account, AuditEvent, OutboxMessage),
    "codes": (RecoveryCode, AuditEvent, OutboxMessage),
    "email": (Account, AuditEvent, OutboxMessage),
}
NOT_BY = {"sms": TOTPSecret, "app": Phone}
SPENT = {"submission", "attempt_counter", "totp_secret"}  # the guess, and what an app shows for half a minute


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_a_finish_that_breaks_anywhere_leaves_nothing_and_can_be_done_again(
    web: Flask, services: Services, clock: FrozenClock, variant: Variant, breaker: Breaker
) -> None:
    portal = add_portal()
    add_portal("home")
    for number, table in enumerate(WRITTEN_AT_THE_END[variant.journey.name], start=1):
        if NOT_BY.get(variant.factor) is table:
            continue
        world, last = World(web, services, clock, portal, variant, number), variant.stops()[-1].name
        world.walk_to(last)
        form, held = world.person.filled(**world.right(last)), fingerprint()
        assert post_broken(world, breaker, table, form) == 500, table
        assert set(changes(held, fingerprint())) <= SPENT, table
        world.person.open(form[0])
        assert world.is_at(last)
        world.clock.advance(timedelta(seconds=31))
        world.finish(last)


@pytest.mark.both_engines
def test_a_wrong_answer_is_counted_though_the_request_breaks_after_it(
    web: Flask, services: Services, clock: FrozenClock, breaker: Breaker
) -> None:
    """CVE-2026-35597: a counter that a failed login rolled back. Ours is committed before the password is judged."""
    variant = next(one for one in VARIANTS if one.journey.name == "login")
    world = World(web, services, clock, add_portal(), variant, 1)
    for attempt in range(5):
        world.begin()
        form = world.person.filled(email=world.email, password=f"wrong {attempt}")
        assert post_broken(world, breaker, AuditEvent, form) == 500
    world.begin()
    world.answer("credentials")
    assert "Trop d’essais" in world.person.text
    db.session.rollback()
    assert [row.spent for row in db.session.scalars(select(AttemptCounter))] == [5]


@pytest.mark.both_engines
def test_a_step_that_breaks_sends_nothing_and_is_still_there(
    web: Flask, services: Services, clock: FrozenClock, breaker: Breaker
) -> None:
    portal, number, broken = add_portal(), 0, 0
    add_portal("home")
    for variant, step in cells("breaks"):
        if step == variant.stops()[-1]:
            continue
        for table in (OutboxMessage, AuditEvent):
            number += 1
            clock.advance(timedelta(hours=1))
            world = World(web, services, clock, portal, variant, number)
            world.walk_to(step.name)
            form, held = world.person.filled(**world.right(step.name)), fingerprint()
            if post_broken(world, breaker, table, form) != 500:
                continue  # this step writes no such row
            broken += 1
            assert set(changes(held, fingerprint())) <= SPENT, (variant, step.name, table)
            world.person.open(form[0])
            assert world.is_at(step.name)
            clock.advance(timedelta(seconds=31))
            world.finish(step.name)
    assert broken >= 4
