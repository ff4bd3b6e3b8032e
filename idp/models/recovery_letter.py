"""Letters with a new code that people ask for who lost their second factor (ux.md §4.3 H2)."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, and_, exists, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.models.account import Account
from idp.models.base import Base, db, write
from idp.models.person import InsuredPerson, RegistrationCode

WAITS_FOR = timedelta(days=30)  # a request that nobody printed in this time has lapsed


class RecoveryLetter(Base):
    """Asked for, printed, used; or cancelled, or over. Its code is made when it is printed, so none waits here."""

    __tablename__ = "recovery_letter"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"), index=True)
    insured_person_id: Mapped[UUID] = mapped_column(ForeignKey("insured_person.id"), index=True)
    cancel_hash: Mapped[str] = mapped_column(unique=True)  # of what stands in the link of the mail
    requested_at: Mapped[datetime] = mapped_column(index=True)
    printed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]
    code_id: Mapped[UUID | None] = mapped_column(ForeignKey("registration_code.id"), index=True)
    print_id: Mapped[UUID | None] = mapped_column(ForeignKey("recovery_print.id"), index=True)
    print_number: Mapped[int | None]  # in its pile, from 1 on
    code_hash: Mapped[str | None]  # while its pile is set and not printed

    person: Mapped[InsuredPerson] = relationship()
    code: Mapped[RegistrationCode | None] = relationship()

    def state(self, now: datetime) -> str:
        """One word for operators: used, cancelled, expired, printed or waiting."""
        if self.code is not None and self.code.redeemed_at:
            return "used"
        if self.cancelled_at or (self.code is not None and self.code.revoked_at):
            return "cancelled"
        is_over = self.code.expires_at <= now if self.code is not None else self.requested_at <= now - WAITS_FOR
        return "expired" if is_over else "printed" if self.printed_at else "waiting"


def waits(now: datetime) -> ColumnElement[bool]:
    """Letters to be printed: neither cancelled nor too old, of an account that is open and still has this record."""
    is_the_owners = exists().where(
        InsuredPerson.id == RecoveryLetter.insured_person_id,
        InsuredPerson.account_id == RecoveryLetter.account_id,
        Account.id == RecoveryLetter.account_id,
        Account.status == "active",
    )
    return and_(
        RecoveryLetter.printed_at.is_(None),
        RecoveryLetter.cancelled_at.is_(None),
        RecoveryLetter.requested_at > now - WAITS_FOR,
        is_the_owners,
    )


def is_open(now: datetime) -> ColumnElement[bool]:
    """Letters that may still let somebody in: to be printed, or printed and with a good code."""
    is_good = exists().where(
        RegistrationCode.id == RecoveryLetter.code_id,
        RegistrationCode.redeemed_at.is_(None),
        RegistrationCode.revoked_at.is_(None),
        RegistrationCode.expires_at > now,
    )
    return and_(RecoveryLetter.cancelled_at.is_(None), or_(waits(now), is_good))


def mark_printed(letter_id: UUID, code_id: UUID | None, now: datetime, print_id: UUID | None = None) -> bool:
    """Give a letter that waits in this pile, or in none, its code; False when it was cancelled or printed meanwhile
    (one conditional write).
    """
    done = write(
        update(RecoveryLetter)
        .where(RecoveryLetter.id == letter_id, RecoveryLetter.print_id == print_id, waits(now))
        .values(printed_at=now, code_id=code_id, code_hash=None)
        .execution_options(synchronize_session=False)
    )
    return done == 1


def find_by_cancel_hash(cancel_hash: str) -> RecoveryLetter | None:
    from_hash = select(RecoveryLetter).where(RecoveryLetter.cancel_hash == cancel_hash)
    return db.session.scalar(from_hash.execution_options(populate_existing=True))
