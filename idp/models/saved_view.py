"""A list of the console as one operator wants to find it again: its filters under a name."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint, select
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base, db


class SavedView(Base):
    """`filters` are parameters of the list's address; no address is stored."""

    __tablename__ = "saved_view"
    __table_args__ = (UniqueConstraint("account_id", "listing", "name"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"))
    listing: Mapped[str]
    name: Mapped[str]
    filters: Mapped[dict[str, str]]
    made_at: Mapped[datetime]


def views_of(account_id: UUID, listing: str | None = None) -> list[SavedView]:
    """The views of one operator, by name; those of one list, or of all."""
    found = select(SavedView).where(SavedView.account_id == account_id).order_by(SavedView.name, SavedView.id)
    return list(db.session.scalars(found if listing is None else found.where(SavedView.listing == listing)))
