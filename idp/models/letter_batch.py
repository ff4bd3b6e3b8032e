"""Batches of letters: drafted, approved by a second person, set by the worker, printed, posted; and their letters.

No code stands here: of a letter that is set there is the keyed hash, and the sealed PDF, until the batch is confirmed
as printed. Then the codes become valid, and both are wiped.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, UniqueConstraint, case, delete, func, or_, select, text, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.models.base import Base, db, write
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal

IS_UNSETTLED = text("settled_at IS NULL")


class BatchState(StrEnum):
    DRAFT = "draft"
    APPROVED = "approved"  # the worker sets it
    SET = "set"  # the PDF waits for its printing; no code is valid
    PRINTED = "printed"
    POSTED = "posted"
    CANCELLED = "cancelled"


class Outcome(StrEnum):
    """What became of a letter when its batch ended or was printed."""

    VALID = "valid"
    OVERTAKEN = "overtaken"  # its person registered, got another code, or the desk voided it: to be taken out
    UNPRINTABLE = "unprintable"  # a character that no typeface of the letter has
    CANCELLED = "cancelled"


class LetterBatch(Base):
    """Who made, approved, printed or ended it is empty where that was the command line; `cancelled_by` also where the
    worker ended a batch that nobody printed in time.
    """

    __tablename__ = "letter_batch"
    __table_args__ = (UniqueConstraint("portal_id", "number"), Index("ix_letter_batch_state", "state", "id"))

    id: Mapped[UUID] = mapped_column(primary_key=True)
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"))
    number: Mapped[int]
    mark: Mapped[str] = mapped_column(unique=True)  # with which the references of its letters begin
    kind: Mapped[str]
    language: Mapped[str | None]  # of all its letters, where it was chosen by language
    window: Mapped[str]
    state: Mapped[str]
    count: Mapped[int]
    made_by: Mapped[UUID | None]
    made_at: Mapped[datetime]
    approved_by: Mapped[UUID | None]
    approved_at: Mapped[datetime | None]
    last_day: Mapped[date | None]  # that stands on the letters
    set_at: Mapped[datetime | None]
    printed_by: Mapped[UUID | None]
    printed_at: Mapped[datetime | None]
    issued_at: Mapped[datetime | None]  # when the last of its codes had become valid
    posted_on: Mapped[date | None]
    cancelled_by: Mapped[UUID | None]
    cancelled_at: Mapped[datetime | None]
    taken_until: Mapped[datetime | None]  # the lease of the worker that works on it

    portal: Mapped[Portal] = relationship()


class BatchLetter(Base):
    """One letter. A person is in one batch at a time, until the letter is settled."""

    __tablename__ = "batch_letter"
    __table_args__ = (
        Index("ix_batch_letter_in_order", "batch_id", "number"),
        Index(
            "uq_batch_letter_unsettled", "insured_person_id", unique=True, sqlite_where=IS_UNSETTLED,
            postgresql_where=IS_UNSETTLED,
        ),
        Index("ix_batch_letter_person", "insured_person_id"),
    )  # fmt: skip

    id: Mapped[UUID] = mapped_column(primary_key=True)
    batch_id: Mapped[UUID] = mapped_column(ForeignKey("letter_batch.id"))
    insured_person_id: Mapped[UUID] = mapped_column(ForeignKey("insured_person.id"))
    number: Mapped[int | None]  # in the batch, from 1 on; empty for one that was left out
    reference: Mapped[str] = mapped_column(unique=True)  # stands on the letter; opens nothing
    code_hash: Mapped[str | None]
    earlier: Mapped[int] = mapped_column(default=0)  # codes the person had when the letter was set
    code_id: Mapped[UUID | None] = mapped_column(ForeignKey("registration_code.id"), unique=True)
    settled_at: Mapped[datetime | None]
    outcome: Mapped[str | None]
    returned_at: Mapped[datetime | None]
    returned_by: Mapped[UUID | None]
    return_reason: Mapped[str | None]

    batch: Mapped[LetterBatch] = relationship()
    person: Mapped[InsuredPerson] = relationship()


class LetterFile(Base):
    """A part of a batch's PDF, sealed."""

    __tablename__ = "letter_file"

    batch_id: Mapped[UUID] = mapped_column(ForeignKey("letter_batch.id"), primary_key=True)
    part: Mapped[int] = mapped_column(primary_key=True)
    first: Mapped[int]  # the numbers of its letters
    last: Mapped[int]
    sealed_pdf: Mapped[str]


def move(batch_id: UUID, allowed: Sequence[BatchState], **values: Any) -> bool:
    """Change a batch that is in one of these states; False where it is not, or somebody was faster."""
    found = (LetterBatch.id == batch_id, LetterBatch.state.in_([one.value for one in allowed]))
    return write(_quietly(update(LetterBatch).where(*found).values(**values))) == 1


def approve(batch_id: UUID, by: UUID, now: datetime) -> bool:
    """By somebody else than whoever made it: the condition stands in the statement itself."""
    by_another = or_(LetterBatch.made_by.is_(None), LetterBatch.made_by != by)
    found = (LetterBatch.id == batch_id, LetterBatch.state == BatchState.DRAFT.value, by_another)
    values = {"state": BatchState.APPROVED.value, "approved_by": by, "approved_at": now}
    return write(_quietly(update(LetterBatch).where(*found).values(**values))) == 1


