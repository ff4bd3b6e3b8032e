"""Single sign-on in one browser (`Session`) and its presence at each portal (`PortalSession`, the `sid`)."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint, bindparam, select
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.account import Account
from idp.models.base import Base, db

TRUSTED_DEVICE = "trusted_device"  # `acr` of a session that a password and a trusted browser opened


class Session(Base):
    """One browser, one account. Only the hash of the cookie's secret is stored."""

    __tablename__ = "session"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    secret_hash: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    browser_hash: Mapped[str] = mapped_column(index=True)
    created_at: Mapped[datetime] = mapped_column(index=True)
    auth_time: Mapped[datetime]
    seen_at: Mapped[datetime]
    acr: Mapped[str]
    amr: Mapped[list[str]]
    user_agent: Mapped[str] = mapped_column(default="")
    ended_at: Mapped[datetime | None]
    confirmed_at: Mapped[datetime | None]  # when the person last confirmed who they are, for a change of the account

    @property
    def has_factors(self) -> bool:
        """Whether two factors or a passkey opened it; what changes the account asks for no less."""
        return self.acr != TRUSTED_DEVICE


class PortalSession(Base):
    """That a portal took part in a session; its id is the `sid` claim."""

    __tablename__ = "portal_session"
    __table_args__ = (UniqueConstraint("session_id", "portal_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("session.id"))
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"))
    created_at: Mapped[datetime]


BY_SECRET = (
    select(Session, Account)
    .join(Account, Account.id == Session.account_id)
    .where(Session.secret_hash == bindparam("secret"))
)


def find_session(secret_hash: str) -> tuple[Session, Account] | None:
    """The session of this secret and whose it is."""
    row = db.session.execute(BY_SECRET, {"secret": secret_hash}).one_or_none()
    return (row[0], row[1]) if row else None


def session_before(session: Session) -> Session | None:
    """The newest other sign-in of this account that came before this one."""
    others = (Session.account_id == session.account_id, Session.id != session.id)
    earlier = select(Session).where(*others, Session.auth_time < session.auth_time)
    return db.session.scalar(earlier.order_by(Session.auth_time.desc()).limit(1))


def was_seen_on(account_id: UUID, browser_hash: str) -> bool:
    """Whether this browser opened a session of this account before."""
    found = db.session.scalar(
        select(Session.id).where(Session.account_id == account_id, Session.browser_hash == browser_hash).limit(1)
    )
    return found is not None
