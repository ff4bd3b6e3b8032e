"""The insured persons a fund imported, and the registration codes issued for them."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, func, select, text, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.models.base import Base, db, write
from idp.models.person_word import WORD
from idp.models.portal import Portal

REGISTER, RECOVER = "register", "recover"  # the purposes of a code
FILTERED = ("language", "birth_date", "account_id")  # stand in the indexes of lists: a filter then reads nothing else
IS_REGISTERED = text("account_id IS NOT NULL")
IS_OPEN = text("redeemed_at IS NULL AND revoked_at IS NULL")
IS_BEGUN = text("reserved_at IS NOT NULL AND redeemed_at IS NULL AND revoked_at IS NULL")
IS_REDEEMED = text("redeemed_at IS NOT NULL")
IS_REVOKED = text("redeemed_at IS NULL AND revoked_at IS NOT NULL")


class InsuredPerson(Base):
    """A record imported by a fund for one portal; `account_id` is empty until a code is redeemed."""

    __tablename__ = "insured_person"
    __table_args__ = (
        UniqueConstraint("portal_id", "external_id"),
        UniqueConstraint("portal_id", "account_id"),
        Index("ix_insured_person_listed", "portal_id", "id", *FILTERED),
        Index(
            "ix_insured_person_registered", "portal_id", "id", sqlite_where=IS_REGISTERED,
            postgresql_where=IS_REGISTERED,
        ),
        Index("ix_insured_person_named", "portal_id", "sort_name", "id", *FILTERED),
        Index("ix_insured_person_spoken", "portal_id", "language", "birth_date", "id"),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True)
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"))
    external_id: Mapped[str]
    insured_number: Mapped[str]
    given_name: Mapped[str] = mapped_column(default="")
    family_name: Mapped[str] = mapped_column(default="")
    sort_name: Mapped[str] = mapped_column(WORD, default="")  # by which lists are sorted (services/person_words.py)
    birth_date: Mapped[date]
    language: Mapped[str]
    address: Mapped[list[str]]  # the 1 to 5 lines below the name, postcode and town last
    account_id: Mapped[UUID | None] = mapped_column(ForeignKey("account.id"), index=True)
    linked_at: Mapped[datetime | None]
    created_at: Mapped[datetime]
    changed_at: Mapped[datetime]

    portal: Mapped[Portal] = relationship()

    def link(self, account_id: UUID, now: datetime) -> bool:
        """Tie this record to an account; False when it is tied already (one conditional write)."""
        done = write(
            update(InsuredPerson)
            .where(InsuredPerson.id == self.id, InsuredPerson.account_id.is_(None))
            .values(account_id=account_id, linked_at=now)
        )
        return done == 1


class RegistrationCode(Base):
    """A code issued for one insured person: issued, reserved, redeemed; or revoked, or expired. Only a keyed hash.

    One of the purpose `register` ties the record to an account; one of `recover` lets its owner set up a new factor.
    """

    __tablename__ = "registration_code"
    __table_args__ = (
        Index("ix_registration_code_person", "insured_person_id", "issued_at"),
        Index("ix_registration_code_listed", "portal_id", "id"),
        Index("ix_registration_code_ending", "portal_id", "expires_at", "id"),
        Index(
            "ix_registration_code_begun", "portal_id", "expires_at", "insured_person_id", sqlite_where=IS_BEGUN,
            postgresql_where=IS_BEGUN,
        ),
        Index(
            "ix_registration_code_running", "portal_id", "expires_at", "id", sqlite_where=IS_OPEN,
            postgresql_where=IS_OPEN,
        ),
        Index(
            "ix_registration_code_redeemed", "portal_id", "id", sqlite_where=IS_REDEEMED,
            postgresql_where=IS_REDEEMED,
        ),
        Index(
            "ix_registration_code_revoked", "portal_id", "id", sqlite_where=IS_REVOKED, postgresql_where=IS_REVOKED,
        ),
        Index(
            "ix_registration_code_open", "portal_id", "insured_person_id", "expires_at", sqlite_where=IS_OPEN,
            postgresql_where=IS_OPEN,
        ),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True)
    insured_person_id: Mapped[UUID] = mapped_column(ForeignKey("insured_person.id"))
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"))  # of the person, for lists
    purpose: Mapped[str] = mapped_column(default=REGISTER)
    code_hash: Mapped[str] = mapped_column(unique=True)
    issued_at: Mapped[datetime]
    expires_at: Mapped[datetime]
    reserved_by: Mapped[UUID | None]  # the flow run that holds it
    reserved_at: Mapped[datetime | None]
    redeemed_at: Mapped[datetime | None]
    second_item: Mapped[str | None]  # what was checked beside the code when it was redeemed
    revoked_at: Mapped[datetime | None]

    person: Mapped[InsuredPerson] = relationship()

    def state(self, now: datetime) -> str:
        """One word for operators: redeemed, revoked, expired, reserved or issued."""
        if self.redeemed_at:
            return "redeemed"
        if self.revoked_at:
            return "revoked"
        if self.expires_at <= now:
            return "expired"
        return "reserved" if self.reserved_at else "issued"


def find_code(code_hash: str, portal_id: UUID) -> RegistrationCode | None:
    """The code, if it is this portal's: one statement for those that are, those of another portal and those of none."""
    return db.session.scalar(
        select(RegistrationCode)
        .join(RegistrationCode.person)
        .where(RegistrationCode.code_hash == code_hash, InsuredPerson.portal_id == portal_id)
    )


