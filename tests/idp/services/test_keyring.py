"""Signing keys follow the calendar, each algorithm on its own, also when several workers look at it at once."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
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
