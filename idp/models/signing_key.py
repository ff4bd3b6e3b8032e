"""The signing ring at rest: public part in clear, private part sealed."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base


class SigningKey(Base):
    __tablename__ = "signing_key"

    kid: Mapped[str] = mapped_column(primary_key=True)  # RFC 7638 thumbprint
    alg: Mapped[str]
    state: Mapped[str]  # next, active, retiring, retired
    public_jwk: Mapped[dict[str, Any]]
    sealed_private: Mapped[str]
    created_at: Mapped[datetime]
    state_since: Mapped[datetime]
