"""Mail, SMS and logout notices to be delivered, written in the transaction that caused them."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base


class OutboxMessage(Base):
    """One message. Recipient and content are sealed, and wiped once it is delivered, expired or given up."""

    __tablename__ = "outbox_message"
    __table_args__ = (Index("ix_outbox_message_due", "state", "due_at"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    channel: Mapped[str]  # "mail", "sms" or "logout"
    portal_id: Mapped[UUID | None] = mapped_column(ForeignKey("portal.id"))
    state: Mapped[str] = mapped_column(default="waiting")  # waiting, sending, sent, expired, dead, dropped
    sealed_content: Mapped[str | None]
    created_at: Mapped[datetime]
    due_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]  # no code is sent after its life
    tries: Mapped[int] = mapped_column(default=0)
    settled_at: Mapped[datetime | None]
    last_error: Mapped[str | None]  # class of the failure, never an address
    run_id: Mapped[UUID | None] = mapped_column(index=True)  # the journey, or the ended session, that waits for it
