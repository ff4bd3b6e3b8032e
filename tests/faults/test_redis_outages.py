"""R-03, T-13: Redis stops, stands still, is full, slow or cut off, and comes back empty: every sign-in works all along.

What guesses cost is counted in the database, what networks take in the process too: nothing opens, and nothing waits.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from structlog.testing import capture_logs

from idp.clock import FrozenClock
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.shared_buckets import ASKED_AGAIN_AFTER_S
from idp.services.throttle import Volume
from tests.actions import register, sign_in
from tests.support.bad_line import BadLine
from tests.support.figures import asked, counting
from tests.support.fragile import OwnRedis
from tests.support.person import ISSUER, Person
from tests.support.waiting import wait_until

pytestmark = pytest.mark.sqlite_only
LETTER_CODES = 5  # an hour
NETWORK = "192.0.2.1"
EMAIL = "helene@example.ch"
LONGEST_S = 5.0  # for a whole sign-in, of which one answer may look for Redis
GUESSES = 11
FULL_SIZE_S = 30


@dataclass
class Place:
    redis: OwnRedis
    line: BadLine


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    redis = OwnRedis(tmp_path)
    with BadLine(redis.port) as line:
        yield Place(redis, line)
    redis.stop()


@pytest.fixture
def environment(environment: dict[str, str], place: Place, tmp_path: Path) -> dict[str, str]:
    limits = {"CONNECT_LETTER_CODES_PER_HOUR": str(LETTER_CODES), "CONNECT_SIGN_INS_PER_HOUR": "1000000"}
    return {**environment, **counting(tmp_path), **limits, "CONNECT_REDIS_URL": place.redis.url(place.line.port)}


FAULTS: dict[str, Callable[[Place], AbstractContextManager[None]]] = {
    "stopped": lambda place: place.redis.stopped(),
    "standing still": lambda place: place.redis.frozen(),
    "full": lambda place: place.redis.out_of_memory(),
    "cut off": lambda place: place.line.cut(),
    "slow": lambda place: place.line.bad(delay_s=0.3),
    "dripping": lambda place: place.line.bad(drip_s=0.2),
}


def state(web: Flask) -> tuple[int, str, float]:
    """What the readiness and the figures say of Redis."""
    ready = web.test_client().get("/readyz", base_url=ISSUER)
    return ready.status_code, ready.get_json()["redis"], asked(web).of("connect_redis_up")


def sign_in_again(web: Flask, clock: FrozenClock, after: timedelta = timedelta(minutes=2)) -> float:
    """How long it took, on a later moment when another SMS may be sent."""
    clock.advance(after)
    person, began = Person(web), time.monotonic()
    person.open("/cpx/login")
    sign_in(person)
    return time.monotonic() - began


def used_up(services: Services) -> bool:
    return services.throttle.spend(Volume.LETTER_CODES, NETWORK) is not None


@pytest.mark.parametrize("fault", FAULTS)
def test_sign_ins_go_on_and_nothing_opens(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock, place: Place, fault: str
) -> None:
    owner = register(web, services, portal)
    assert state(web) == (200, "ok", 1)
    for _ in range(LETTER_CODES):
        assert not used_up(services)
    with capture_logs() as lines:
        with FAULTS[fault](place):
            assert used_up(services)
            first = sign_in_again(web, clock)
            rest = [sign_in_again(web, clock) for _ in range(5)]
            assert first < LONGEST_S
            assert sum(rest) < LONGEST_S
            assert state(web) == (200, "lost", 0)
            services.throttle.spend(Volume.LETTER_CODES, "198.51.100.7")
            assert state(web) == (200, "lost", 0)
            owner.open("/account")
            assert owner.page.status_code == 200
            assert is_locked_after_guesses(web)
        wait_until(lambda: state(web) == (200, "ok", 1), 5 * ASKED_AGAIN_AFTER_S)
    said = [line["event"] for line in lines if line["event"].startswith("redis")]
    assert said == ["redis_lost", "redis_back"]
    assert sum(not used_up(services) for _ in range(LETTER_CODES)) == 1  # the minutes gave that back, a restart nothing
    assert sign_in_again(web, clock) < LONGEST_S


def is_locked_after_guesses(web: Flask) -> bool:
    """The database counts them."""
    guesser = Person(web)
    guesser.open("/cpx/login")
    for guess in range(GUESSES):
        guesser.submit(email="somebody@example.ch", password=f"wrong {guess}")
    return "réinitialisez votre mot de passe" in guesser.text


@pytest.mark.long
@pytest.mark.parametrize("fault", FAULTS)
def test_no_sign_in_fails_or_waits_while_it_lasts(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock, place: Place, fault: str
) -> None:
    register(web, services, portal)
    ends_at = time.monotonic() + FULL_SIZE_S
    with FAULTS[fault](place):
        took = []
        while time.monotonic() < ends_at:
            took.append(sign_in_again(web, clock, timedelta(hours=3)))
    assert len(took) > FULL_SIZE_S
    assert max(took) < LONGEST_S
    wait_until(lambda: state(web) == (200, "ok", 1), 5 * ASKED_AGAIN_AFTER_S)
