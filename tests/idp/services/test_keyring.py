"""Signing keys follow the calendar, each algorithm on its own, also when several workers look at it at once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, time, timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from idp.clock import SWISS_TIME, FrozenClock, swiss
from idp.errors import BadInput
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.services.assembly import build_services
from idp.services.bundle import Services
from idp.services.housekeeping import Housekeeper, rotate_keys
from idp.services.keyring import Keyring
from keys.jwk import ALGORITHMS
from keys.master import new_master_key
from tests.support.instances import Instances

DAY = timedelta(days=1)


def states(services: Services) -> Counter[tuple[str, str]]:
    db.session.rollback()
    return Counter((row.alg, row.state) for row in services.keyring.rows())


def test_the_worker_rotates_when_keys_have_signed_long_enough(
    app: Flask, services: Services, signing_keys: None, clock: FrozenClock
) -> None:
    worker = Housekeeper(app)
    clock.at = max(row.state_since for row in services.keyring.rows())
    before = {key["kid"] for key in services.keyring.ring().document()["keys"]}
    clock.advance(services.settings.key_active_for - timedelta(seconds=1))
    worker.run_once()
    assert {key["kid"] for key in services.keyring.ring().document()["keys"]} == before
    token = services.keyring.sign({"sub": "x"}, alg="RS256", typ="JWT")
    clock.advance(timedelta(minutes=2))
    worker.run_once()
    assert states(services) == {(alg, state): 1 for alg in ALGORITHMS for state in ("active", "next", "retiring")}
    assert before < {key["kid"] for key in services.keyring.ring().document()["keys"]}
    assert services.keyring.verify(token, typ="JWT") == {"sub": "x"}, "what was signed before is still believed"
    tags = [event.detail["alg"] for event in db.session.scalars(select(AuditEvent))]
    assert sorted(tags) == sorted(ALGORITHMS)
    clock.advance(DAY + timedelta(minutes=2))
    worker.run_once()
    assert {state for _, state in states(services)} == {"active", "next", "retired"}
    assert not [row for row in services.keyring.rows() if row.state == "retired" and row.sealed_private]


def test_workers_that_look_at_once_rotate_once(
    app: Flask, services: Services, signing_keys: None, clock: FrozenClock
) -> None:
    clock.at = max(row.state_since for row in services.keyring.rows()) + services.settings.key_active_for
    rings = [Keyring(services.settings, clock, services.vault) for _ in range(6)]
    for ring in rings:
        ring.ring()  # each has read the same keys

    def look(ring: Keyring) -> None:
        with app.app_context():
            ring._rotate("ES256")

    with ThreadPoolExecutor(len(rings)) as pool:
        list(pool.map(look, rings))
    found = states(services)
    assert found["ES256", "active"] == found["ES256", "next"] == found["ES256", "retiring"] == 1


def test_what_is_due_of_a_key_is_not_due_of_the_one_that_took_its_place_meanwhile(
    app: Flask, services: Services, signing_keys: None, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Threads of one process share the ring: while this one rotates the first, another one rotates the second."""
    clock.at = max(row.state_since for row in services.keyring.rows()) + services.settings.key_active_for
    first, *_, second = services.keyring.calendar()
    rotated = services.keyring._rotate

    def beside_another(alg: str, seen: str | None = None) -> bool:
        if alg == first:
            rotated(second)
        return rotated(alg, seen)

    monkeypatch.setattr(services.keyring, "_rotate", beside_another)
    services.keyring.rotate_if_due()
    assert states(services)[first, "retiring"] == states(services)[second, "retiring"] == 1


def look_at_the_calendar(app: Flask, _: object, __: int) -> None:
    services: Services = app.extensions["connect"]
    with app.app_context():
        try:
            rotate_keys(services)
        finally:
            db.session.remove()


def test_of_workers_that_reach_the_planned_day_together_one_rotates_and_says_so(
    app: Flask, services: Services, signing_keys: None, environment: dict[str, str], clock: FrozenClock,
    instances: Instances,
) -> None:  # fmt: skip
    clock.at = max(row.state_since for row in services.keyring.rows())
    services.key_calendar.plan("ES256", swiss(clock.now()).date() + DAY)
    db.session.commit()
    clock.advance(DAY)
    instances.race(environment, clock.now(), look_at_the_calendar, [0, 1, 2], clients=6)
    found = states(services)
    assert found["ES256", "active"] == found["ES256", "next"] == found["ES256", "retiring"] == 1
    assert ("RS256", "retiring") not in found
    tags = [event.tag for event in db.session.scalars(select(AuditEvent).order_by(AuditEvent.id))]
    assert sorted(tags) == ["operator:signing_key:plan", "operator:signing_key:rotate"]


