"""Guess counters: one row per subject, spent by one conditional write *before* the guess is judged, kept on refusal.

NIST SP 800-63B-4 §3.2.2 asks for a limit of consecutive failures per authenticator. Counters live in the database,
so a fresh session, another browser or another process never resets them, and 500 parallel guesses cannot pass it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import ColumnElement, String, and_, bindparam, case, delete, literal, or_, select, update

from idp.clock import Clock
from idp.models.base import UTCDateTime, db, insert_or_update
from idp.models.disk import without_waiting
from idp.models.flow import AttemptCounter
from idp.models.prepared import Prepared
from idp.models.units import keep
from keys import Vault

FORGOTTEN_AFTER = timedelta(hours=24)
STREAK_FORGOTTEN_AFTER = timedelta(days=400)
FOREVER = timedelta(days=36_500)
LOCK = timedelta(minutes=15)  # a wait this long ends the journeys that are going on; a shorter one is a pause


@dataclass(frozen=True)
class Budget:
    """`waits` maps the number of failures to the wait that follows it; the last one follows every later failure.

    `hard_limit` is the number of consecutive failures after which only rebinding helps; None means waits only. The
    first failure is never followed by anything.
    """

    kind: str
    waits: tuple[tuple[int, timedelta], ...]
    hard_limit: int | None = None

    def __post_init__(self) -> None:
        if min(self.hard_limit or 2, *(count for count, _ in self.waits)) < 2:
            raise ValueError("a budget of one guess")


KEY, NOW = bindparam("key", type_=String()), bindparam("now", type_=UTCDateTime())
FORGIVE = Prepared(delete(AttemptCounter).where(AttemptCounter.subject == KEY))
LETTER_CODE = Budget("letter_code", ((5, timedelta(minutes=15)),))
SECOND_ITEM = Budget("second_item", ((5, timedelta(minutes=15)),))
MAIL_CODE = Budget("mail_code", ((5, timedelta(minutes=15)),))
MAIL_CODES = Budget("mail_codes", ((20, timedelta(minutes=30)),))  # at one address in all walks, 68 in a day at most
PASSWORD = Budget("password", ((5, timedelta(minutes=1)), (8, timedelta(minutes=15))), hard_limit=100)
SMS_CODE = Budget("sms_code", ((5, timedelta(minutes=15)),), hard_limit=50)
RECOVERY_CODE = Budget("recovery_code", ((5, timedelta(minutes=15)),), hard_limit=50)
RECOVERY_LETTER = Budget("recovery_letter", ((5, timedelta(minutes=15)),), hard_limit=50)
DEVICE_CODE = Budget("device_code", ((5, timedelta(minutes=15)),))
APP_CODE = Budget("app_code", ((5, timedelta(minutes=1)), (8, timedelta(minutes=15))), hard_limit=50)


@dataclass(frozen=True)
class Refused:
    """No guess may be judged before `until`."""

    until: datetime
    is_lock: bool = False
    is_for_good: bool = False  # only rebinding or the service desk helps

    @classmethod
    def between(cls, last_at: datetime, until: datetime) -> Refused:
        """What follows the guess of `last_at`: a pause, a lock, or the end of guessing."""
        return cls(until, until - last_at >= LOCK, until - last_at >= FOREVER)


@dataclass(frozen=True)
class Paid:
    """The guess may be judged. If it is wrong, a lock begins that the person should hear of, once."""

    begins_lock: bool


class Attempts:
    def __init__(self, clock: Clock, vault: Vault) -> None:
        self._clock = clock
        self._vault = vault

    def spend(self, budget: Budget, subject: str) -> Refused | None:
        """Pay for one guess, committed at once; None when it may be judged."""
        paid = self.pay(budget, subject)
        return paid if isinstance(paid, Refused) else None

    def pay(self, budget: Budget, subject: str) -> Paid | Refused:
        """The same, for whoever wants to know that a lock begins."""
        return self._pay(_pay(budget, db.engine.dialect.name), budget, subject)

    def pay_before(self, budget: Budget, subject: str) -> Paid | Refused:
        """The same, where another commit waits for the disk before anybody is answered, and so for this one too."""
        dialect = db.engine.dialect.name
        return self._pay((_pay_unhurried if dialect == "postgresql" else _pay)(budget, dialect), budget, subject)

    def _pay(self, statement: Prepared, budget: Budget, subject: str) -> Paid | Refused:
        now = self._clock.now()
        ends = {name: now + wait for name, wait in _waits(budget).items()}
        found = statement.first(key=self._key(budget, subject), now=now, forgotten=now - FORGOTTEN_AFTER, **ends)
        keep()
        if found is not None:
            return Paid(begins_lock=found.spent == next((count for count, wait in budget.waits if wait >= LOCK), None))
        return self.refusal(budget, subject) or Refused(now)

    def refusal(self, budget: Budget, subject: str) -> Refused | None:
        """Whether guessing is closed now; spends nothing."""
        row = db.session.get(AttemptCounter, self._key(budget, subject), populate_existing=True)
        if row is None or row.blocked_until is None or row.blocked_until <= self._clock.now():
            return None
        return Refused.between(row.last_at, row.blocked_until)

    def refusals_of_all(self, subjects: Sequence[tuple[Budget, str]]) -> dict[tuple[str, str], Refused]:
        """Whether guessing is closed for many subjects, by kind and subject; who may guess is left out."""
        hashed = {subject: self._vault.mac("attempt", subject) for subject in {subject for _, subject in subjects}}
        keys = {f"{budget.kind}:{hashed[subject]}": (budget.kind, subject) for budget, subject in subjects}
        if not keys:
            return {}
        asked = {f"key_{at}": key for at, key in enumerate(keys)}
        rows = _locked(len(asked)).all(now=self._clock.now(), **asked)
        return {keys[row.subject]: Refused.between(row.last_at, row.blocked_until) for row in rows}

    def queue(self, subject: str) -> None:
        """Wait for one's turn: until this transaction ends, nobody else passes here for this subject."""
        key, now = f"queue:{self._vault.mac('attempt', subject)}", self._clock.now()
        _queue(db.engine.dialect.name).count(key=key, now=now)

    def forgive(self, budget: Budget, subject: str) -> None:
        """The guess was right: the count starts again."""
        FORGIVE.count(key=self._key(budget, subject))

    def give_back(self, budget: Budget, subject: str) -> None:
        """The guess was right, but proves nothing of those before it: only its own price is returned."""
        db.session.execute(
            update(AttemptCounter)
            .where(AttemptCounter.subject == self._key(budget, subject), AttemptCounter.spent > 0)
            .values(spent=AttemptCounter.spent - 1, blocked_until=None)
            .execution_options(synchronize_session=False)
        )

    def _key(self, budget: Budget, subject: str) -> str:
        return f"{budget.kind}:{self._vault.mac('attempt', subject)}"


