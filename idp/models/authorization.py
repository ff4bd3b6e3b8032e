"""The OAuth life of one authorization: pending request, code, grant (the family a replay revokes), tokens."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ForeignKey, Index, text
from sqlalchemy.orm import Mapped, mapped_column

# A foreign key takes its type from the key it points to, so those tables must be known before a statement is built.
from idp.models import account, portal, session  # noqa: F401
from idp.models.base import Base

IS_REVOKED = text("revoked_at IS NOT NULL")


class PendingRequest(Base):
    """A checked authorization request that waits for its person, bound to one browser."""

    __tablename__ = "pending_request"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    handle_hash: Mapped[str] = mapped_column(unique=True)
    browser_hash: Mapped[str]
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"))
    parameters: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    denied_at: Mapped[datetime | None]  # the person said no; the answer is access_denied
    consumed_at: Mapped[datetime | None]


class PushedRequest(Base):
    """An authorization request that its portal pushed beforehand (RFC 9126), found by the secret in `request_uri`."""

    __tablename__ = "pushed_request"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    handle_hash: Mapped[str] = mapped_column(unique=True)
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"))
    parameters: Mapped[dict[str, Any]]
    dpop_jkt: Mapped[str | None]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    consumed_at: Mapped[datetime | None]


class Grant(Base):
    """What one authorization gave to a portal. Codes, access and refresh tokens hang from it and die with it."""

    __tablename__ = "oauth_grant"
    __table_args__ = (
        Index("ix_oauth_grant_revoked_at", "revoked_at", sqlite_where=IS_REVOKED, postgresql_where=IS_REVOKED),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"))
    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), index=True)
    session_id: Mapped[UUID] = mapped_column(ForeignKey("session.id"), index=True)
    sid: Mapped[UUID] = mapped_column(ForeignKey("portal_session.id"), index=True)
    scope: Mapped[str]
    nonce: Mapped[str | None]
    claims: Mapped[dict[str, Any] | None]  # the `claims` parameter as it was allowed (OIDC Core §5.5)
    resources: Mapped[list[str] | None]  # RFC 8707
    auth_time: Mapped[datetime]
    acr: Mapped[str]
    amr: Mapped[list[str]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]


class AuthorizationCode(Base):
    __tablename__ = "authorization_code"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    code_hash: Mapped[str] = mapped_column(unique=True)
    grant_id: Mapped[UUID] = mapped_column(ForeignKey("oauth_grant.id"), index=True)
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"))
    redirect_uri: Mapped[str]
    code_challenge: Mapped[str | None]
    dpop_jkt: Mapped[str | None]  # the key that alone may redeem it (RFC 9449 §10)
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class AccessToken(Base):
    """An access token of either form, opaque or JWT, by its hash: so it can be revoked and introspected.

    A token of the client credentials grant has no `grant_id`: nobody signed in for it.
    """

    __tablename__ = "access_token"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"))
    grant_id: Mapped[UUID | None] = mapped_column(ForeignKey("oauth_grant.id"), index=True)
    scope: Mapped[str]
    audience: Mapped[list[str] | None]
    confirmation: Mapped[dict[str, Any] | None]  # `cnf`: jkt (RFC 9449) or x5t#S256 (RFC 8705)
    actor: Mapped[dict[str, Any] | None]  # `act`: who got it in exchange for another token (RFC 8693 §4.1)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    revoked_at: Mapped[datetime | None]


class RefreshToken(Base):
    """A rotated token stays as a row with `used_at`, so that its reuse is seen and revokes the grant."""

    __tablename__ = "refresh_token"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    grant_id: Mapped[UUID] = mapped_column(ForeignKey("oauth_grant.id"), index=True)
    scope: Mapped[str]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class AssertionID(Base):
    """The `jti` of a client assertion that was accepted: a second one with the same key is a replay (RFC 7523 §3)."""

    __tablename__ = "assertion_id"

    id_hash: Mapped[str] = mapped_column(primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(index=True)


class Consent(Base):
    """What a person allowed a third party's portal to see, and what they left out, so that it is not asked again."""

    __tablename__ = "consent"

    account_id: Mapped[UUID] = mapped_column(ForeignKey("account.id"), primary_key=True)
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"), primary_key=True)
    scopes: Mapped[list[str]]
    claims: Mapped[list[str]]
    declined: Mapped[list[str]]  # keys as in idp/protocol/consent.py
    granted_at: Mapped[datetime]


class DeviceAuthorization(Base):
    """A device that waits for its person to approve it in a browser (RFC 8628)."""

    __tablename__ = "device_authorization"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    device_code_hash: Mapped[str] = mapped_column(unique=True)
    user_code_hash: Mapped[str] = mapped_column(unique=True)
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"))
    scope: Mapped[str]
    grant_id: Mapped[UUID | None] = mapped_column(ForeignKey("oauth_grant.id"), index=True)
    created_at: Mapped[datetime]
    interval_s: Mapped[int]
    polled_at: Mapped[datetime | None]
    denied_at: Mapped[datetime | None]
    consumed_at: Mapped[datetime | None]
    expires_at: Mapped[datetime] = mapped_column(index=True)


class PortalInvite(Base):
    """An initial access token (RFC 7591 §1.2): its bearer registers the portal an operator described."""

    __tablename__ = "portal_invite"

    id: Mapped[UUID] = mapped_column(primary_key=True)
    token_hash: Mapped[str] = mapped_column(unique=True)
    details: Mapped[dict[str, Any]]
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]
