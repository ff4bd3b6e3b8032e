"""Recovery letters: the last way back in for somebody who lost the second factor, and how they can be stopped.

A letter goes to the address the fund has on file, is announced by every other channel, and can be cancelled until its
code is used. Its code is made at the printer's: no plain text waits in the database (NIST SP 800-63B-4 §4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, exists, select, update

from idp.chance import Random, hash_of, new_id, token
from idp.clock import Clock, swiss
from idp.errors import BadInput
from idp.models.account import Account
from idp.models.base import db, write
from idp.models.person import RECOVER, InsuredPerson, RegistrationCode, revoke_code, revoke_codes
from idp.models.portal import Portal
from idp.models.recovery_letter import RecoveryLetter, find_by_cancel_hash, is_open, mark_printed, waits
from idp.services.accounts import Accounts
from idp.services.attempts import Attempts
from idp.services.audit import Audit, AuditTag
from idp.services.letters import Letter
from idp.services.notices import Notices
from idp.services.outbox import Outbox
from idp.services.registration_codes import RegistrationCodes, generate
from idp.settings import Settings
from idp.texts import Texts

ONE_IN = timedelta(hours=24)
GOOD_FOR_DAYS = 30
WORKING_DAYS = 5  # of the post, at most (ux.md §4.3)
SATURDAY = 5


@dataclass(frozen=True)
class TooSoon:
    """A letter was asked for within a day: the next may be from `until` on."""

    until: datetime


@dataclass(frozen=True, repr=False)
class Request:
    """Who asks, where and from which device, for the notices."""

    account: Account
    person: InsuredPerson
    portal: Portal
    device: str
    place: str


def expected_by(requested_at: datetime) -> date:
    """The day by which a letter is there."""
    day, left = swiss(requested_at).date(), WORKING_DAYS
    while left:
        day += timedelta(days=1)
        left -= day.weekday() < SATURDAY
    return day


class RecoveryLetters:
    def __init__(
        self, settings: Settings, clock: Clock, random: Random, texts: Texts, attempts: Attempts, accounts: Accounts,
        codes: RegistrationCodes, outbox: Outbox, notices: Notices, audit: Audit,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._clock = clock
        self._random = random
        self._texts = texts
        self._attempts = attempts
        self._accounts = accounts
        self._codes = codes
        self._outbox = outbox
        self._notices = notices
        self._audit = audit

    def request(self, wanted: Request) -> RecoveryLetter | TooSoon:
        """Ask for a letter, at most once a day and account. One that waits to be printed is asked for already."""
        account, now = wanted.account, self._clock.now()
        self._attempts.queue(f"recovery_letter|{account.id}")
        if waiting := self._newest(account.id, RecoveryLetter.portal_id == wanted.portal.id, waits(now)):
            return waiting
        if until := self.next_at(account.id):
            return TooSoon(until)
        secret = token(self._random, "cc_lt_")
        letter = RecoveryLetter(
            id=new_id(self._random, now),
            account_id=account.id,
            portal_id=wanted.portal.id,
            insured_person_id=wanted.person.id,
            cancel_hash=hash_of(secret),
            requested_at=now,
        )
        db.session.add(letter)
        self._audit.record(
            AuditTag.RECOVERY_LETTER_ASKED, account=account.id, person=wanted.person.id, portal=wanted.portal.id
        )
        self._tell(wanted, secret)
        return letter

    def next_at(self, account_id: UUID) -> datetime | None:
        """When the next letter may be asked for, where that is not now."""
        newest = self._newest(account_id)
        until = newest.requested_at + ONE_IN if newest else None
        return until if until and until > self._clock.now() else None

    def open_at(self, account_id: UUID, portal: Portal) -> RecoveryLetter | None:
        """The newest letter of this account at this portal that may still let its owner in."""
        return self._newest(account_id, RecoveryLetter.portal_id == portal.id, is_open(self._clock.now()))

    def open_of(self, account_id: UUID) -> list[RecoveryLetter]:
        """All of an account's letters that may still let somebody in, newest first."""
        mine = (RecoveryLetter.account_id == account_id, is_open(self._clock.now()))
        return list(
            db.session.scalars(select(RecoveryLetter).where(*mine).order_by(RecoveryLetter.requested_at.desc()))
        )

    def find(self, secret: str) -> RecoveryLetter | None:
        """The letter that the link of a mail speaks of, while it can be cancelled."""
        letter = find_by_cancel_hash(hash_of(secret))
        is_live = letter is not None and letter.state(self._clock.now()) in {"waiting", "printed"}
        return letter if is_live else None

    def cancel(self, letter: RecoveryLetter, tag: AuditTag = AuditTag.RECOVERY_LETTER_CANCELLED) -> bool:
        """Stop a letter and void its code; False when it was used or cancelled before. The caller commits."""
        now = self._clock.now()
        row = db.session.execute(
            update(RecoveryLetter)
            .where(RecoveryLetter.id == letter.id, RecoveryLetter.cancelled_at.is_(None))
            .values(cancelled_at=now)
            .returning(RecoveryLetter.code_id)
            .execution_options(synchronize_session=False)
        ).one_or_none()
        if row is None or (row.code_id is not None and not revoke_code(row.code_id, now)):
            db.session.rollback()
            return False
        self._audit.record(tag, account=letter.account_id, person=letter.insured_person_id, portal=letter.portal_id)
        return True

    def stop(self, letter: RecoveryLetter) -> bool:
        """An operator stops a letter, and its owner is told; False when it was used or cancelled before."""
        account, portal = db.session.get(Account, letter.account_id), db.session.get(Portal, letter.portal_id)
        if not self.cancel(letter, AuditTag.RECOVERY_LETTER_STOPPED):
            return False
        if account is not None and portal is not None:
            desk, at = self._texts.get(account.language, "device.desk"), portal.name(account.language)
            self._notices.tell("letterCancelled", account, portal=portal, device=desk, place=at)
        return True

    def void(self, account_id: UUID) -> int:
        """Whoever holds the new password or factor needs no letter that is still on its way; how many were voided."""
        now = self._clock.now()
        # The letters first: a printing that is confirmed at this moment is waited for, and then its codes are there.
        voided = write(
            update(RecoveryLetter)
            .where(
                RecoveryLetter.account_id == account_id,
                RecoveryLetter.cancelled_at.is_(None),
                ~self._is_redeemed(),
            )
            .values(cancelled_at=now)
            .execution_options(synchronize_session=False)
        )
        mine = select(RecoveryLetter.code_id).where(RecoveryLetter.account_id == account_id)
        write(
            update(RegistrationCode)
            .where(
                RegistrationCode.id.in_(mine),
                RegistrationCode.redeemed_at.is_(None),
                RegistrationCode.revoked_at.is_(None),
            )
            .values(revoked_at=now)
            .execution_options(synchronize_session=False)
        )
        return voided

    def of_portal(self, portal: Portal) -> list[RecoveryLetter]:
        """Every letter that a portal's persons asked for, oldest first."""
        asked = select(RecoveryLetter).where(RecoveryLetter.portal_id == portal.id)
        return list(db.session.scalars(asked.order_by(RecoveryLetter.requested_at, RecoveryLetter.id)))

    def count_waiting(self, portal: Portal) -> int:
        return len(self._waiting(portal))

    def compose(self, portal: Portal, by: UUID | None = None, most: int | None = None) -> list[Letter]:
        """A fresh code for every letter that waits, oldest first, but of this operator's own. Nothing is stored: print
        first, then `issue`.
        """
        last_day = swiss(self._clock.now()).date() + timedelta(days=GOOD_FOR_DAYS)
        return [
            Letter(one.person, portal, generate(self._random), last_day, recovery_id=one.id)
            for one in [one for one in self._waiting(portal) if one.account_id != by][:most]
        ]

    def issue(self, letters: list[Letter]) -> None:
        """Make the codes of printed letters valid and void the persons' earlier ones; the caller commits.

        Raises `BadInput` when one of them was cancelled or printed meanwhile: its letter must not be posted.
        """
        now = self._clock.now()
        for letter in letters:
            revoke_codes([letter.person.id], now, RECOVER)
            code_id = self._codes.store(letter.code, letter.person, letter.last_day, RECOVER)
            db.session.flush()
            if letter.recovery_id is None or not mark_printed(letter.recovery_id, code_id, now):
                raise BadInput("one of these letters was cancelled or printed meanwhile; start again")
            self._audit.record(AuditTag.RECOVERY_LETTER_PRINTED, person=letter.person.id, portal=letter.portal.id)

    def _waiting(self, portal: Portal) -> list[RecoveryLetter]:
        free = (RecoveryLetter.print_id.is_(None), waits(self._clock.now()))
        found = select(RecoveryLetter).where(RecoveryLetter.portal_id == portal.id, *free)
        return list(db.session.scalars(found.order_by(RecoveryLetter.requested_at, RecoveryLetter.id)))

    def _newest(self, account_id: UUID, *where: ColumnElement[bool]) -> RecoveryLetter | None:
        return db.session.scalar(
            select(RecoveryLetter)
            .where(RecoveryLetter.account_id == account_id, *where)
            .order_by(RecoveryLetter.requested_at.desc(), RecoveryLetter.id.desc())
            .limit(1)
        )

    def _tell(self, wanted: Request, secret: str) -> None:
        """By mail, with the link that cancels, and by SMS where there is a number."""
        account, portal = wanted.account, wanted.portal
        link = f"{self._settings.issuer}/account/letter/cancel?letter={secret}"
        how = self._texts.get(account.language, "lt.stop", url=link)
        self._notices.tell("letter", account, portal=portal, device=wanted.device, place=wanted.place, added=(how,))
        if number := self._accounts.factors(account.id).phone:
            self._outbox.sms("letter", to=number, language=account.language, portal=portal, values={})

    @staticmethod
    def _is_redeemed() -> ColumnElement[bool]:
        of_letter = RegistrationCode.id == RecoveryLetter.code_id
        return exists().where(of_letter, RegistrationCode.redeemed_at.is_not(None))