def say_nothing(now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Counters that may go. A streak of failures is kept until a right guess ends it, or until nobody has guessed for
    400 days: most are of addresses that have no account. Whoever reached the hard limit stays locked for good.
    """
    is_open = or_(AttemptCounter.blocked_until.is_(None), AttemptCounter.blocked_until <= now)
    return (
        and_(AttemptCounter.last_at < now - FORGOTTEN_AFTER, AttemptCounter.streak == 0, is_open),
        and_(AttemptCounter.last_at < now - STREAK_FORGOTTEN_AFTER, AttemptCounter.streak > 0, is_open),
    )


def _waits(budget: Budget) -> dict[str, timedelta]:
    """What may follow a failure, by the name that its end has in the statement that pays."""
    waits = {f"wait_{count}": wait for count, wait in budget.waits}
    return waits if budget.hard_limit is None else {**waits, "for_good": FOREVER}


@cache
def _pay(budget: Budget, dialect: str) -> Prepared:
    return Prepared(_counted(budget, dialect))


@cache
def _pay_unhurried(budget: Budget, dialect: str) -> Prepared:
    return Prepared(without_waiting(_counted(budget, dialect)))


def _counted(budget: Budget, dialect: str) -> Any:
    """The counts and when the next guess may come, in the one statement that meets only whoever may guess."""
    stale = AttemptCounter.last_at < bindparam("forgotten", type_=UTCDateTime())
    spent = case((stale, 1), else_=AttemptCounter.spent + 1)
    one = 0 if budget.hard_limit is None else 1
    streak = AttemptCounter.streak + one
    statement = insert_or_update(
        AttemptCounter,
        dialect,
        {"subject": KEY, "spent": literal(1), "streak": literal(one), "last_at": NOW},
        {"spent": spent, "streak": streak, "last_at": NOW, "blocked_until": _wait_after(budget, spent, streak)},
        where=or_(AttemptCounter.blocked_until.is_(None), AttemptCounter.blocked_until <= NOW),
    )
    return statement.returning(AttemptCounter.spent)


@cache
def _queue(dialect: str) -> Prepared:
    first = {"subject": KEY, "spent": literal(0), "streak": literal(0), "last_at": NOW}
    return Prepared(insert_or_update(AttemptCounter, dialect, first, {"last_at": NOW}))


@lru_cache(maxsize=32)  # a walk asks for few; a page of a list for as many as it shows
def _locked(subjects: int) -> Prepared:
    until, asked = AttemptCounter.blocked_until, [bindparam(f"key_{at}", type_=String()) for at in range(subjects)]
    columns = AttemptCounter.subject, AttemptCounter.last_at, until
    return Prepared(select(*columns).where(AttemptCounter.subject.in_(asked), until > NOW))


def _wait_after(
    budget: Budget, spent: ColumnElement[int], streak: ColumnElement[int]
) -> ColumnElement[datetime | None]:
    """When the next guess may come, as one expression of the counts that the same statement writes."""
    ends = {name: bindparam(name, type_=UTCDateTime()) for name in _waits(budget)}
    waits = [(spent == count, ends[f"wait_{count}"]) for count, _ in budget.waits[:-1]]
    last_count, _ = budget.waits[-1]
    waits.append((spent >= last_count, ends[f"wait_{last_count}"]))
    if budget.hard_limit is not None:
        waits.insert(0, (streak >= budget.hard_limit, ends["for_good"]))
    return case(*waits, else_=None)
