"""Operators: accounts that may work in the console, their roles and sessions there, and invitations to become one."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, UniqueConstraint, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.account import Account
from idp.models.base import Base, db, write


class Operator(Base):
    """That an account may work in the console; `paused_at` is set while its way back in was a recovery."""

    __tablename__ = "operator"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), primary_key=True)
    created_at: Mapped[datetime]
    paused_at: Mapped[datetime | None]


class OperatorRole(Base):
    """One role at one portal, or at all of them where `portal_id` is empty."""

    __tablename__ = "operator_role"
    __table_args__ = (UniqueConstraint("account_id", "role", "portal_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("operator.account_id"))
    role: Mapped[str]
    portal_id: Mapped[UUID | None] = mapped_column(ForeignKey("portal.id"))
    granted_at: Mapped[datetime]
    granted_by: Mapped[UUID | None]  # the account of an operator; empty where it was the command line


class OperatorSession(Base):
    """One browser in the console. Only the hash of the cookie's secret is stored; no portal ever sees it."""

    __tablename__ = "operator_session"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    secret_hash: Mapped[str] = mapped_column(unique=True)
    account_id: Mapped[UUID] = mapped_column(ForeignKey("operator.account_id"), index=True)
    browser_hash: Mapped[str]
    created_at: Mapped[datetime] = mapped_column(index=True)
    seen_at: Mapped[datetime]
    amr: Mapped[list[str]]
    ended_at: Mapped[datetime | None]


class OperatorInvitation(Base):
    """An invitation to one address, used once; `roles` is what comes with it, as `support@cpx` or `support`."""

    __tablename__ = "operator_invitation"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    email: Mapped[str]
    roles: Mapped[list[str]]
    invited_by: Mapped[UUID | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
    revoked_at: Mapped[datetime | None]


def find_operator_session(secret_hash: str) -> tuple[OperatorSession, Operator, Account] | None:
    """The console session of this secret, and whose it is."""
    row = db.session.execute(
        select(OperatorSession, Operator, Account)
        .join(Operator, Operator.account_id == OperatorSession.account_id)
        .join(Account, Account.id == OperatorSession.account_id)
        .where(OperatorSession.secret_hash == secret_hash)
    ).one_or_none()
    return (row[0], row[1], row[2]) if row else None


def roles_of(account_id: UUID) -> list[OperatorRole]:
    return list(db.session.scalars(select(OperatorRole).where(OperatorRole.account_id == account_id)))


def consume_invitation(invitation_id: UUID, now: datetime) -> bool:
    """Use the invitation up, once, while it is open."""
    done = write(
        update(OperatorInvitation)
        .where(
            OperatorInvitation.id == invitation_id,
            OperatorInvitation.used_at.is_(None),
            OperatorInvitation.revoked_at.is_(None),
            OperatorInvitation.expires_at > now,
        )
        .values(used_at=now)
    )
    return done == 1
