"""Planning the day on which the next signing keys take over, by the console or by the command line."""

from __future__ import annotations

import json
from datetime import date, datetime, time, timedelta
from uuid import UUID

from idp.clock import SWISS_TIME, Clock, swiss
from idp.errors import BadInput
from idp.services.audit import Audit, AuditTag
from idp.services.keyring import Keyring

LONGEST = timedelta(days=400)  # as the longest that a key may sign, CONNECT_KEY_ACTIVE_FOR


class KeyCalendar:
    def __init__(self, clock: Clock, keyring: Keyring, audit: Audit) -> None:
        self._clock = clock
        self._keyring = keyring
        self._audit = audit

    def fault(self, day: date) -> str | None:
        """Why the keys cannot be rotated on this day: it is `past`, or too `far`."""
        now = self._clock.now()
        if day <= swiss(now).date():
            return "past"
        return "far" if _beginning(day) > now + LONGEST else None

    def plan(self, alg: str | None, day: date | None, by: UUID | None = None) -> list[str]:
        """Rotate at the beginning of this day; without one, when the keys have signed long enough. The algorithms that
        it counts for. Raises `BadInput` for a day that has a fault.
        """
        if day is not None and (fault := self.fault(day)):
            raise BadInput(f"the day must be after today and at most {LONGEST.days} days away ({fault})")
        before = self._keyring.calendar()
        algs = self._keyring.plan(alg, _beginning(day) if day else None)
        if algs:
            self._audit.record(
                AuditTag.KEY_PLANNED, account=by, before=json.dumps(_days(before, algs)),
                after=json.dumps(dict.fromkeys(algs, day.isoformat() if day else "CONNECT_KEY_ACTIVE_FOR")),
            )  # fmt: skip
        return algs


def _beginning(day: date) -> datetime:
    """Midnight in Switzerland, when few sign in."""
    return datetime.combine(day, time(), SWISS_TIME)


def _days(calendar: dict[str, datetime], algs: list[str]) -> dict[str, str]:
    return {alg: swiss(calendar[alg]).date().isoformat() for alg in algs if alg in calendar}
