"""What was answered to a request of the API with an Idempotency-Key, so that the same request is done once."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from idp.models import api_client  # noqa: F401 - a foreign key takes its type from the key it points to
from idp.models.base import Base


class ApiReply(Base):
    """One key of one client. `status` is empty while the request is being done."""

    __tablename__ = "api_reply"

    key_hash: Mapped[str] = mapped_column(primary_key=True)
    api_client_id: Mapped[UUID] = mapped_column(ForeignKey("api_client.id"), index=True)
    request_hash: Mapped[str]
    status: Mapped[int | None]
    sealed_answer: Mapped[str | None]
    started_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