def test_the_next_key_takes_over_at_midnight_of_the_planned_day_and_then_by_age_again(
    app: Flask, services: Services, signing_keys: None, clock: FrozenClock
) -> None:
    clock.at = max(row.state_since for row in services.keyring.rows())
    by_age = services.keyring.calendar()
    day = swiss(clock.now()).date() + 10 * DAY
    assert services.key_calendar.plan(None, day) == sorted(ALGORITHMS)
    assert set(services.keyring.calendar().values()) == {datetime.combine(day, time(), SWISS_TIME)}
    clock.at = datetime.combine(day, time(), SWISS_TIME) - timedelta(seconds=1)
    rotate_keys(services)
    assert not [state for _, state in states(services) if state == "retiring"]
    clock.advance(timedelta(seconds=1))
    rotate_keys(services)
    assert {count for (_, state), count in states(services).items() if state == "retiring"} == {1}
    after = services.keyring.calendar()
    assert set(after.values()) == {clock.now() + services.settings.key_active_for}
    assert not [row for row in services.keyring.rows() if row.rotate_at is not None]
    assert set(by_age) == set(after)


def test_a_plan_is_moved_and_taken_back_and_days_that_cannot_be_are_refused(
    app: Flask, services: Services, signing_keys: None, clock: FrozenClock
) -> None:
    clock.at = max(row.state_since for row in services.keyring.rows())
    today, by_age = swiss(clock.now()).date(), services.keyring.calendar()
    for day in (today, today - DAY, today + 401 * DAY):
        with pytest.raises(BadInput):
            services.key_calendar.plan(None, day)
    services.key_calendar.plan("ES256", today + DAY)
    services.key_calendar.plan("ES256", today + 399 * DAY)
    clock.advance(services.settings.key_active_for)
    rotate_keys(services)
    assert ("ES256", "retiring") not in states(services), "later than by age, as somebody wanted"
    assert ("RS256", "retiring") in states(services)
    assert services.key_calendar.plan("ES256", None) == ["ES256"]
    assert services.keyring.calendar()["ES256"] == by_age["ES256"]


def test_no_plan_lets_a_key_sign_that_was_not_published_for_a_day(
    app: Flask, services: Services, signing_keys: None, clock: FrozenClock
) -> None:
    rotated_at = clock.at = max(row.state_since for row in services.keyring.rows()) + 2 * DAY
    services.keyring.rotate("ES256")
    services.key_calendar.plan("ES256", swiss(clock.now()).date() + DAY)
    (before,) = [row.kid for row in services.keyring.rows() if (row.alg, row.state) == ("ES256", "active")]
    for wait, is_moved in ((DAY - timedelta(seconds=1), False), (DAY, True)):
        clock.at = rotated_at + wait
        rotate_keys(services)
        active = services.keyring.ring().active("ES256")
        assert active is not None
        assert (active.kid != before) == is_moved


def test_what_is_due_of_one_key_is_not_due_of_the_next(
    app: Flask, services: Services, signing_keys: None, clock: FrozenClock
) -> None:
    """Another worker rotated between the look at the calendar and the move."""
    clock.at = max(row.state_since for row in services.keyring.rows())
    (seen,) = [row.kid for row in services.keyring.rows() if (row.alg, row.state) == ("ES256", "active")]
    assert services.keyring._rotate("ES256", seen)
    assert not services.keyring._rotate("ES256", seen)
    assert states(services)["ES256", "retiring"] == 1


def test_a_key_that_was_announced_today_is_told(
    app: Flask, services: Services, signing_keys: None, clock: FrozenClock
) -> None:
    clock.at = max(row.state_since for row in services.keyring.rows())
    assert services.keyring.announced_lately() == list(ALGORITHMS)
    assert services.keyring.announced_lately("ES256") == ["ES256"]
    clock.advance(DAY)
    assert services.keyring.announced_lately() == []


def test_keys_sealed_under_another_master_key_are_found(
    app: Flask, services: Services, signing_keys: None, environment: dict[str, str]
) -> None:
    assert services.keyring.unreadable() == []
    other = build_services(
        type(services.settings).from_environ({**environment, "CONNECT_MASTER_KEY": new_master_key()}),
        clock=services.clock,
    )
    assert len(other.keyring.unreadable()) == 2 * len(ALGORITHMS)


def test_nothing_is_rotated_before_there_are_keys(app: Flask, services: Services) -> None:
    rotate_keys(services)
    assert not states(services)


def ensure(app: Flask, _: object, __: int) -> None:
    services: Services = app.extensions["connect"]
    with app.app_context():
        services.keyring.ensure()


def test_processes_that_start_together_have_one_active_and_one_next_key_of_each_kind(
    app: Flask, services: Services, environment: dict[str, str], clock: FrozenClock, instances: Instances
) -> None:
    assert instances.race(environment, clock.now(), ensure, [None], clients=4) == [[None] * 4]
    assert states(services) == {(alg, state): 1 for alg in ALGORITHMS for state in ("active", "next")}


def rotate(app: Flask, _: object, __: int) -> None:
    services: Services = app.extensions["connect"]
    with app.app_context():
        services.keyring.rotate("ES256")


def test_first_rotations_at_once_make_one_key(
    app: Flask, services: Services, environment: dict[str, str], clock: FrozenClock, instances: Instances
) -> None:
    assert instances.race(environment, clock.now(), rotate, [None], clients=4) == [[None] * 4]
    assert states(services)["ES256", "active"] == 1
    assert states(services)["ES256", "next"] <= 1
