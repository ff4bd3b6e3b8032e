"""Guess counters: one row per subject, spent by one conditional UPDATE *before* the guess is judged, kept on refusal.

NIST SP 800-63B-4 §3.2.2 asks for a limit of consecutive failures per authenticator. Counters live in the database,
so a fresh session, another browser or another process never resets them, and 500 parallel guesses cannot pass it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import case, delete, or_, update

from idp.clock import Clock
from idp.models.base import db, insert_if_absent, write
from idp.models.flow import AttemptCounter
from keys import Vault

FORGOTTEN_AFTER = timedelta(hours=24)
FOREVER = timedelta(days=36_500)


@dataclass(frozen=True)
class Budget:
    """`waits` maps the number of failures to the wait that follows it; the last one follows every later failure.

    `hard_limit` is the number of consecutive failures after which only rebinding helps; None means waits only.
    """

    kind: str
    waits: tuple[tuple[int, timedelta], ...]
    hard_limit: int | None = None


LETTER_CODE = Budget("letter_code", ((5, timedelta(minutes=15)),))
SECOND_ITEM = Budget("second_item", ((5, timedelta(minutes=15)),))
MAIL_CODE = Budget("mail_code", ((5, timedelta(minutes=15)),))
PASSWORD = Budget("password", ((5, timedelta(minutes=1)), (8, timedelta(minutes=15))), hard_limit=100)
SMS_CODE = Budget("sms_code", ((5, timedelta(minutes=15)),), hard_limit=50)
DEVICE_CODE = Budget("device_code", ((5, timedelta(minutes=15)),))
APP_CODE = Budget("app_code", ((5, timedelta(minutes=1)), (8, timedelta(minutes=15))), hard_limit=50)


@dataclass(frozen=True)
class Refused:
    """No guess may be judged before `until`."""

    until: datetime


class Attempts:
    def __init__(self, clock: Clock, vault: Vault) -> None:
        self._clock = clock
        self._vault = vault

    def spend(self, budget: Budget, *subjects: str) -> Refused | None:
        """Pay for one guess on every subject, committed at once; None when it may be judged."""
        now = self._clock.now()
        for subject in subjects:
            if refused := self._spend_one(budget, self._key(budget, subject), now):
                return refused
        return None

    def blocked_until(self, budget: Budget, *subjects: str) -> datetime | None:
        """When guessing is open again, if it is closed now; spends nothing."""
        now = self._clock.now()
        for subject in subjects:
            row = db.session.get(AttemptCounter, self._key(budget, subject), populate_existing=True)
            if row is not None and row.blocked_until is not None and row.blocked_until > now:
                return row.blocked_until
        return None

    def forgive(self, budget: Budget, *subjects: str) -> None:
        """The guess was right: the count starts again."""
        keys = [self._key(budget, subject) for subject in subjects]
        db.session.execute(delete(AttemptCounter).where(AttemptCounter.subject.in_(keys)))

    def _key(self, budget: Budget, subject: str) -> str:
        return f"{budget.kind}:{self._vault.mac('attempt', subject)}"

    def _spend_one(self, budget: Budget, subject: str, now: datetime) -> Refused | None:
        insert_if_absent(AttemptCounter, subject=subject, spent=0, streak=0, last_at=now)
        stale = AttemptCounter.last_at < now - FORGOTTEN_AFTER
        spent = case((stale, 1), else_=AttemptCounter.spent + 1)
        streak = AttemptCounter.streak + 1
        waits = [(spent == count, now + wait) for count, wait in budget.waits[:-1]]
        last_count, last_wait = budget.waits[-1]
        waits.append((spent >= last_count, now + last_wait))
        if budget.hard_limit is not None:
            waits.insert(0, (streak >= budget.hard_limit, now + FOREVER))
        done = write(
            update(AttemptCounter)
            .where(
                AttemptCounter.subject == subject,
                or_(AttemptCounter.blocked_until.is_(None), AttemptCounter.blocked_until <= now),
            )
            .values(spent=spent, streak=streak, last_at=now, blocked_until=case(*waits, else_=None))
            .execution_options(synchronize_session=False)
        )
        db.session.commit()
        if done == 1:
            return None
        row = db.session.get(AttemptCounter, subject, populate_existing=True)
        return Refused(row.blocked_until if row is not None and row.blocked_until is not None else now)
