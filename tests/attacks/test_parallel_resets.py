"""Approve and stop, use and stop in the same moment: one of them is done, and what was stopped stays stopped."""

from __future__ import annotations

from uuid import UUID

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models import factor_reset as resets
from idp.models.base import db
from idp.models.factor_reset import FactorReset
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.instances import Instances
from tests.support.resets import COOLED, agreed, asked, two_operators
from tests.support.walks import add_account

pytestmark = pytest.mark.both_engines

CLIENTS, ROUNDS = 16, 4


def approve_or_stop(app: Flask, about: tuple[UUID, UUID], number: int) -> tuple[str, bool]:
    bundle: Services = app.extensions["connect"]
    with app.app_context():
        now, (ident, by) = bundle.clock.now(), about
        is_done = resets.stop(ident, now) if number % 2 else resets.approve(ident, by, f"{ident}-{number}", now)
        db.session.commit()
        return "stopped" if number % 2 else "approved", is_done


def use_or_stop(app: Flask, ident: UUID, number: int) -> tuple[str, bool]:
    bundle: Services = app.extensions["connect"]
    with app.app_context():
        is_done = (resets.stop if number % 2 else resets.use)(ident, bundle.clock.now())
        db.session.commit()
        return "stopped" if number % 2 else "used", is_done


def done(outcome: list[tuple[str, bool]]) -> list[str]:
    return sorted(name for name, is_done in outcome if is_done)


def test_what_is_stopped_while_it_is_approved_or_used_stays_stopped(
    app: Flask, services: Services, portal: Portal, environment: dict[str, str], clock: FrozenClock,
    instances: Instances,
) -> None:  # fmt: skip
    by = two_operators(services)
    accounts = [add_account(services, portal, f"p{at}@example.ch", number=f"+4179333000{at}") for at in range(ROUNDS)]
    waiting = [(asked(services, one, portal, by[0]).id, by[1]) for one in accounts]
    for outcome in instances.race(environment, clock.now(), approve_or_stop, waiting, CLIENTS):
        assert done(outcome) in (["stopped"], ["approved", "stopped"])
    db.session.rollback()
    assert {one.end for one in db.session.query(FactorReset)} == {"stopped"}
    cooled = [agreed(services, one, portal, by).id for one in accounts]
    clock.advance(COOLED)
    for outcome in instances.race(environment, clock.now(), use_or_stop, cooled, CLIENTS):
        assert done(outcome) in (["stopped"], ["used"])
