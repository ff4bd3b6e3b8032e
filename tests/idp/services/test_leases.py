"""How a try at a message ends counts only while its taker still holds it; that it was sent counts always."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.outbox import Attempt, OutboxMessage, take_message
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.settling import put_off, settle

LEASE, BACK_OFF = timedelta(minutes=3), (5, 30)


@pytest.fixture
def message(app: Flask, services: Services, portal: Portal) -> None:
    values = {"code": "123456", "time": "14:30"}
    services.outbox.mail("code", to="helene@example.ch", language="fr", portal=portal, values=values)
    db.session.commit()


def take(clock: FrozenClock) -> Attempt:
    taken = take_message("mail", clock.now(), LEASE)
    assert taken is not None
    return taken


def state() -> tuple[str, int]:
    db.session.rollback()
    row = db.session.scalars(select(OutboxMessage).execution_options(populate_existing=True)).one()
    return row.state, row.tries


def test_whoever_is_too_slow_cannot_give_up_what_another_is_sending(message: None, clock: FrozenClock) -> None:
    slow = take(clock)
    clock.advance(LEASE)
    quick = take(clock)
    settle(slow, "mail", "dead", clock.now(), "no")
    put_off(slow, "mail", BACK_OFF, clock.now(), "no")
    assert state() == ("sending", 2)
    settle(quick, "mail", "sent", clock.now())
    assert state() == ("sent", 2)


def test_nor_can_they_bring_back_what_another_has_sent(message: None, clock: FrozenClock) -> None:
    slow = take(clock)
    clock.advance(LEASE)
    settle(take(clock), "mail", "sent", clock.now())
    put_off(slow, "mail", BACK_OFF, clock.now(), "no")
    settle(slow, "mail", "expired", clock.now())
    assert state() == ("sent", 2)
    assert take_message("mail", clock.now() + timedelta(days=1), LEASE) is None


def test_what_was_sent_late_is_sent_no_second_time(message: None, clock: FrozenClock) -> None:
    slow = take(clock)
    clock.advance(LEASE)
    put_off(take(clock), "mail", BACK_OFF, clock.now(), "no")
    settle(slow, "mail", "sent", clock.now())
    assert state() == ("sent", 2)
    assert take_message("mail", clock.now() + timedelta(days=1), LEASE) is None


def test_a_message_is_held_until_its_lease_ends(message: None, clock: FrozenClock) -> None:
    take(clock)
    assert take_message("mail", clock.now() + LEASE - timedelta(seconds=1), LEASE) is None
    assert take_message("mail", clock.now() + LEASE, LEASE) is not None


def test_a_message_is_given_up_after_the_last_wait(message: None, clock: FrozenClock) -> None:
    for wait in BACK_OFF:
        put_off(take(clock), "mail", BACK_OFF, clock.now(), "no")
        assert take_message("mail", clock.now() + timedelta(seconds=wait - 1), LEASE) is None
        clock.advance(timedelta(seconds=wait))
    put_off(take(clock), "mail", BACK_OFF, clock.now(), "no")
    assert state() == ("dead", 3)
