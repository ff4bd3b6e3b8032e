"""Volume limits per network, shared by all instances in Redis where there is one, and always counted here as well.

Guess counters do not belong here: they must survive a restart (services/attempts.py). The limit is a leaking bucket
(GCRA): an hour's events may come at once, afterwards they come free one by one, so that nobody waits long. Losing
Redis, or what it holds, opens nothing, for this process remembers what it let through; and nothing hangs on it.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from enum import StrEnum

from idp.clock import Clock
from idp.services.metrics import VOLUME_REFUSED, Metrics
from idp.settings import Settings
from keys import Vault

SPAN_US = 3_600_000_000  # an hour, in microseconds
MOST_SUBJECTS = 50_000  # in memory; the emptiest buckets are forgotten first


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
        self._shared = None
        if settings.redis_url:
            from idp.services.shared_buckets import SharedBuckets  # its driver is loaded where there is one

            self._shared = SharedBuckets(settings.redis_url.get_secret_value(), SPAN_US, metrics)

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
