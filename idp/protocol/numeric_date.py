"""NumericDate (RFC 7519 §2): the seconds in a token as a moment, whatever a stranger wrote there."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

SKEW = timedelta(seconds=10)  # FAPI 2.0 Security Profile §5.3.2.1: clocks may differ by this much


def read(value: object) -> datetime | None:
    """None for what is no number of seconds of our times."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**33:
        return None
    return datetime.fromtimestamp(value, UTC)


def is_past(value: object, now: datetime) -> bool:
    """Whether it has come, by the slower of two clocks."""
    moment = read(value)
    return moment is not None and moment <= now + SKEW


def is_in_force(claims: Mapping[str, Any], now: datetime) -> bool:
    """Whether `nbf` has come and `exp` has not passed, as far as they are there (RFC 7519 §4.1.4 and §4.1.5)."""
    expires_at = read(claims["exp"]) if "exp" in claims else now
    return expires_at is not None and expires_at > now - SKEW and is_past(claims.get("nbf", now.timestamp()), now)
