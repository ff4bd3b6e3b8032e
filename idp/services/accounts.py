"""Accounts: who exists, who is linked to which portal's record, and the creation at the end of a registration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any
from uuid import UUID

from sqlalchemy import String, bindparam, case, delete, exists, func, select

from idp.chance import Random, new_id
from idp.clock import Clock
from idp.models.account import Account, Password, Phone, TOTPSecret, find_account
from idp.models.base import UTCDateTime, db, insert_or_update
from idp.models.factor_reset import FactorReset
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.models.prepared import Prepared
from idp.models.session import Session


@dataclass(frozen=True, repr=False)
class Factors:
    """The second factors an account can use now."""

    phone: str | None
    has_app: bool
    reset: int = 0  # whether the desk was asked to set it up anew (services/factor_resets.py): ASKED or APPROVED

    @property
    def has_reset(self) -> bool:
        """Whether two operators agreed to set it up anew."""
        return self.reset == APPROVED

    @property
    def names(self) -> tuple[str, ...]:
        """The methods in the order in which they are proposed: the app first (NIST SP 800-63B-4 §3.2.9)."""
        return (("app",) if self.has_app else ()) + (("sms",) if self.phone else ())


NO_FACTORS = Factors(None, has_app=False)


@dataclass(frozen=True, repr=False)
class Standing:
    """Of an account that can sign in. `is_known_here`: whether this browser opened a session of it before."""

    id: UUID
    email: str
    language: str
    password_changed_at: datetime
    factors: Factors
    is_known_here: bool

    def subject(self, browser_hash: str) -> str:
        """Whom guesses at the password are charged to: a browser that the account knows has a budget of its own, so
        strangers cannot lock the owner out.
        """
        return guessed_at(self.email, browser_hash, is_known=self.is_known_here)

    def outlives(self, proved_at: str) -> bool:
        """Whether what was proved at this moment still holds: no password was set since."""
        return self.password_changed_at <= datetime.fromisoformat(proved_at)


ASKED, APPROVED = 1, 2
FACTORS = (
    Phone.number,
    TOTPSecret.account_id,
    select(func.coalesce(func.max(case((FactorReset.approved_at.is_(None), ASKED), else_=APPROVED)), 0))
    .where(FactorReset.account_id == Account.id, FactorReset.ended_at.is_(None))
    .scalar_subquery()
    .label("reset"),
)
WAS_SEEN_HERE = exists().where(
    Session.account_id == Account.id, Session.browser_hash == bindparam("browser_hash", type_=String())
)
STANDING = Prepared(
    select(
        Account.id, Account.email, Account.language, Password.changed_at, WAS_SEEN_HERE.label("is_known_here"), *FACTORS
    )
    .join(Password, Password.account_id == Account.id)
    .outerjoin(Phone, Phone.account_id == Account.id)
    .outerjoin(TOTPSecret, TOTPSecret.account_id == Account.id)
    .where(Account.id == bindparam("account_id"), Account.status == "active")
)


def _factors(cells: Sequence[Any]) -> Factors:
    return Factors(cells[0], cells[1] is not None, cells[2])


@cache
def _keep_phone(dialect: str) -> Prepared:
    again = {"number": bindparam("number"), "verified_at": bindparam("now", type_=UTCDateTime())}
    first = {"account_id": bindparam("account"), **again}
    return Prepared(insert_or_update(Phone, dialect, first, again))


def guessed_at(email: str, browser_hash: str, *, is_known: bool) -> str:
    return f"{email}|{browser_hash}" if is_known else email


class Accounts:
    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random

    def find(self, email: str) -> Account | None:
        """The account of this normalised address that can sign in."""
        account = find_account(email)
        return account if account is not None and account.is_active else None

    def find_id(self, email: str) -> UUID | None:
        """The same, where strangers ask: nothing is read of an account that would not be read of nobody."""
        return db.session.scalar(select(Account.id).where(Account.email == email, Account.status == "active"))

    def active(self, account_id: UUID) -> Account | None:
        """The account of this id while it can sign in."""
        account = db.session.get(Account, account_id, populate_existing=True)
        return account if account is not None and account.is_active else None

    def standing(self, account_id: UUID, browser_hash: str = "") -> Standing | None:
        """What walks that go on must know anew of an account, while it can sign in."""
        row = STANDING.first(account_id=account_id, browser_hash=browser_hash)
        if row is None:
            return None
        return Standing(row.id, row.email, row.language, row.changed_at, _factors(row[5:]), bool(row.is_known_here))

    def exists(self, email: str) -> bool:
        """Whether the address is taken, by an account of any status."""
        return db.session.scalar(select(Account.id).where(Account.email == email)) is not None

    def factors(self, account_id: UUID) -> Factors:
        row = db.session.execute(
            select(*FACTORS)
            .select_from(Account)
            .outerjoin(Phone, Phone.account_id == Account.id)
            .outerjoin(TOTPSecret, TOTPSecret.account_id == Account.id)
            .where(Account.id == account_id)
        ).one_or_none()
        return _factors(row) if row else NO_FACTORS

    def record_of(self, account_id: UUID, portal_id: UUID) -> InsuredPerson | None:
        """The one record of this portal that is linked to the account."""
        return db.session.scalar(
            select(InsuredPerson).where(InsuredPerson.account_id == account_id, InsuredPerson.portal_id == portal_id)
        )

    def portals_of(self, account_id: UUID) -> list[Portal]:
        """The portals that this account opens, oldest link first."""
        return list(
            db.session.scalars(
                select(Portal)
                .join(InsuredPerson, InsuredPerson.portal_id == Portal.id)
                .where(InsuredPerson.account_id == account_id)
                .order_by(InsuredPerson.linked_at)
            )
        )

    def records_of(self, account_id: UUID) -> list[InsuredPerson]:
        """The oldest first: it speaks for the account where one must."""
        mine = select(InsuredPerson).join(Portal, Portal.id == InsuredPerson.portal_id)
        mine = mine.where(InsuredPerson.account_id == account_id)
        return list(db.session.scalars(mine.order_by(InsuredPerson.linked_at, Portal.slug)))

    def create(self, *, email: str, given_name: str, family_name: str, language: str, password_hash: str) -> Account:
        """A new active account whose address has been proved. Raises IntegrityError when it was taken since."""
        now = self._clock.now()
        account = Account(
            id=new_id(self._random, now),
            email=email,
            email_verified_at=now,
            given_name=given_name,
            family_name=family_name,
            language=language,
            status="active",
            terms_accepted_at=now,
            created_at=now,
        )
        db.session.add(account)
        db.session.flush()
        db.session.add(Password(account_id=account.id, hash=password_hash, changed_at=now))
        return account

    def add_phone(self, account_id: UUID, number: str) -> None:
        """The number that was just proved, in place of another one."""
        _keep_phone(db.engine.dialect.name).count(account=account_id, number=number, now=self._clock.now())

    def keep_only(self, account_id: UUID, factor: str) -> None:
        """Give up every second factor but this one."""
        lost = TOTPSecret if factor == "sms" else Phone
        db.session.execute(delete(lost).where(lost.account_id == account_id))

    def count_phones(self, number: str) -> int:
        """How many accounts have this number as their second factor."""
        return db.session.scalar(select(func.count()).select_from(Phone).where(Phone.number == number)) or 0
