"""The signing ring at rest: public part in clear, private part sealed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Index, text
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base

IS_ONE = text("state IN ('active', 'next')")  # of each algorithm


class SigningKey(Base):
    __tablename__ = "signing_key"
    __table_args__ = (
        Index("uq_signing_key_state", "alg", "state", unique=True, sqlite_where=IS_ONE, postgresql_where=IS_ONE),
    )

    kid: Mapped[str] = mapped_column(primary_key=True)  # RFC 7638 thumbprint
    alg: Mapped[str]
    state: Mapped[str]  # next, active, retiring, retired
    public_jwk: Mapped[dict[str, Any]]
    sealed_private: Mapped[str]
    created_at: Mapped[datetime]
    state_since: Mapped[datetime]
    rotate_at: Mapped[datetime | None]  # of an active key: when an operator wants the next one to take over
