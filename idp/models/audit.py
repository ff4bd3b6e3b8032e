"""What happened, to whom and when: one line an event, its tag of a closed list (services/audit.py)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Index, select, text
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base, db

LATE = timedelta(minutes=10)  # longer than any transaction lives: what commits late is still linked
IS_KEPT = text("redacted_at IS NULL")
IS_LOCK = text("tag = 'person:attempts:exhaust'")


class AuditEvent(Base):
    __tablename__ = "audit_event"
    __table_args__ = (
        Index("ix_audit_event_lock", "at", sqlite_where=IS_LOCK, postgresql_where=IS_LOCK),
        Index("ix_audit_event_tagged", "tag", "id"),
        Index("ix_audit_event_portal", "portal_id", "id"),  # a small fund follows its own events among many
        Index("ix_audit_event_kept", "tag", "at", sqlite_where=IS_KEPT, postgresql_where=IS_KEPT),
        {"postgresql_partition_by": "RANGE (at)"},  # by month: idp/models/audit_months.py
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(primary_key=True, index=True)  # part of the key, since it tells the partition
    tag: Mapped[str]
    account_id: Mapped[UUID | None] = mapped_column(index=True)
    insured_person_id: Mapped[UUID | None] = mapped_column(index=True)
    portal_id: Mapped[UUID | None]
    request_id: Mapped[str | None]
    actor_id: Mapped[UUID | None] = mapped_column(index=True)  # the operator in the console; empty for everybody else
    detail: Mapped[dict[str, Any]]
    mac: Mapped[str | None]  # over the whole row (services/audit_chain.py); empty for what is older than the chain
    redacted_at: Mapped[datetime | None]  # since when whom it concerned and its detail are empty
    redaction: Mapped[str | None]  # the MAC over what was left, and over the one above


class AuditLink(Base):
    """One link of the chain: its number, the event it holds, and a MAC over both and the link before."""

    __tablename__ = "audit_link"

    number: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    event_id: Mapped[UUID] = mapped_column(unique=True)
    at: Mapped[datetime]  # of the event: where to look for those that are not linked yet
    mac: Mapped[str]


def newest_link() -> AuditLink | None:
    return db.session.scalar(select(AuditLink).order_by(AuditLink.number.desc()).limit(1))


def unlinked_events(since: datetime, most: int) -> list[AuditEvent]:
    """Events after `since` that no link holds yet, in the order of their making."""
    held = select(AuditLink.event_id).where(AuditLink.event_id == AuditEvent.id)
    found = select(AuditEvent).where(AuditEvent.at >= since, AuditEvent.mac.is_not(None), ~held.exists())
    return list(db.session.scalars(found.order_by(AuditEvent.at, AuditEvent.id).limit(most)))
