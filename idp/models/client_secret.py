"""The columns of whoever has client secrets, a portal or a client of the API: the newest and the one before."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Mapped, mapped_column


class HasClientSecrets:
    """At most two are good at a time; only a MAC of each is stored (services/client_secrets.py)."""

    client_secret_hash: Mapped[str | None] = mapped_column()
    client_secret_made_at: Mapped[datetime | None] = mapped_column()
    previous_secret_hash: Mapped[str | None] = mapped_column()  # good too, while its owner changes to the new one
    previous_secret_made_at: Mapped[datetime | None] = mapped_column()
    previous_secret_until: Mapped[datetime | None] = mapped_column()  # empty: until somebody ends it
