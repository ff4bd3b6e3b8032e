"""The reset of a second factor that two operators agreed on for a caller (idp/services/factor_resets.py)."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import (
    CheckConstraint,
    ColumnElement,
    ForeignKey,
    Index,
    Select,
    Table,
    and_,
    bindparam,
    func,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.orm import Mapped, mapped_column, relationship

from idp.models.base import Base, UTCDateTime, db, write
from idp.models.person import InsuredPerson
from idp.models.prepared import Prepared

APPROVED_WITHIN = timedelta(days=3)
COOLING = timedelta(hours=24)
GOOD_FOR = timedelta(days=7)  # after the cooling-off
IS_OPEN = text("ended_at IS NULL")


class FactorReset(Base):
    """Asked for by one operator, approved by another; then it waits, may be used once, or is stopped.

    The database itself refuses one person in two roles. `end` is empty while it is open: stopped, used or lapsed.
    """

    __tablename__ = "factor_reset"
    __table_args__ = (
        CheckConstraint(
            "asked_by <> account_id AND (approved_by IS NULL OR approved_by NOT IN (asked_by, account_id))",
            name="two_others",
        ),
        Index("uq_factor_reset_open", "insured_person_id", unique=True, sqlite_where=IS_OPEN, postgresql_where=IS_OPEN),
        Index("ix_factor_reset_asked_by", "asked_by", "asked_at"),
        Index("ix_factor_reset_approved_by", "approved_by", "approved_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    insured_person_id: Mapped[UUID] = mapped_column(ForeignKey("insured_person.id"), index=True)
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"), index=True)
    reason: Mapped[str]
    asked_by: Mapped[UUID]
    asked_at: Mapped[datetime] = mapped_column(index=True)
    approved_by: Mapped[UUID | None]
    approved_at: Mapped[datetime | None]
    stop_hash: Mapped[str | None] = mapped_column(unique=True)  # of what stands in the link of the mail
    ended_at: Mapped[datetime | None]
    end: Mapped[str | None]

    person: Mapped[InsuredPerson] = relationship()

    @property
    def ready_at(self) -> datetime | None:
        """From when on it may be used; None before it is approved."""
        return self.approved_at + COOLING if self.approved_at else None

    @property
    def lapses_at(self) -> datetime:
        """When it is over by itself."""
        return self.approved_at + COOLING + GOOD_FOR if self.approved_at else self.asked_at + APPROVED_WITHIN

    def state(self, now: datetime) -> str:
        """One word: asked, cooling, ready; or how it ended."""
        if self.end:
            return self.end
        if now >= self.lapses_at:
            return "lapsed"
        if self.ready_at is None:
            return "asked"
        return "ready" if now >= self.ready_at else "cooling"


def lives(now: datetime) -> ColumnElement[bool]:
    """Neither ended nor over by itself; false, never unknown, where it does not: its opposite is asked for too."""
    return and_(
        FactorReset.ended_at.is_(None),
        or_(
            and_(FactorReset.approved_at.is_(None), FactorReset.asked_at > now - APPROVED_WITHIN),
            and_(FactorReset.approved_at.is_not(None), FactorReset.approved_at > now - COOLING - GOOD_FOR),
        ),
    )


def is_ready(now: datetime) -> ColumnElement[bool]:
    """Approved, cooled off, and not over."""
    return and_(
        FactorReset.ended_at.is_(None),
        FactorReset.approved_at <= now - COOLING,
        FactorReset.approved_at > now - COOLING - GOOD_FOR,
    )


def approve(reset_id: UUID, by: UUID, stop_hash: str, now: datetime) -> bool:
    """One conditional write: by another account than the one that asked and the person's own, while it waits."""
    waits = (FactorReset.approved_at.is_(None), FactorReset.asked_by != by, FactorReset.account_id != by)
    return _change(reset_id, *waits, lives(now), approved_by=by, approved_at=now, stop_hash=stop_hash)


def use(reset_id: UUID, now: datetime) -> bool:
    """Use it up, once; False where it was stopped or used this very moment."""
    return _change(reset_id, is_ready(now), ended_at=now, end="used")


def stop(reset_id: UUID, now: datetime) -> bool:
    """End it; False where it was used, or ended before."""
    return _change(reset_id, FactorReset.ended_at.is_(None), ended_at=now, end="stopped")


def end_lapsed(person_id: UUID, now: datetime) -> None:
    """End the one of this person that nobody approved or used in time."""
    lapsed = (FactorReset.insured_person_id == person_id, FactorReset.ended_at.is_(None), ~lives(now))
    ended = update(FactorReset).where(*lapsed).values(ended_at=now, end="lapsed")
    write(ended.execution_options(synchronize_session=False))


RESET = cast(Table, FactorReset.__table__)
STOP_ALL = Prepared(  # asked at every sign-in
    update(RESET)
    .where(RESET.c.account_id == bindparam("account"), RESET.c.ended_at.is_(None))
    .values(ended_at=bindparam("now", type_=UTCDateTime()), end="stopped")
    .returning(RESET.c.id)
)


def stop_all(account_id: UUID, now: datetime) -> list[UUID]:
    """Stop every open one of an account; which those were."""
    return [row.id for row in STOP_ALL.all(account=account_id, now=now)]


def count_deeds(operator_id: UUID, since: datetime) -> int:
    """How many an operator asked for and approved."""
    asked = and_(FactorReset.asked_by == operator_id, FactorReset.asked_at > since)
    approved = and_(FactorReset.approved_by == operator_id, FactorReset.approved_at > since)
    return sum(
        db.session.scalar(select(func.count()).select_from(FactorReset).where(one)) or 0 for one in (asked, approved)
    )


def newest_of(person_id: UUID) -> Select[FactorReset]:
    return (
        select(FactorReset)
        .where(FactorReset.insured_person_id == person_id)
        .order_by(FactorReset.asked_at.desc(), FactorReset.id.desc())
        .limit(1)
    )


def living_at(portals: Collection[UUID], now: datetime) -> list[FactorReset]:
    """Those that wait for something, oldest first."""
    found = select(FactorReset).where(FactorReset.portal_id.in_(portals), lives(now))
    return list(db.session.scalars(found.order_by(FactorReset.asked_at, FactorReset.id).limit(200)))


def _change(reset_id: UUID, *where: ColumnElement[bool], **values: object) -> bool:
    changed = update(FactorReset).where(FactorReset.id == reset_id, *where).values(**values)
    return write(changed.execution_options(synchronize_session=False)) == 1
