"""A letter that waits for its printing: its code is made when it is printed, so until then there is none to be seen."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, func, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base, db, write

IS_WAITING = text("printed_at IS NULL AND cancelled_at IS NULL")


class LetterOrder(Base):
    """That an operator asked for a new letter; one at a time for each person."""

    __tablename__ = "letter_order"
    __table_args__ = (
        Index(
            "uq_letter_order_waiting", "insured_person_id", unique=True, sqlite_where=IS_WAITING,
            postgresql_where=IS_WAITING,
        ),
        Index("ix_letter_order_ordered_by", "ordered_by", "ordered_at"),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True)
    insured_person_id: Mapped[UUID] = mapped_column(ForeignKey("insured_person.id"), index=True)
    ordered_by: Mapped[UUID]
    ordered_at: Mapped[datetime]
    printed_at: Mapped[datetime | None]
    cancelled_at: Mapped[datetime | None]


def waiting_order(person_id: UUID) -> LetterOrder | None:
    """The letter of this person that is to be printed."""
    return db.session.scalar(select(LetterOrder).where(LetterOrder.insured_person_id == person_id, IS_WAITING))


def settle_orders(person_ids: Sequence[UUID], **when: datetime) -> int:
    """These persons' letters are printed, or cancelled; returns how many waited."""
    waiting = update(LetterOrder).where(LetterOrder.insured_person_id.in_(person_ids), IS_WAITING)
    return write(waiting.values(**when))


def count_orders(operator_id: UUID, since: datetime) -> int:
    """How many letters an operator asked for."""
    mine = (LetterOrder.ordered_by == operator_id, LetterOrder.ordered_at > since)
    return db.session.scalar(select(func.count()).select_from(LetterOrder).where(*mine)) or 0
