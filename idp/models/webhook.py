"""Where a portal wants to hear of events, and the log of what was sent there."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base
from idp.models.portal import Portal  # noqa: F401 - a foreign key takes its type from the key it points to


class Webhook(Base):
    """One address of a portal. While two secrets are good, every message bears a signature of each."""

    __tablename__ = "webhook"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"), index=True)
    url: Mapped[str]
    events: Mapped[list[str]]
    sealed_secret: Mapped[str]
    sealed_previous_secret: Mapped[str | None]
    previous_secret_until: Mapped[datetime | None]
    created_at: Mapped[datetime]
    answered_at: Mapped[datetime | None]  # when it last took a message
    failing_since: Mapped[datetime | None]  # the first try that failed after that
    disabled_at: Mapped[datetime | None]


class WebhookDelivery(Base):
    """One message to one address; its state is that of the message in the outbox of the same id.

    `event_id` is the same when a message is sent again by hand, so that the receiver can tell.
    """

    __tablename__ = "webhook_delivery"
    __table_args__ = (Index("ix_webhook_delivery_webhook", "webhook_id", "id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    webhook_id: Mapped[UUID] = mapped_column(ForeignKey("webhook.id", ondelete="CASCADE"))
    event_id: Mapped[UUID]
    event: Mapped[str]
    payload: Mapped[dict[str, Any]]  # ids alone
    created_at: Mapped[datetime] = mapped_column(index=True)
    answer: Mapped[int | None]  # the last status that came back
