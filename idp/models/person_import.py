"""A file of insured persons on its way into a portal's records: what it holds, how far it is, and how it is undone."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, and_, delete, exists, or_, select, text, update
from sqlalchemy.orm import Mapped, aliased, mapped_column

from idp.models.base import Base, db, write

UPLOADED, CHECKING, CHECKED = "uploaded", "checking", "checked"
RUNNING, PAUSED, DONE = "running", "paused", "done"
CANCELLED, FAILED, UNDOING, UNDONE = "cancelled", "failed", "undoing", "undone"
WORKED_ON = (CHECKING, RUNNING, UNDOING)
WAITING = (UPLOADED, CHECKED)  # for an operator
ENDED = (DONE, CANCELLED, FAILED, UNDONE)
IS_WORKED_ON = text("state IN ('checking', 'running', 'undoing')")


class PersonImport(Base):
    """One file for one portal: uploaded, checking, checked, running or paused, done; cancelled, failed or undone.

    Counts are of the dry run until it is confirmed, and of what was written from then on.
    """

    __tablename__ = "person_import"
    __table_args__ = (
        Index("ix_person_import_listed", "portal_id", "id"),
        Index("ix_person_import_worked_on", "id", sqlite_where=IS_WORKED_ON, postgresql_where=IS_WORKED_ON),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"))
    source: Mapped[str]  # "console", "feed" or "folder"
    file_name: Mapped[str]
    size: Mapped[int]
    state: Mapped[str]
    sealed_headings: Mapped[str | None]  # with the first row, to recognise columns by
    fields: Mapped[list[str] | None]  # what each column holds
    starts_itself: Mapped[bool] = mapped_column(default=False)  # where the dry run finds nothing wrong
    good_only: Mapped[bool] = mapped_column(default=False)  # rows that are wrong are passed over
    rows: Mapped[int] = mapped_column(default=0)
    position: Mapped[int] = mapped_column(default=0)  # how many rows are dealt with
    new: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    errors: Mapped[int] = mapped_column(default=0)
    left_out: Mapped[int] = mapped_column(default=0)  # persons of the portal who are not in the file
    left_ids: Mapped[list[str] | None]
    changed_fields: Mapped[dict[str, Any] | None]  # field → in how many records
    sealed_errors: Mapped[str | None]
    fault: Mapped[str | None]  # why the file is no table, or what stopped the job
    fault_named: Mapped[dict[str, str] | None]
    kept: Mapped[int] = mapped_column(default=0)  # records that could not be undone
    made_by: Mapped[UUID | None]
    made_at: Mapped[datetime]
    confirmed_by: Mapped[UUID | None]
    confirmed_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    tries: Mapped[int] = mapped_column(default=0)  # whoever took it later has a higher one
    held_until: Mapped[datetime | None]


class ImportChunk(Base):
    """A piece of the file, sealed; gone as soon as nobody needs it."""

    __tablename__ = "import_chunk"

    import_id: Mapped[UUID] = mapped_column(ForeignKey("person_import.id", ondelete="CASCADE"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True)
    sealed_data: Mapped[str]


class ImportBatch(Base):
    """What one step of a job wrote, and what stood there before; for as long as it may be undone."""

    __tablename__ = "import_batch"

    import_id: Mapped[UUID] = mapped_column(ForeignKey("person_import.id", ondelete="CASCADE"), primary_key=True)
    position: Mapped[int] = mapped_column(primary_key=True)
    written_at: Mapped[datetime]
    sealed_before: Mapped[str]


class ImportMapping(Base):
    """What the columns of a portal's files were chosen to hold: by MACs of their names, which nobody can read."""

    __tablename__ = "import_mapping"

    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"), primary_key=True)
    columns: Mapped[dict[str, str]]


class ImportToken(Base):
    """What lets a fund's own system send files for its portal; only a hash."""

    __tablename__ = "import_token"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"), index=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    made_by: Mapped[UUID | None]
    made_at: Mapped[datetime]
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


def take_import(now: datetime, lease: timedelta) -> tuple[UUID, int] | None:
    """Take the oldest import that a worker is needed for, by one conditional UPDATE; its number of tries is proof of
    holding it. Of one portal only one is worked on at a time.
    """
    other = aliased(PersonImport)
    is_busy = exists().where(
        other.portal_id == PersonImport.portal_id, other.id != PersonImport.id, other.state.in_(WORKED_ON),
        other.held_until > now,
    )  # fmt: skip
    is_due = and_(PersonImport.state.in_(WORKED_ON), _is_free(now), ~is_busy)
    while True:
        ident = db.session.scalar(select(PersonImport.id).where(is_due).order_by(PersonImport.id).limit(1))
        if ident is None:
            db.session.rollback()
            return None
        tries = db.session.scalar(
            update(PersonImport)
            .where(PersonImport.id == ident, PersonImport.state.in_(WORKED_ON), _is_free(now))
            .values(held_until=now + lease, tries=PersonImport.tries + 1)
            .returning(PersonImport.tries)
            .execution_options(synchronize_session=False)
        )
        db.session.commit()
        if tries is not None:  # else another worker was faster
            return ident, tries


def _is_free(now: datetime) -> ColumnElement[bool]:
    return or_(PersonImport.held_until.is_(None), PersonImport.held_until <= now)


def keep_hold(import_id: UUID, tries: int, before: str, **values: Any) -> bool:
    """Write down how far the work is, if it is still ours and still wanted; the caller commits it with the work."""
    done = write(
        update(PersonImport)
        .where(PersonImport.id == import_id, PersonImport.tries == tries, PersonImport.state == before)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    return done == 1


def change_state(import_id: UUID, before: tuple[str, ...], after: str, **values: Any) -> bool:
    """Lead an import on, if it stands where it was seen."""
    done = write(
        update(PersonImport)
        .where(PersonImport.id == import_id, PersonImport.state.in_(before))
        .values(state=after, held_until=None, **values)
        .execution_options(synchronize_session=False)
    )
    return done == 1


def forget_file(import_id: UUID) -> None:
    """The contents are needed no more."""
    db.session.execute(delete(ImportChunk).where(ImportChunk.import_id == import_id))


def has_batches(import_id: UUID) -> bool:
    """Whether there is anything that may be undone."""
    return (
        db.session.scalar(select(ImportBatch.position).where(ImportBatch.import_id == import_id).limit(1)) is not None
    )


def live_tokens(portal_id: UUID) -> list[ImportToken]:
    mine = (ImportToken.portal_id == portal_id, ImportToken.revoked_at.is_(None))
    return list(db.session.scalars(select(ImportToken).where(*mine).order_by(ImportToken.id)))