def take_batch(now: datetime, lease: timedelta) -> UUID | None:
    """A batch that waits for the worker, for this long; of one whose worker died when its lease has ended."""
    is_free = or_(LetterBatch.taken_until.is_(None), LetterBatch.taken_until <= now)
    waits = or_(
        LetterBatch.state == BatchState.APPROVED.value,
        (LetterBatch.state == BatchState.PRINTED.value) & LetterBatch.issued_at.is_(None),
    )
    found = select(LetterBatch.id).where(is_free, waits).order_by(LetterBatch.made_at).limit(1)
    ident = db.session.scalar(found)
    if ident is None:
        return None
    taken = update(LetterBatch).where(LetterBatch.id == ident, is_free, waits).values(taken_until=now + lease)
    is_mine = write(_quietly(taken)) == 1
    db.session.commit()
    return ident if is_mine else None


def next_number(portal_id: UUID) -> int:
    found = db.session.scalar(select(func.max(LetterBatch.number)).where(LetterBatch.portal_id == portal_id))
    return (found or 0) + 1


def letters_between(batch_id: UUID, first: int, last: int) -> list[BatchLetter]:
    """In the order in which they are printed."""
    mine = (BatchLetter.batch_id == batch_id, BatchLetter.number.between(first, last))
    return list(db.session.scalars(select(BatchLetter).where(*mine).order_by(BatchLetter.number)))


def unsettled_letters(batch_id: UUID, most: int) -> list[BatchLetter]:
    mine = (BatchLetter.batch_id == batch_id, BatchLetter.settled_at.is_(None))
    found = select(BatchLetter).where(*mine).order_by(BatchLetter.number).limit(most)
    return list(db.session.scalars(found.with_for_update()))


def is_in_a_batch(person_id: UUID) -> bool:
    """Whether a letter for this person waits to be approved, set or printed."""
    mine = (BatchLetter.insured_person_id == person_id, BatchLetter.settled_at.is_(None))
    return db.session.scalar(select(BatchLetter.id).where(*mine).limit(1)) is not None


def overtake(person_id: UUID, now: datetime) -> int:
    """The letter of this person that waits in a batch shall not be good; how many there were."""
    mine = (BatchLetter.insured_person_id == person_id, BatchLetter.settled_at.is_(None))
    values = {"settled_at": now, "outcome": Outcome.OVERTAKEN.value, "code_hash": None}
    return write(_quietly(update(BatchLetter).where(*mine).values(**values)))


def leave_out(batch_id: UUID, numbers: Sequence[int], now: datetime) -> None:
    """Take letters that cannot be printed out of their batch; the others close up, so that no number is missing."""
    of_batch = BatchLetter.batch_id == batch_id
    left_out = {"number": None, "settled_at": now, "outcome": Outcome.UNPRINTABLE.value, "code_hash": None}
    for number in sorted(numbers, reverse=True):
        write(_quietly(update(BatchLetter).where(of_batch, BatchLetter.number == number).values(**left_out)))
        later = update(BatchLetter).where(of_batch, BatchLetter.number > number)
        write(_quietly(later.values(number=BatchLetter.number - 1)))
    fewer = update(LetterBatch).where(LetterBatch.id == batch_id)
    write(_quietly(fewer.values(count=LetterBatch.count - len(numbers))))


def wipe_files(batch_id: UUID) -> int:
    """Remove the PDFs, so that no plain text of a code is left anywhere here."""
    return write(_quietly(delete(LetterFile).where(LetterFile.batch_id == batch_id)))


def end_letters(batch_id: UUID, now: datetime) -> None:
    """Of a batch that was cancelled: no code was ever valid, and none will be."""
    open_ones = (BatchLetter.batch_id == batch_id, BatchLetter.settled_at.is_(None))
    values = {"settled_at": now, "outcome": Outcome.CANCELLED.value, "code_hash": None}
    write(_quietly(update(BatchLetter).where(*open_ones).values(**values)))


def mark_returned(letter_id: UUID, reason: str, by: UUID | None, now: datetime) -> bool:
    """The post brought it back; False where that is known already."""
    found = (BatchLetter.id == letter_id, BatchLetter.returned_at.is_(None))
    values = {"returned_at": now, "returned_by": by, "return_reason": reason}
    return write(_quietly(update(BatchLetter).where(*found).values(**values))) == 1


def funnel(batch_id: UUID, now: datetime) -> dict[str, int]:
    """How many letters of a batch came how far."""
    code = RegistrationCode

    def counted(condition: Any) -> Any:
        return func.coalesce(func.sum(case((condition, 1), else_=0)), 0)

    is_open = code.redeemed_at.is_(None) & code.revoked_at.is_(None)
    row = db.session.execute(
        select(
            counted(code.id.is_not(None)).label("issued"),
            counted(code.reserved_at.is_not(None) | code.redeemed_at.is_not(None)).label("opened"),
            counted(code.redeemed_at.is_not(None)).label("done"),
            counted(is_open & (code.expires_at <= now)).label("expired"),
            counted(code.revoked_at.is_not(None)).label("voided"),
            counted(BatchLetter.returned_at.is_not(None)).label("returned"),
            counted(BatchLetter.outcome == Outcome.OVERTAKEN.value).label("overtaken"),
            counted(BatchLetter.outcome == Outcome.UNPRINTABLE.value).label("unprintable"),
        )
        .select_from(BatchLetter)
        .outerjoin(code, code.id == BatchLetter.code_id)
        .where(BatchLetter.batch_id == batch_id)
    ).one()
    return {name: int(value) for name, value in row._mapping.items()}


def _quietly(statement: Any) -> Any:
    """Rows that are loaded stay as they were; whoever wants to see the change loads them anew."""
    return statement.execution_options(synchronize_session=False)
