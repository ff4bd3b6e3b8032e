"""Volume limits per network, shared by all instances in Redis where there is one, and always counted here as well.

Guess counters do not belong here: they must survive a restart (services/attempts.py). The limit is a leaking bucket
(GCRA): an hour's events may come at once, afterwards they come free one by one, so that nobody waits long. Losing
Redis, or what it holds, opens nothing, for this process remembers what it let through; and nothing hangs on it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from enum import StrEnum
from typing import TypeVar

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from idp.clock import Clock
from idp.services.metrics import REDIS_LOST, REDIS_UP, VOLUME_REFUSED, Metrics
from idp.settings import Settings
from keys import Vault

SPAN_US = 3_600_000_000  # an hour, in microseconds
ANSWERS_WITHIN_S = 0.25
LATE_S = 2 * ANSWERS_WITHIN_S  # where a connection had to be made first
ASKED_AGAIN_AFTER_S = 1.0
ALIVE = "connect:alive"
MOST_SUBJECTS = 50_000  # in memory; the emptiest buckets are forgotten first
# What the two stores keep is when the bucket will be empty. The script answers how long to wait, 0 when it counted.
SCRIPT = """
local now, step, span = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local empty = math.max(tonumber(redis.call('GET', KEYS[1]) or '0'), now) + step
if empty - now > span then return empty - now - span end
redis.call('SET', KEYS[1], string.format('%.0f', empty), 'PX', math.ceil((empty - now) / 1000))
return 0
"""

Answer = TypeVar("Answer")
log = structlog.get_logger(__name__)


class Volume(StrEnum):
    """What is counted."""

    SIGN_INS = "sign_ins"
    LETTER_CODES = "letter_codes"
    SENDS = "sends"
    IMPORTS = "imports"
    API_CALLS = "api_calls"  # per client of the API


class Throttle:
    def __init__(self, settings: Settings, clock: Clock, vault: Vault, metrics: Metrics) -> None:
        self._settings = settings
        self._clock = clock
        self._vault = vault
        self._memory = _Memory()
        self._metrics = metrics
        self._shared = _Shared(settings.redis_url.get_secret_value(), metrics) if settings.redis_url else None

    def spend(self, volume: Volume, network: str) -> datetime | None:
        """Count one event of a network; or, when it has had its share, the moment at which the next may come."""
        now = self._clock.now()
        key = f"connect:volume:{volume}:{self._vault.mac('volume', network)}"  # addresses are personal data
        moment, step = int(now.timestamp() * 1_000_000), max(1, SPAN_US // self._per_hour(volume))
        wait = self._shared.spend(key, moment, step) if self._shared else 0
        wait = wait or self._memory.spend(key, moment, step)
        if not wait:
            return None
        self._metrics.count(VOLUME_REFUSED, volume.value)
        return now + timedelta(microseconds=wait)

    def redis_state(self) -> str:
        """ok, lost, or none where there is no Redis."""
        return self._shared.state() if self._shared else "none"

    def _per_hour(self, volume: Volume) -> int:
        settings = self._settings
        return {
            Volume.SIGN_INS: settings.sign_ins_per_hour,
            Volume.LETTER_CODES: settings.letter_codes_per_hour,
            Volume.SENDS: settings.sends_per_hour,
            Volume.IMPORTS: settings.imports_per_hour,
            Volume.API_CALLS: settings.api_calls_per_hour,
        }[volume]


class _Memory:
    """The buckets of this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._empty_at: dict[str, int] = {}

    def spend(self, key: str, now: int, step: int) -> int:
        with self._lock:
            empty = max(self._empty_at.get(key, 0), now) + step
            if empty - now > SPAN_US:
                return empty - now - SPAN_US
            if len(self._empty_at) >= MOST_SUBJECTS:
                self._forget(now)
            self._empty_at[key] = empty
            return 0

    def _forget(self, now: int) -> None:
        fullest = sorted(self._empty_at.items(), key=lambda item: item[1])[MOST_SUBJECTS // 10 :]
        self._empty_at = {key: empty for key, empty in fullest if empty > now}


class _Shared:
    """The buckets in Redis. While it does not answer, one request a second finds out whether it does again, and none
    as long as another one still does: the name of a server may take long to look up.
    """

    def __init__(self, url: str, metrics: Metrics) -> None:
        self._metrics = metrics
        self._client = client = redis.Redis.from_url(
            url,
            socket_timeout=ANSWERS_WITHIN_S,
            socket_connect_timeout=ANSWERS_WITHIN_S,
            retry=Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),  # a connection that was cut
        )
        self._script: Callable[..., int] = client.register_script(SCRIPT)
        self._lock = threading.Lock()
        self._is_lost: bool | None = None  # until it was asked first
        self._is_looked_for = False
        self._ask_at = 0.0

    def spend(self, key: str, now: int, step: int) -> int:
        """How long to wait; 0 when it was counted, or when Redis does not say."""
        return self._ask(lambda: int(self._script(keys=[key], args=[now, step, SPAN_US]))) or 0

    def state(self) -> str:
        """Asked like everything else: while it is lost, once a second at most. It must take something, for one whose
        memory is full still answers.
        """
        self._ask(lambda: self._client.set(ALIVE, 1, px=1000))
        return "lost" if self._is_lost else "ok"

    def _ask(self, ask: Callable[[], Answer]) -> Answer | None:
        if not self._is_asked():
            return None
        began = time.monotonic()
        try:
            answer = ask()
        except (redis.RedisError, OSError, ValueError) as error:  # a name with no address, an answer that is none
            self._lose(error)
            return None
        if time.monotonic() - began > LATE_S:  # in time piece by piece, and too long for whoever waits for it
            self._lose(TimeoutError())
        else:
            self._find()
        return answer

    def _find(self) -> None:
        with self._lock:
            was_lost, self._is_lost, self._is_looked_for = self._is_lost, False, False
            if was_lost is not False:
                self._metrics.put(REDIS_UP, 1)
        if was_lost:
            log.info("redis_back")

    def _is_asked(self) -> bool:
        with self._lock:
            if self._is_lost and (self._is_looked_for or time.monotonic() < self._ask_at):
                return False
            self._is_looked_for = bool(self._is_lost)
            return True

    def _lose(self, error: Exception) -> None:
        with self._lock:
            is_first, self._is_lost, self._is_looked_for = not self._is_lost, True, False
            self._ask_at = time.monotonic() + ASKED_AGAIN_AFTER_S
        if is_first:
            self._metrics.put(REDIS_UP, 0)
            self._metrics.count(REDIS_LOST)
            log.warning("redis_lost", error=type(error).__name__, state="counted in this process")
