"""A change of many registration codes at once, which the worker makes piece by piece."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ForeignKey, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.models.base import Base, db, write
from idp.models.portal import Portal


class CodeChange(Base):
    """Void or extend every code of a portal that is in a state; `last_id` is the code where the worker has come to."""

    __tablename__ = "code_change"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"), index=True)
    action: Mapped[str]
    code_state: Mapped[str]
    until: Mapped[date | None]
    made_by: Mapped[UUID]
    made_at: Mapped[datetime]
    count: Mapped[int]
    done: Mapped[int]
    last_id: Mapped[UUID | None]
    finished_at: Mapped[datetime | None]
    taken_until: Mapped[datetime | None]

    portal: Mapped[Portal] = relationship()


def take_change(now: datetime, lease: timedelta) -> UUID | None:
    """A change that waits for the worker, for this long."""
    is_free = (CodeChange.finished_at.is_(None), or_(CodeChange.taken_until.is_(None), CodeChange.taken_until <= now))
    ident = db.session.scalar(select(CodeChange.id).where(*is_free).order_by(CodeChange.made_at).limit(1))
    if ident is None:
        return None
    taken = update(CodeChange).where(CodeChange.id == ident, *is_free).values(taken_until=now + lease)
    is_mine = write(taken.execution_options(synchronize_session=False)) == 1
    db.session.commit()
    return ident if is_mine else None


def move_on(change: CodeChange, last_id: UUID, done: int, until: datetime) -> bool:
    """The worker has come to this code; False where another one was faster."""
    from_here = CodeChange.last_id.is_(None) if change.last_id is None else CodeChange.last_id == change.last_id
    moved = update(CodeChange).where(CodeChange.id == change.id, CodeChange.finished_at.is_(None), from_here)
    values = {"last_id": last_id, "done": CodeChange.done + done, "taken_until": until}
    return write(moved.values(**values).execution_options(synchronize_session=False)) == 1


def finish_change(change_id: UUID, now: datetime) -> None:
    finished = update(CodeChange).where(CodeChange.id == change_id)
    write(finished.values(finished_at=now, taken_until=None).execution_options(synchronize_session=False))
