"""What happened, to whom and when: one line an event, its tag of a closed list (services/audit.py)."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base


class AuditEvent(Base):
    __tablename__ = "audit_event"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    at: Mapped[datetime] = mapped_column(index=True)
    tag: Mapped[str]
    account_id: Mapped[UUID | None] = mapped_column(index=True)
    insured_person_id: Mapped[UUID | None] = mapped_column(index=True)
    portal_id: Mapped[UUID | None]
    request_id: Mapped[str | None]
    actor_id: Mapped[UUID | None] = mapped_column(index=True)  # the operator in the console; empty for everybody else
    detail: Mapped[dict[str, Any]]
