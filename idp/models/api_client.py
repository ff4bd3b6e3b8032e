"""Clients of the admin API: a fund's own systems, what they may do and where, and their short-lived access tokens."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKey, select, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base, db, write
from idp.models.client_secret import HasClientSecrets
from idp.models.portal import Portal  # noqa: F401 - a foreign key takes its type from the key it points to


class ApiClient(HasClientSecrets, Base):
    """A machine that may do what its scopes say, at one portal, or at all of them where `portal_id` is empty."""

    __tablename__ = "api_client"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    client_id: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str]
    portal_id: Mapped[UUID | None] = mapped_column(ForeignKey("portal.id"))
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]  # the account of an operator; empty where it was the command line
    used_at: Mapped[datetime | None]  # when it last got a token
    revoked_at: Mapped[datetime | None]


class ApiToken(Base):
    """An access token of the API by its hash. Portals' tokens stand elsewhere, so neither passes for the other."""

    __tablename__ = "api_token"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    api_client_id: Mapped[UUID] = mapped_column(ForeignKey("api_client.id"), index=True)
    scopes: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)


def find_api_client(client_id: str) -> ApiClient | None:
    """The client of this id, unless it was revoked."""
    if not client_id.isascii() or not client_id.isprintable():
        return None
    return db.session.scalar(select(ApiClient).where(ApiClient.client_id == client_id, ApiClient.revoked_at.is_(None)))


def find_api_token(token_hash: str, now: datetime) -> tuple[ApiClient, list[str]] | None:
    """Whose token this is and what it is for, while it and its client are good."""
    row = db.session.execute(
        select(ApiClient, ApiToken.scopes)
        .join(ApiToken, ApiToken.api_client_id == ApiClient.id)
        .where(ApiToken.token_hash == token_hash, ApiToken.expires_at > now, ApiClient.revoked_at.is_(None))
    ).one_or_none()
    return (row[0], row[1]) if row else None


def note_use(client: ApiClient, now: datetime) -> None:
    write(update(ApiClient).where(ApiClient.id == client.id).values(used_at=now))
