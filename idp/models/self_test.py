"""What a portal's developer watches for a few minutes: the portal's own requests, masked before they are stored."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base


class SelfTest(Base):
    """That a portal's requests are noted down until a moment."""

    __tablename__ = "self_test"

    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"), primary_key=True)
    watched_until: Mapped[datetime]


class ObservedRequest(Base):
    """One request of a watched portal: where, with what, what we answered, and what its developer should know."""

    __tablename__ = "observed_request"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"), index=True)
    at: Mapped[datetime]
    endpoint: Mapped[str]
    observation: Mapped[dict[str, Any]]  # an idp.protocol.observation.Observation
    expires_at: Mapped[datetime] = mapped_column(index=True)
