"""A list of the console on its way into a file: what was asked for, how far the worker is, and the sealed pieces."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, delete, or_, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base, db, write

RUNNING, DONE = "running", "done"
CANCELLED, FAILED, EXPIRED = "cancelled", "failed", "expired"
LIVE = (RUNNING, DONE)


class ListExport(Base):
    """One file for one operator. The worker walks the list portal by portal, each from its newest row to its oldest:
    `portal_at` and `last_id` are where it is, `written` how many rows of each portal it has put into the file.
    """

    __tablename__ = "list_export"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    listing: Mapped[str]
    filters: Mapped[dict[str, str]]
    portals: Mapped[list[str]]  # their ids; "" stands for what belongs to none
    reason: Mapped[str | None]
    language: Mapped[str]
    state: Mapped[str]
    count: Mapped[int]  # rows, when it was asked for
    done: Mapped[int] = mapped_column(default=0)
    written: Mapped[dict[str, Any]]
    portal_at: Mapped[int] = mapped_column(default=0)
    last_id: Mapped[UUID | None]
    pieces: Mapped[int] = mapped_column(default=0)
    size: Mapped[int] = mapped_column(default=0)  # bytes
    made_at: Mapped[datetime] = mapped_column(index=True)
    finished_at: Mapped[datetime | None]
    expires_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)  # whoever took it later has a higher one
    held_until: Mapped[datetime | None]


class ExportPiece(Base):
    """A part of the file, sealed; gone as soon as the file is."""

    __tablename__ = "export_piece"

    export_id: Mapped[UUID] = mapped_column(ForeignKey("list_export.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    sealed_data: Mapped[str]


def take_export(now: datetime, lease: timedelta) -> tuple[UUID, int] | None:
    """Take the oldest export that waits for a worker, by one conditional UPDATE; its number of tries is proof of
    holding it.
    """
    is_due = (ListExport.state == RUNNING, _is_free(now))
    while True:
        ident = db.session.scalar(select(ListExport.id).where(*is_due).order_by(ListExport.id).limit(1))
        if ident is None:
            db.session.rollback()
            return None
        tries = db.session.scalar(
            update(ListExport)
            .where(ListExport.id == ident, *is_due)
            .values(held_until=now + lease, tries=ListExport.tries + 1)
            .returning(ListExport.tries)
            .execution_options(synchronize_session=False)
        )
        db.session.commit()
        if tries is not None:  # else another worker was faster
            return ident, tries


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(ListExport.held_until.is_(None), ListExport.held_until <= now)


def keep_export(export_id: UUID, tries: int, **values: Any) -> bool:
    """Write down how far the work is, if it is still ours and still wanted; the caller commits it with the work."""
    is_ours = (ListExport.id == export_id, ListExport.tries == tries, ListExport.state == RUNNING)
    kept = update(ListExport).where(*is_ours).values(**values)
    return write(kept.execution_options(synchronize_session=False)) == 1


def end_export(export_id: UUID, before: tuple[str, ...], after: str, now: datetime) -> bool:
    """Lead it to its end, if it stands where it was seen; its pieces are wiped with it."""
    ended = update(ListExport).where(ListExport.id == export_id, ListExport.state.in_(before))
    values = {"state": after, "held_until": None, "finished_at": now}
    if write(ended.values(**values).execution_options(synchronize_session=False)) != 1:
        return False
    db.session.execute(delete(ExportPiece).where(ExportPiece.export_id == export_id))
    return True


def exports_of(account_id: UUID, most: int) -> list[ListExport]:
    """What this operator asked for, the newest first."""
    found = select(ListExport).where(ListExport.account_id == account_id)
    return list(db.session.scalars(found.order_by(ListExport.id.desc()).limit(most)))
