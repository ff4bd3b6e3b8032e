"""The leaking buckets of throttle.py that all instances share, in Redis. Nothing hangs on it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

import redis
import structlog
from redis.backoff import NoBackoff
from redis.retry import Retry

from idp.services.metrics import REDIS_LOST, REDIS_UP, Metrics

ANSWERS_WITHIN_S = 0.25
LATE_S = 2 * ANSWERS_WITHIN_S  # where a connection had to be made first
ASKED_AGAIN_AFTER_S = 1.0
ALIVE = "connect:alive"
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


class SharedBuckets:
    """The buckets in Redis. While it does not answer, one request a second finds out whether it does again, and none
    as long as another one still does: the name of a server may take long to look up.
    """

    def __init__(self, url: str, span_us: int, metrics: Metrics) -> None:
        self._span_us, self._metrics = span_us, metrics
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
        return self._ask(lambda: int(self._script(keys=[key], args=[now, step, self._span_us]))) or 0

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
