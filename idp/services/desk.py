"""What the support desk may do for one person: unlock, end sessions, void a letter, order a new one (F-36, F-37).

Each tells the owner by mail where the account is touched. The desk never meets a code: a letter's is made when it is
printed.
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import or_, select

from idp.chance import Random, new_id
from idp.clock import Clock
from idp.models.account import Account
from idp.models.base import db
from idp.models.letter_batch import is_in_a_batch, overtake
from idp.models.letter_order import LetterOrder, count_orders, settle_orders, waiting_order
from idp.models.operator import Operator
from idp.models.person import InsuredPerson, RegistrationCode
from idp.services.audit import Audit, AuditTag
from idp.services.locks import Locks
from idp.services.notices import Notices
from idp.services.registration_codes import RegistrationCodes
from idp.services.sessions import Sessions
from idp.services.sign_out import SignOut
from idp.texts import Texts

LETTERS_A_DAY = 20
DAY = timedelta(days=1)


class Deed(StrEnum):
    UNLOCK = "unlock"
    END_SESSIONS = "sessions"
    VOID_LETTER = "void"
    ORDER_LETTER = "letter"


class Desk:
    def __init__(
        self, clock: Clock, random: Random, texts: Texts, audit: Audit, notices: Notices, locks: Locks,
        sessions: Sessions, sign_out: SignOut, codes: RegistrationCodes,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._random = random
        self._texts = texts
        self._audit = audit
        self._notices = notices
        self._locks = locks
        self._sessions = sessions
        self._sign_out = sign_out
        self._codes = codes

    def refusal(self, deed: Deed, person: InsuredPerson, account: Account | None, by: UUID) -> str | None:
        """The message key of why this cannot be done for this person now, by this operator; None where it can."""
        if account is not None and account.id == by:
            return "per.e.self"
        if deed is Deed.UNLOCK:
            return None if self._locks.of(account, person.id) else "per.e.unlocked"
        if deed is Deed.END_SESSIONS:
            return None if account is not None and self._sessions.live(account) else "per.e.nosession"
        if deed is Deed.VOID_LETTER:
            return None if self._has_open_letter(person) else "per.e.noletter"
        is_much = count_orders(by, self._clock.now() - DAY) >= LETTERS_A_DAY
        return self.letter_refusal(person, account) or ("per.e.many" if is_much else None)

    def letter_refusal(self, person: InsuredPerson, account: Account | None) -> str | None:
        """The message key of why no letter can be ordered for this person, by whomever."""
        if account is not None:
            return "per.e.registered"
        if waiting_order(person.id) is not None:
            return "per.e.ordered"
        return "per.e.colleague" if is_colleague(person) else None

    def do(self, deed: Deed, person: InsuredPerson, account: Account | None, by: UUID) -> None:
        """Do it, record it, and tell the owner. The caller asked for a refusal before."""
        if deed is Deed.UNLOCK:
            self._locks.lift(account, person.id)
            self._record(AuditTag.UNLOCKED, person)
            self._tell("unlocked", person, account)
        elif deed is Deed.END_SESSIONS and account is not None:
            self._sign_out.account(account.id)
            self._record(AuditTag.SESSIONS_ENDED, person)
            self._tell("signedOut", person, account)
        elif deed is Deed.VOID_LETTER:
            self._void(person)
            self._record(AuditTag.CODE_REVOKED, person)
        elif deed is Deed.ORDER_LETTER:
            self._order(person, by)

    def _order(self, person: InsuredPerson, by: UUID) -> None:
        now = self._clock.now()
        self._void(person)
        db.session.add(
            LetterOrder(id=new_id(self._random, now), insured_person_id=person.id, ordered_by=by, ordered_at=now)
        )
        db.session.flush()
        self._record(AuditTag.LETTER_ORDERED, person)

    def _void(self, person: InsuredPerson) -> None:
        """A letter in a batch first: were its code made valid this very moment, the next statement finds it."""
        overtake(person.id, self._clock.now())
        self._codes.revoke(person)
        settle_orders([person.id], cancelled_at=self._clock.now())

    def _has_open_letter(self, person: InsuredPerson) -> bool:
        is_open = select(RegistrationCode.id).where(
            RegistrationCode.insured_person_id == person.id,
            RegistrationCode.redeemed_at.is_(None),
            RegistrationCode.revoked_at.is_(None),
            RegistrationCode.expires_at > self._clock.now(),
        )
        if waiting_order(person.id) is not None or is_in_a_batch(person.id):
            return True
        return db.session.scalar(is_open.limit(1)) is not None

    def _record(self, tag: AuditTag, person: InsuredPerson) -> None:
        self._audit.record(tag, person=person.id, account=person.account_id, portal=person.portal_id)

    def _tell(self, event: str, person: InsuredPerson, account: Account | None) -> None:
        """Mail M5; somebody who is not registered has no address that is proved."""
        if account is not None:
            portal, spoken = person.portal, account.language
            desk = self._texts.get(spoken, "device.desk")
            self._notices.tell(event, account, portal=portal, device=desk, place=portal.name(spoken))


def is_colleague(person: InsuredPerson) -> bool:
    """Whether an operator is insured under the same number: by another fund too, so as an operator's own record."""
    same = (
        select(InsuredPerson.id)
        .join(Operator, Operator.account_id == InsuredPerson.account_id)
        .where(or_(InsuredPerson.id == person.id, InsuredPerson.insured_number == person.insured_number))
    )
    return db.session.scalar(same.limit(1)) is not None