def reserve_code(code_id: UUID, run_id: UUID, now: datetime) -> bool:
    """Give a live code to this run. The newest reservation wins: whoever holds the letter may change the device."""
    done = write(
        update(RegistrationCode)
        .where(
            RegistrationCode.id == code_id,
            RegistrationCode.redeemed_at.is_(None),
            RegistrationCode.revoked_at.is_(None),
            RegistrationCode.expires_at > now,
        )
        .values(reserved_by=run_id, reserved_at=now)
    )
    return done == 1


def redeem_code(code_id: UUID, run_id: UUID, now: datetime, second_item: str | None) -> bool:
    """Use the code up, once, by the run that holds it. A code reserved in time may be redeemed after its expiry."""
    done = write(
        update(RegistrationCode)
        .where(
            RegistrationCode.id == code_id,
            RegistrationCode.reserved_by == run_id,
            RegistrationCode.redeemed_at.is_(None),
            RegistrationCode.revoked_at.is_(None),
        )
        .values(redeemed_at=now, second_item=second_item)
    )
    return done == 1


def find_redeemed_code(insured_person_id: UUID) -> RegistrationCode | None:
    """The code by which an account was last tied to this record."""
    return db.session.scalar(
        select(RegistrationCode)
        .where(
            RegistrationCode.insured_person_id == insured_person_id,
            RegistrationCode.purpose == REGISTER,
            RegistrationCode.redeemed_at.is_not(None),
        )
        .order_by(RegistrationCode.redeemed_at.desc())
        .limit(1)
    )


def revoke_code(code_id: UUID, now: datetime) -> bool:
    """Void one code; False when it was used or voided before."""
    done = write(
        update(RegistrationCode)
        .where(
            RegistrationCode.id == code_id,
            RegistrationCode.redeemed_at.is_(None),
            RegistrationCode.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )
    return done == 1


def revoke_codes(insured_person_ids: Sequence[UUID], now: datetime, purpose: str = REGISTER) -> int:
    """Void every open code of this purpose of these persons (a new one voids the old); returns how many."""
    return write(
        update(RegistrationCode)
        .where(
            RegistrationCode.insured_person_id.in_(insured_person_ids),
            RegistrationCode.purpose == purpose,
            RegistrationCode.redeemed_at.is_(None),
            RegistrationCode.revoked_at.is_(None),
        )
        .values(revoked_at=now)
    )


def count_codes(insured_person_ids: Sequence[UUID]) -> dict[UUID, int]:
    """How many codes each of these persons was ever issued to register, whatever became of them; who has none is left
    out.
    """
    owner, is_counted = RegistrationCode.insured_person_id, RegistrationCode.purpose == REGISTER
    mine = owner.in_(insured_person_ids)
    rows = db.session.execute(select(owner, func.count()).where(mine, is_counted).group_by(owner))
    return {row[0]: row[1] for row in rows}


def count_registered(insured_person_ids: Sequence[UUID]) -> int:
    linked = InsuredPerson.id.in_(insured_person_ids) & InsuredPerson.account_id.is_not(None)
    return db.session.scalar(select(func.count()).select_from(InsuredPerson).where(linked)) or 0
