"""What an operator wrote down of a call: appended, never changed; sealed, for it is about a person."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index, select
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base, db

MOST = 50


class CallNote(Base):
    __tablename__ = "call_note"
    __table_args__ = (Index("ix_call_note_person", "insured_person_id", "written_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    insured_person_id: Mapped[UUID] = mapped_column(ForeignKey("insured_person.id"))
    written_by: Mapped[UUID]
    written_at: Mapped[datetime] = mapped_column(index=True)
    sealed_text: Mapped[str]


def notes_of(person_id: UUID) -> list[CallNote]:
    """The newest notes about a person, newest first."""
    mine = select(CallNote).where(CallNote.insured_person_id == person_id)
    return list(db.session.scalars(mine.order_by(CallNote.written_at.desc(), CallNote.id.desc()).limit(MOST)))
