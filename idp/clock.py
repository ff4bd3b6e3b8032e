"""The only caller of the wall clock. Everything that asks for the time is handed a `Clock`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo

SWISS_TIME = ZoneInfo("Europe/Zurich")


class Clock(Protocol):
    def now(self) -> datetime:
        """The present moment, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)  # noqa: TID251 - this is the door


@dataclass
class FrozenClock:
    """A clock that moves only when told to; for tests and for the demo's time travel."""

    at: datetime

    def now(self) -> datetime:
        return self.at

    def advance(self, span: timedelta) -> None:
        self.at += span


def swiss(moment: datetime) -> datetime:
    """The same moment on a Swiss clock, as persons read it."""
    return moment.astimezone(SWISS_TIME)
