"""Volume limits per network, mailbox or number, on the `limits` library: in Redis when configured, else in memory."""

from __future__ import annotations

from datetime import timedelta

from limits import RateLimitItemPerSecond
from limits.storage import storage_from_string
from limits.strategies import SlidingWindowCounterRateLimiter

from idp.settings import Settings


class Throttle:
    """Guess counters do not belong here: they must survive a restart (services/attempts.py)."""

    def __init__(self, settings: Settings) -> None:
        url = settings.redis_url.get_secret_value() if settings.redis_url else "memory://"
        self._limiter = SlidingWindowCounterRateLimiter(storage_from_string(url))

    def allow(self, bucket: str, subject: str, *, limit: int, per: timedelta) -> bool:
        """Count one event; False when more than `limit` came within `per`. An outage of the store raises: closed."""
        return self._limiter.hit(RateLimitItemPerSecond(limit, int(per.total_seconds()), bucket), subject)
