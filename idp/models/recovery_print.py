"""A pile of recovery letters: set as one sealed PDF, confirmed as printed, posted; or dropped.

Until the printing is confirmed its codes stand in the PDF, and here as their hashes; then the PDF is wiped.
"""

from __future__ import annotations

from datetime import date, datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.models.base import Base, db, write
from idp.models.portal import Portal
from idp.models.recovery_letter import RecoveryLetter, waits


class PrintState(StrEnum):
    SET = "set"
    PRINTED = "printed"
    POSTED = "posted"
    DROPPED = "dropped"


class RecoveryPrint(Base):
    """`ended_by` is empty where the worker dropped what nobody printed in time."""

    __tablename__ = "recovery_print"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"), index=True)
    state: Mapped[str]
    count: Mapped[int]
    last_day: Mapped[date]  # that stands on the letters
    sealed_pdf: Mapped[str | None]
    made_by: Mapped[UUID]
    made_at: Mapped[datetime]
    ended_by: Mapped[UUID | None]
    ended_at: Mapped[datetime | None]  # printed or dropped
    posted_on: Mapped[date | None]

    portal: Mapped[Portal] = relationship()


def move_print(print_id: UUID, allowed: PrintState, **values: Any) -> bool:
    """Lead a pile out of this state; False where it is in another, or somebody was faster."""
    found = (RecoveryPrint.id == print_id, RecoveryPrint.state == allowed.value)
    changed = update(RecoveryPrint).where(*found).values(**values)
    return write(changed.execution_options(synchronize_session=False)) == 1


def letters_of_print(print_id: UUID) -> list[RecoveryLetter]:
    """In the order in which they lie."""
    mine = select(RecoveryLetter).where(RecoveryLetter.print_id == print_id).order_by(RecoveryLetter.print_number)
    return list(db.session.scalars(mine.execution_options(populate_existing=True)))


def put_in_print(letter_id: UUID, print_id: UUID, number: int, code_hash: str, now: datetime) -> bool:
    """Lay a letter that waits into a pile; False where it was cancelled or printed meanwhile."""
    free = (RecoveryLetter.id == letter_id, RecoveryLetter.print_id.is_(None), waits(now))
    values = {"print_id": print_id, "print_number": number, "code_hash": code_hash}
    changed = update(RecoveryLetter).where(*free).values(**values)
    return write(changed.execution_options(synchronize_session=False)) == 1


def empty_print(print_id: UUID) -> None:
    """Of a pile that was dropped: what is not cancelled waits again."""
    values = {"print_id": None, "print_number": None, "code_hash": None}
    mine = update(RecoveryLetter).where(RecoveryLetter.print_id == print_id).values(**values)
    write(mine.execution_options(synchronize_session=False))
