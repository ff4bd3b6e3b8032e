"""Volume limits: shared through a real Redis, kept in memory without one, and never opened by its loss."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import redis
from structlog.testing import capture_logs

from idp.clock import FrozenClock
from idp.services.metrics import Metrics
from idp.services.shared_buckets import ASKED_AGAIN_AFTER_S
from idp.services.throttle import Throttle, Volume
from idp.settings import Settings
from keys import Vault
from tests.support.servers import start_redis
from tests.support.waiting import wait_until

LIMIT = 10
HOME, OTHER = "192.0.2.1", "2001:db8::/64"
Make = Callable[..., Throttle]


@pytest.fixture
def make(environment: dict[str, str], clock: FrozenClock) -> Make:
    """Throttles of one installation; each is what one process has."""

    def make(**changes: str) -> Throttle:
        given = {f"CONNECT_{volume.upper()}_PER_HOUR": str(LIMIT) for volume in Volume}
        given |= {f"CONNECT_{name.upper()}": value for name, value in changes.items()}
        return Throttle(Settings.from_environ({**environment, **given}), clock, Vault(b"k" * 32), Metrics(None))

    return make


@dataclass
class OwnRedis:
    """A server of this test alone, which it may mistreat."""

    folder: Path
    process: subprocess.Popen[bytes]
    port: int

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    def stop(self) -> None:
        self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(10)

    def start(self) -> None:
        self.process, _ = start_redis(self.folder, self.port)

    def freeze(self) -> None:
        os.kill(self.process.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        os.kill(self.process.pid, signal.SIGCONT)

    def empty(self) -> None:
        with redis.Redis(port=self.port) as client:
            client.flushall()

    def keys(self) -> list[str]:
        with redis.Redis(port=self.port, decode_responses=True) as client:
            return sorted(client.keys())


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[OwnRedis]:
    server = OwnRedis(tmp_path, *start_redis(tmp_path))
    yield server
    server.stop()


@pytest.fixture(params=["memory", "redis"])
def store(request: pytest.FixtureRequest) -> dict[str, str]:
    return {"redis_url": request.getfixturevalue("own_redis").url} if request.param == "redis" else {}


def allowed(throttle: Throttle, tries: int, network: str = HOME, volume: Volume = Volume.SIGN_INS) -> int:
    return sum(throttle.spend(volume, network) is None for _ in range(tries))


def test_an_hours_share_may_come_at_once_and_then_one_after_the_other(
    make: Make, store: dict[str, str], clock: FrozenClock
) -> None:
    throttle = make(**store)
    assert allowed(throttle, 30) == LIMIT
    assert throttle.spend(Volume.SIGN_INS, HOME) == clock.now() + timedelta(minutes=6)
    clock.advance(timedelta(minutes=6))
    assert allowed(throttle, 5) == 1
    clock.advance(timedelta(minutes=5, seconds=59))
    assert throttle.spend(Volume.SIGN_INS, HOME) == clock.now() + timedelta(seconds=1)
    clock.advance(timedelta(hours=2))
    assert allowed(throttle, 30) == LIMIT


def test_networks_and_volumes_are_counted_apart(make: Make, store: dict[str, str]) -> None:
    throttle = make(**store)
    assert allowed(throttle, 30) == LIMIT
    assert allowed(throttle, 30, OTHER) == LIMIT
    assert allowed(throttle, 30, HOME, Volume.SENDS) == LIMIT


def test_many_threads_get_no_more(make: Make, store: dict[str, str]) -> None:
    throttle = make(**store)
    with ThreadPoolExecutor(32) as pool:
        found = Counter(pool.map(lambda _: throttle.spend(Volume.SIGN_INS, HOME) is None, range(500)))
    assert found == {True: LIMIT, False: 490}


def test_instances_share_one_count_and_redis_holds_no_address(make: Make, own_redis: OwnRedis) -> None:
    one, two = make(redis_url=own_redis.url), make(redis_url=own_redis.url)
    assert allowed(one, 6) + allowed(two, 6) == LIMIT
    (key,) = own_redis.keys()
    assert key.startswith("connect:volume:sign_ins:")
    assert HOME not in key


def test_what_is_counted_goes_by_itself(make: Make, own_redis: OwnRedis) -> None:
    make(redis_url=own_redis.url).spend(Volume.SIGN_INS, HOME)
    with redis.Redis(port=own_redis.port) as client:
        left = client.pttl(own_redis.keys()[0])
    assert 0 < left <= 6 * 60 * 1000


@pytest.mark.parametrize("harm", [OwnRedis.stop, OwnRedis.freeze, OwnRedis.empty])
def test_losing_redis_gives_nothing_back_and_holds_nothing_up(
    make: Make, own_redis: OwnRedis, harm: Callable[[OwnRedis], None]
) -> None:
    throttle = make(redis_url=own_redis.url)
    assert allowed(throttle, LIMIT) == LIMIT
    harm(own_redis)
    started = time.monotonic()
    assert allowed(throttle, 50) == 0
    assert time.monotonic() - started < 2


def test_a_frozen_redis_costs_one_of_many_requests_a_moment(make: Make, own_redis: OwnRedis) -> None:
    throttle = make(redis_url=own_redis.url)
    throttle.spend(Volume.SIGN_INS, HOME)
    own_redis.freeze()
    spans = []
    for _ in range(50):
        started = time.monotonic()
        throttle.spend(Volume.SIGN_INS, OTHER)
        spans.append(time.monotonic() - started)
    assert sum(span > 0.1 for span in spans) == 1
    assert max(spans) < 0.6


def test_the_loss_and_the_return_are_logged_once(make: Make, own_redis: OwnRedis) -> None:
    throttle = make(redis_url=own_redis.url)
    throttle.spend(Volume.SIGN_INS, HOME)
    own_redis.stop()
    with capture_logs() as lines:
        for _ in range(3):
            allowed(throttle, 3)
            time.sleep(ASKED_AGAIN_AFTER_S)  # it is asked again, in vain
        own_redis.start()
        wait_until(lambda: throttle.spend(Volume.SENDS, OTHER) is None and bool(own_redis.keys()))
        allowed(throttle, 3)
    assert [line["event"] for line in lines] == ["redis_lost", "redis_back"]
    assert "127.0.0.1" not in str(lines)


def test_a_redis_that_refuses_counts_as_lost(make: Make, own_redis: OwnRedis) -> None:
    with redis.Redis(port=own_redis.port) as client:
        client.config_set("maxmemory", "1")
    throttle = make(redis_url=own_redis.url)
    assert allowed(throttle, 30) == LIMIT
    time.sleep(ASKED_AGAIN_AFTER_S)
    assert throttle.redis_state() == "lost"  # though it answers


def test_memory_stays_bounded_under_a_flood_of_addresses(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("idp.services.throttle.MOST_SUBJECTS", 100)
    throttle = make()
    assert allowed(throttle, 30) == LIMIT
    for at in range(1000):
        assert throttle.spend(Volume.SIGN_INS, f"2001:db8:0:{at:x}::/64") is None
    assert len(throttle._memory._empty_at) <= 100
    assert allowed(throttle, 30) == 0  # the fullest bucket is remembered


def test_a_test_environment_may_set_the_limits_high(make: Make) -> None:
    assert allowed(make(sign_ins_per_hour="1000000000"), 5000) == 5000
