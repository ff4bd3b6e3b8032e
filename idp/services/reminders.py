"""What the first page of an account advises, until it is done or put off three times, a month apart (ux.md §4.5)."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, update

from idp.clock import Clock
from idp.models.account import Account, Phone, RecoveryCode, Reminder, TOTPSecret
from idp.models.base import db, insert_if_absent, write
from idp.models.passkey import Passkey

CARDS = ("method", "codes", "passkey")
PAUSE, TIMES = timedelta(days=30), 3


class Reminders:
    def __init__(self, clock: Clock) -> None:
        self._clock = clock

    def due(self, account_id: UUID) -> tuple[str, ...]:
        """The cards to show, the most useful first."""
        missing = self._missing(account_id)
        rows = db.session.scalars(select(Reminder).where(Reminder.account_id == account_id)) if missing else ()
        resting = {row.card for row in rows if row.times >= TIMES or row.put_off_at > self._clock.now() - PAUSE}
        return tuple(card for card in CARDS if card in missing - resting)

    def put_off(self, account_id: UUID, card: str) -> None:
        """Not now; a second click counts nothing."""
        now = self._clock.now()
        if insert_if_absent(Reminder, account_id=account_id, card=card, times=1, put_off_at=now):
            return
        mine = (Reminder.account_id == account_id, Reminder.card == card, Reminder.put_off_at <= now - PAUSE)
        write(update(Reminder).where(*mine).values(times=Reminder.times + 1, put_off_at=now))

    def _missing(self, account_id: UUID) -> set[str]:
        """What the account has not: a second method, recovery codes, a passkey."""
        phones, apps, codes, passkeys = (
            select(func.count()).select_from(model).where(model.account_id == account_id, *more).scalar_subquery()
            for model, more in (
                (Phone, ()), (TOTPSecret, ()), (RecoveryCode, (RecoveryCode.used_at.is_(None),)), (Passkey, ()),
            )
        )  # fmt: skip
        held = db.session.execute(
            select(phones + apps > 1, codes > 0, passkeys > 0).where(Account.id == account_id)
        ).one()
        return {card for card, is_there in zip(CARDS, held, strict=True) if not is_there}
