"""Whose guesses are stopped now, and the end of that: the counters of one person and of one account.

Guesses of letter codes are charged to a network (flows/context.py) and belong to nobody, so they are not among these.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import select

from idp.clock import Clock
from idp.models.account import Account
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.session import Session
from idp.services.attempts import (
    APP_CODE,
    DEVICE_CODE,
    PASSWORD,
    RECOVERY_CODE,
    RECOVERY_LETTER,
    SECOND_ITEM,
    SMS_CODE,
    Attempts,
    Budget,
    Refused,
)
from idp.services.audit import AuditTag

OF_ACCOUNT = (SMS_CODE, APP_CODE, RECOVERY_CODE, RECOVERY_LETTER, DEVICE_CODE)
LOOKED_BACK, MOST = timedelta(days=30), 500


@dataclass(frozen=True)
class Lock:
    """`kind` names what was guessed at."""

    kind: str
    until: datetime


class Locks:
    def __init__(self, clock: Clock, attempts: Attempts) -> None:
        self._clock = clock
        self._attempts = attempts

    def locked(self, accounts: Sequence[Account]) -> set[UUID]:
        """Those who may not guess now, from a browser that is new to us."""
        owners = {(budget.kind, subject): one.id for one in accounts for budget, subject in _subjects(one)}
        asked = [pair for one in accounts for pair in _subjects(one)]
        return {owners[key] for key in self._attempts.refusals_of_all(asked)}

    def every_locked(self) -> tuple[UUID, ...]:
        """The accounts that were locked lately and still are."""
        since = self._clock.now() - LOOKED_BACK
        ids = db.session.scalars(
            select(AuditEvent.account_id)
            .where(AuditEvent.tag == AuditTag.ATTEMPTS_EXHAUSTED.value, AuditEvent.at > since)
            .order_by(AuditEvent.at.desc())
            .limit(MOST)
        )
        known = {one for one in ids if one is not None}
        accounts = db.session.scalars(select(Account).where(Account.id.in_(known))).all()
        return tuple(self.locked(accounts))

    def of(self, account: Account | None, person_id: UUID) -> list[Lock]:
        """What is stopped for one person, in any browser that is theirs."""
        found = self._attempts.refusals_of_all(self._all(account, person_id))
        latest: dict[str, Refused] = {}
        for (kind, _), refused in found.items():
            if kind not in latest or refused.until > latest[kind].until:
                latest[kind] = refused
        return [Lock(kind, refused.until) for kind, refused in latest.items()]

    def lift(self, account: Account | None, person_id: UUID) -> None:
        """Every count of this person begins anew."""
        for budget, subject in self._all(account, person_id):
            self._attempts.forgive(budget, subject)

    def _all(self, account: Account | None, person_id: UUID) -> list[tuple[Budget, str]]:
        found = [(SECOND_ITEM, str(person_id))]
        if account is not None:
            browsers = select(Session.browser_hash).where(Session.account_id == account.id).distinct()
            known = [(PASSWORD, f"{account.email}|{browser}") for browser in db.session.scalars(browsers)]
            found += [*_subjects(account), *known]
        return found


def _subjects(account: Account) -> list[tuple[Budget, str]]:
    return [(PASSWORD, account.email), *((budget, str(account.id)) for budget in OF_ACCOUNT)]
