"""A form of the account that was sent after its session had ended, kept until its person has signed in again."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base, db, write


class KeptForm(Base):
    """One of a browser and an account, the last; it is found by both, and by nothing that stands in an address."""

    __tablename__ = "kept_form"
    __table_args__ = (UniqueConstraint("browser_hash", "account_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    browser_hash: Mapped[str]
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    path: Mapped[str]
    sealed_fields: Mapped[str]
    expires_at: Mapped[datetime] = mapped_column(index=True)


def find_kept(browser_hash: str, account_id: UUID, now: datetime) -> KeptForm | None:
    return db.session.scalar(
        select(KeptForm).where(
            KeptForm.browser_hash == browser_hash, KeptForm.account_id == account_id, KeptForm.expires_at > now
        )
    )


def forget_kept(browser_hash: str, account_id: UUID, path: str | None = None) -> None:
    """Delete what was kept, or only a form to this address."""
    mine = [KeptForm.browser_hash == browser_hash, KeptForm.account_id == account_id]
    if path is not None:
        mine.append(KeptForm.path == path)
    write(delete(KeptForm).where(*mine).execution_options(synchronize_session=False))
