"""Somebody who can sign in, and what they sign in with."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, cast
from uuid import UUID

from sqlalchemy import ForeignKey, Table, bindparam, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base, db, write
from idp.models.prepared import Prepared

NOBODY = UUID(int=0)  # looked up in place of an account that does not exist: the same work for everybody


class Holder(Protocol):
    """Whose account it is, however that was read."""

    @property
    def id(self) -> UUID: ...

    @property
    def email(self) -> str: ...

    @property
    def language(self) -> str: ...


class Account(Base):
    """One person's account. `email` is the normalised form (services/emails.py) and unique."""

    __tablename__ = "account"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)
    email_verified_at: Mapped[datetime]
    given_name: Mapped[str]
    family_name: Mapped[str]
    language: Mapped[str]
    status: Mapped[str] = mapped_column(default="active")  # or "disabled", "closed"
    terms_accepted_at: Mapped[datetime]
    created_at: Mapped[datetime]

    @property
    def full_name(self) -> str:
        """Given and family name; empty where neither is known."""
        return f"{self.given_name} {self.family_name}".strip()

    @property
    def is_active(self) -> bool:
        return self.status == "active"


class Password(Base):
    __tablename__ = "password"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), primary_key=True)
    hash: Mapped[str]  # argon2id over an HMAC with the pepper, see services/passwords.py
    changed_at: Mapped[datetime]


class Phone(Base):
    """A verified mobile number, the SMS factor."""

    __tablename__ = "phone"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), primary_key=True)
    number: Mapped[str] = mapped_column(index=True)  # E.164
    verified_at: Mapped[datetime]


class TOTPSecret(Base):
    """An enrolled authenticator app (RFC 6238). `last_step` is the newest accepted time step: each serves once."""

    __tablename__ = "totp_secret"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), primary_key=True)
    sealed_seed: Mapped[str]
    last_step: Mapped[int]
    enrolled_at: Mapped[datetime]


class RecoveryCode(Base):
    """One of an account's codes for the day the telephone is lost. The sealed text is wiped after it was printed."""

    __tablename__ = "recovery_code"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    code_hash: Mapped[str] = mapped_column(unique=True)
    created_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    shown_in: Mapped[UUID | None]  # the session that made it
    sealed_code: Mapped[str | None]


class Reminder(Base):
    """An advice of the account's first page that its person put off (services/reminders.py)."""

    __tablename__ = "reminder"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), primary_key=True)
    card: Mapped[str] = mapped_column(primary_key=True)
    times: Mapped[int]
    put_off_at: Mapped[datetime]


def find_account(email: str) -> Account | None:
    """The account of this normalised address."""
    return db.session.scalar(select(Account).where(Account.email == email))


def load_account(account_id: UUID) -> Account:
    """The account of this id. Raises `sqlalchemy.exc.NoResultFound`."""
    return db.session.get_one(Account, account_id)


def hold_account(account_id: UUID) -> bool:
    """From here to the end of the transaction nobody else changes what opens this account: others wait for their turn.

    False when it cannot sign in any more.
    """
    held = update(Account).where(Account.id == account_id, Account.status == "active").values(status="active")
    return write(held.execution_options(synchronize_session=False)) == 1


SECRET = cast(Table, TOTPSecret.__table__)
SEED = Prepared(select(SECRET.c.sealed_seed).where(SECRET.c.account_id == bindparam("account")))
SPEND_STEP = Prepared(
    update(SECRET)
    .where(SECRET.c.account_id == bindparam("account"), SECRET.c.last_step < bindparam("step"))
    .values(last_step=bindparam("step"))
)


def sealed_seed(account_id: UUID) -> str | None:
    """Of the app that is enrolled, if one is."""
    row = SEED.first(account=account_id)
    return row.sealed_seed if row else None


def spend_totp_step(account_id: UUID, step: int) -> bool:
    """Accept a time step once and only forwards (RFC 6238 §5.2); False when it or a later one was used."""
    return SPEND_STEP.count(account=account_id, step=step) == 1
