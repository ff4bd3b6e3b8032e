"""Mail, SMS and logout notices to be delivered, written in the transaction that caused them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, and_, or_, select, text, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base, db, write

IS_SETTLED = text("settled_at IS NOT NULL")


class OutboxMessage(Base):
    """One message. Recipient and content are sealed, and wiped once it is delivered, expired or given up."""

    __tablename__ = "outbox_message"
    __table_args__ = (
        Index("ix_outbox_message_due", "state", "due_at"),
        Index("ix_outbox_message_listed", "channel", "id"),
        Index("ix_outbox_message_made", "created_at", "channel", "state"),
        Index("ix_outbox_message_sent", "portal_id", "channel", "created_at"),
        Index("ix_outbox_message_settled_at", "settled_at", sqlite_where=IS_SETTLED, postgresql_where=IS_SETTLED),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str]  # "mail", "sms", "logout" or "webhook"
    portal_id: Mapped[UUID | None] = mapped_column(ForeignKey("portal.id"))
    state: Mapped[str] = mapped_column(default="waiting")  # waiting, sending, sent, expired, dead, dropped
    sealed_content: Mapped[str | None]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]  # no code is sent after its life
    tries: Mapped[int] = mapped_column(default=0)
    settled_at: Mapped[datetime | None]
    gateway: Mapped[str | None]  # of an SMS, which of the two took it: "provider" or "fallback"
    last_error: Mapped[str | None]  # class of the failure, never an address
    run_id: Mapped[UUID | None] = mapped_column(index=True)  # the journey, or the ended session, that waits for it


@dataclass(frozen=True)
class Attempt:
    """One try at a message. Each has its number: whoever took the message later has a higher one."""

    id: UUID
    number: int


def take_message(channel: str, now: datetime, lease: timedelta) -> Attempt | None:
    """Take the oldest message that is due, by one conditional UPDATE; when the lease ends, another may take it."""
    is_due = _is_due(channel, now)
    while True:
        ident = db.session.scalar(select(OutboxMessage.id).where(is_due).order_by(OutboxMessage.created_at).limit(1))
        if ident is None:
            return None
        number = db.session.scalar(
            update(OutboxMessage)
            .where(OutboxMessage.id == ident, is_due)
            .values(state="sending", due_at=now + lease, tries=OutboxMessage.tries + 1)
            .returning(OutboxMessage.tries)
            .execution_options(synchronize_session=False)
        )
        db.session.commit()
        if number is not None:  # else another worker was faster
            return Attempt(ident, number)


def hurry(now: datetime, portal_ids: Collection[UUID] | None = None) -> int:
    """Make due at once what waits for a later try, at these portals or everywhere; how many messages."""
    waiting = update(OutboxMessage).where(OutboxMessage.state == "waiting")
    if portal_ids is not None:
        waiting = waiting.where(OutboxMessage.portal_id.in_(portal_ids))
    return write(waiting.values(due_at=now).execution_options(synchronize_session=False))


def end_attempt(attempt: Attempt, *, is_sent: bool, **values: Any) -> bool:
    """Write down how a try ended, and commit; False where that counts no more.

    A failure counts while the lease is held: after that the message is another's, who may be sending it or have sent
    it. That a message was sent is a fact, whoever holds it now, and saves it from being sent again.
    """
    holds = and_(OutboxMessage.state == "sending", OutboxMessage.tries == attempt.number)
    done = write(
        update(OutboxMessage)
        .where(OutboxMessage.id == attempt.id, OutboxMessage.settled_at.is_(None) if is_sent else holds)
        .values(**values)
        .execution_options(synchronize_session=False)
    )
    db.session.commit()
    return done == 1


def _is_due(channel: str, now: datetime) -> ColumnElement[bool]:
    return and_(
        OutboxMessage.channel == channel,
        or_(OutboxMessage.state == "waiting", OutboxMessage.state == "sending"),
        OutboxMessage.due_at <= now,
    )
