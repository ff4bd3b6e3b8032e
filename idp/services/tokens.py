"""Grants and what hangs from them: codes, access tokens and refresh tokens, each used once by one conditional write.

RFC 9700 §4.5 and §4.14: a replayed code or a rotated refresh token revokes the whole grant. Consuming commits at once,
so that whatever is refused afterwards cannot give a code back.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, select, update

from idp.chance import Random, new_id, token
from idp.clock import Clock
from idp.errors import ProtocolError
from idp.models.authorization import AccessToken, AuthorizationCode, Grant, RefreshToken
from idp.models.base import db, write
from idp.models.portal import Portal
from idp.models.session import PortalSession, Session
from idp.settings import Settings
from keys import Vault


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


@dataclass(frozen=True)
class Redeemed:
    """A code that was consumed by its own client; what it demands is judged by the caller."""

    grant: Grant
    redirect_uri: str
    code_challenge: str | None


@dataclass(frozen=True)
class Replayed:
    """The code or token was used before; its grant is revoked now."""

    grant_id: UUID


class Tokens:
    def __init__(self, settings: Settings, clock: Clock, random: Random, vault: Vault) -> None:
        self._settings = settings
        self._clock = clock
        self._random = random
        self._vault = vault

    def subject(self, portal: Portal, account_id: UUID) -> str:
        """The `sub` of an account at a portal: pairwise by sector (OIDC Core §8.1), so no portals can correlate."""
        sector = portal.sector_identifier if portal.subject_type == "pairwise" else "public"
        return self._vault.mac("subject", f"{sector}|{account_id}")

    def grant(
        self,
        session: Session,
        portal: Portal,
        sid: PortalSession,
        *,
        scope: str,
        nonce: str | None,
        claims: dict[str, Any] | None = None,
        resources: tuple[str, ...] = (),
        acr: str | None = None,
    ) -> Grant:
        """What one authorization gives to a portal; `acr` is what the session's context is called there."""
        now = self._clock.now()
        grant = Grant(
            id=new_id(self._random, now),
            portal_id=portal.id,
            account_id=session.account_id,
            session_id=session.id,
            sid=sid.id,
            scope=scope,
            nonce=nonce,
            claims=claims,
            resources=list(resources) or None,
            auth_time=session.auth_time,
            acr=acr or session.acr,
            amr=session.amr,
            created_at=now,
            expires_at=now + self._settings.refresh_absolute_for,
        )
        db.session.add(grant)
        db.session.flush()
        return grant

    def issue_code(
        self, grant: Grant, *, redirect_uri: str, code_challenge: str | None, dpop_jkt: str | None = None
    ) -> str:
        """The authorization code in plain text; only its hash is kept."""
        now, code = self._clock.now(), token(self._random, "cc_code_")
        db.session.add(
            AuthorizationCode(
                id=new_id(self._random, now),
                code_hash=_hash(code),
                grant_id=grant.id,
                portal_id=grant.portal_id,
                redirect_uri=redirect_uri,
                code_challenge=code_challenge,
                dpop_jkt=dpop_jkt,
                expires_at=now + self._settings.authorization_code_for,
            )
        )
        return code

    def redeem_code(self, portal: Portal, code: str) -> Redeemed | Replayed | None:
        """Consume a live code of this portal (RFC 6749 §4.1.2: MUST NOT be used more than once); committed at once."""
        now = self._clock.now()
        row = db.session.execute(
            update(AuthorizationCode)
            .where(
                AuthorizationCode.code_hash == _hash(code),
                AuthorizationCode.portal_id == portal.id,
                AuthorizationCode.used_at.is_(None),
                AuthorizationCode.expires_at > now,
                AuthorizationCode.grant_id.in_(self._live_grants(now)),
            )
            .values(used_at=now)
            .returning(AuthorizationCode.grant_id, AuthorizationCode.redirect_uri, AuthorizationCode.code_challenge)
        ).one_or_none()
        db.session.commit()
        if row is not None:
            # A replay may revoke the grant from here on; then what is issued is dead from birth, and that is right.
            return Redeemed(db.session.get_one(Grant, row.grant_id), row.redirect_uri, row.code_challenge)
        used = db.session.scalar(
            select(AuthorizationCode.grant_id).where(
                AuthorizationCode.code_hash == _hash(code),
                AuthorizationCode.portal_id == portal.id,
                AuthorizationCode.used_at.is_not(None),
            )
        )
        return self._replayed(used, now)

    def issue_access(self, grant: Grant, scope: str) -> str:
        now, secret = self._clock.now(), token(self._random, "cc_at_")
        db.session.add(
            AccessToken(
                id=new_id(self._random, now),
                token_hash=_hash(secret),
                portal_id=grant.portal_id,
                grant_id=grant.id,
                scope=scope,
                created_at=now,
                expires_at=now + self._settings.access_token_for,
            )
        )
        return secret

    def issue_refresh(self, grant: Grant) -> str:
        """A refresh token that ends when unused, and with its grant in any case."""
        now, secret = self._clock.now(), token(self._random, "cc_rt_")
        db.session.add(
            RefreshToken(
                id=new_id(self._random, now),
                token_hash=_hash(secret),
                grant_id=grant.id,
                scope=grant.scope,
                expires_at=min(now + self._settings.refresh_idle_for, grant.expires_at),
            )
        )
        return secret

    def redeem_refresh(self, portal: Portal, secret: str, wanted: frozenset[str]) -> Grant | Replayed | None:
        """Rotate: consume the token, once, if it belongs to this portal; its reuse revokes the grant.

        A wish for more than was granted raises `ProtocolError` invalid_scope and leaves the token usable.
        """
        now = self._clock.now()
        grant = db.session.scalar(
            select(Grant)
            .join(RefreshToken, RefreshToken.grant_id == Grant.id)
            .where(RefreshToken.token_hash == _hash(secret), Grant.portal_id == portal.id)
        )
        if grant is None:
            return None
        if not wanted <= set(grant.scope.split()):
            raise ProtocolError("invalid_scope", "scope exceeds what was granted")
        grant_id = grant.id
        rotated = write(
            update(RefreshToken)
            .where(
                RefreshToken.token_hash == _hash(secret),
                RefreshToken.used_at.is_(None),
                RefreshToken.expires_at > now,
                RefreshToken.grant_id.in_(self._live_grants(now)),
            )
            .values(used_at=now)
        )
        db.session.commit()
        if rotated == 1:
            return db.session.get_one(Grant, grant_id)
        used = db.session.scalar(
            select(RefreshToken.grant_id).where(
                RefreshToken.token_hash == _hash(secret), RefreshToken.used_at.is_not(None)
            )
        )
        return self._replayed(used, now)

    def find_access(self, secret: str) -> tuple[Grant, str] | None:
        """The live grant and scope of an access token."""
        now = self._clock.now()
        row = db.session.scalar(
            select(AccessToken).where(
                AccessToken.token_hash == _hash(secret), AccessToken.expires_at > now, AccessToken.revoked_at.is_(None)
            )
        )
        grant = self._live_grant(row.grant_id, now) if row and row.grant_id else None
        return (grant, row.scope) if row and grant else None

    def revoke_for_session(self, session_id: UUID) -> None:
        """Withdraw everything that was given during a session."""
        self._revoke(Grant.session_id == session_id)

    def revoke_at_portal(self, session_id: UUID, portal_id: UUID) -> None:
        """Withdraw what was given to one portal during a session."""
        self._revoke(and_(Grant.session_id == session_id, Grant.portal_id == portal_id))

    def revoke_for_account(self, account_id: UUID, portal_id: UUID) -> None:
        """Withdraw what an account ever gave to one portal."""
        self._revoke(and_(Grant.account_id == account_id, Grant.portal_id == portal_id))

    def _live_grants(self, now: datetime) -> Select[UUID]:
        return select(Grant.id).where(Grant.revoked_at.is_(None), Grant.expires_at > now)

    def _live_grant(self, grant_id: UUID, now: datetime) -> Grant | None:
        grant = db.session.get(Grant, grant_id, populate_existing=True)
        return grant if grant and grant.revoked_at is None and grant.expires_at > now else None

    def _replayed(self, grant_id: UUID | None, now: datetime) -> Replayed | None:
        if grant_id is None:
            return None
        self._revoke(Grant.id == grant_id)
        db.session.commit()
        return Replayed(grant_id)

    def _revoke(self, which: ColumnElement[bool]) -> None:
        db.session.execute(update(Grant).where(which, Grant.revoked_at.is_(None)).values(revoked_at=self._clock.now()))
