"""Grants and what hangs from them: codes and refresh tokens, each used once by one conditional write (issuing.py).

RFC 9700 §4.5 and §4.14: a replayed code or a rotated refresh token revokes the whole grant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, bindparam, select, update

from idp.chance import Random, hash_of, new_id, token
from idp.clock import Clock
from idp.models.authorization import AuthorizationCode, Grant, RefreshToken
from idp.models.base import db
from idp.models.live_grant import BY_ID, COLUMNS, GRANT, IS_LIVE, NOW, OF_ACCOUNT, LiveGrant, read
from idp.models.portal import Portal
from idp.models.prepared import Prepared
from idp.models.session import Session
from idp.models.units import together
from idp.services.issuing import Usable, Use
from idp.services.sessions import SignedOn
from idp.settings import Settings
from keys import Vault

CODE, REFRESH = cast(Table, AuthorizationCode.__table__), cast(Table, RefreshToken.__table__)
FIND_CODE = Prepared(
    select(
        CODE.c.id, CODE.c.used_at, CODE.c.expires_at, CODE.c.redirect_uri, CODE.c.code_challenge, CODE.c.dpop_jkt,
        IS_LIVE.label("is_live"), *COLUMNS,
    )
    .select_from(OF_ACCOUNT.join(CODE, CODE.c.grant_id == GRANT.c.id))
    .where(CODE.c.code_hash == bindparam("hash"), CODE.c.portal_id == bindparam("portal"))
)  # fmt: skip
FIND_REFRESH = Prepared(
    select(REFRESH.c.id, REFRESH.c.used_at, REFRESH.c.expires_at, IS_LIVE.label("is_live"), *COLUMNS)
    .select_from(OF_ACCOUNT.join(REFRESH, REFRESH.c.grant_id == GRANT.c.id))
    .where(REFRESH.c.token_hash == bindparam("hash"), GRANT.c.portal_id == bindparam("portal"))
)
REVOKE_FAMILY = (
    update(GRANT)
    .where(
        GRANT.c.portal_id == bindparam("portal"), GRANT.c.revoked_at.is_(None),
        GRANT.c.id == select(REFRESH.c.grant_id).where(REFRESH.c.token_hash == bindparam("hash")).scalar_subquery(),
    )
    .values(revoked_at=NOW)
)  # fmt: skip


@dataclass(frozen=True)
class Code:
    """A usable code of the client that shows it; what it demands is judged by the caller."""

    grant: LiveGrant
    redirect_uri: str
    code_challenge: str | None
    dpop_jkt: str | None
    usable: Usable


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

    def make_grant(
        self,
        session: Session | SignedOn,
        portal: Portal,
        sid: UUID,
        *,
        scope: str,
        nonce: str | None,
        claims: dict[str, Any] | None = None,
        resources: tuple[str, ...] = (),
        acr: str | None = None,
    ) -> dict[str, Any]:
        """What one authorization gives to a portal, as the row to keep of it (issuing.py); `acr` is what the session's
        context is called there.
        """
        now = self._clock.now()
        return {
            "id": new_id(self._random, now),
            "portal_id": portal.id,
            "account_id": session.account_id,
            "session_id": session.id,
            "sid": sid,
            "scope": scope,
            "nonce": nonce,
            "claims": claims,
            "resources": list(resources) or None,
            "auth_time": session.auth_time,
            "acr": acr or session.acr,
            "amr": session.amr,
            "created_at": now,
            "expires_at": now + self._settings.refresh_absolute_for,
        }

    def live_grant(self, grant_id: UUID) -> LiveGrant | None:
        """The grant, unless it was revoked, has expired, or its account was disabled."""
        row = BY_ID.first(grant_id=grant_id, now=self._clock.now())
        return read(row) if row else None

    def make_code(
        self, grant: Mapping[str, Any], *, redirect_uri: str, code_challenge: str | None, dpop_jkt: str | None = None
    ) -> tuple[str, dict[str, Any]]:
        """The authorization code of a grant in plain text, and the row to keep of it."""
        now, code = self._clock.now(), token(self._random, "cc_code_")
        return code, {
            "id": new_id(self._random, now),
            "code_hash": hash_of(code),
            "grant_id": grant["id"],
            "portal_id": grant["portal_id"],
            "redirect_uri": redirect_uri,
            "code_challenge": code_challenge,
            "dpop_jkt": dpop_jkt,
            "expires_at": now + self._settings.authorization_code_for,
        }

    def find_code(self, portal: Portal, code: str) -> Code | Replayed | None:
        """A live code of this portal, that nobody used yet when it was read."""
        now = self._clock.now()
        row = FIND_CODE.first(hash=hash_of(code), portal=portal.id, now=now)
        grant = self._unused(row, now)
        if not isinstance(grant, LiveGrant):
            return grant
        usable = Usable(Use.REDEEM, row.grant_id, {"used": row.id, "now": now})
        return Code(grant, row.redirect_uri, row.code_challenge, row.dpop_jkt, usable)

    def make_refresh(self, grant: LiveGrant) -> tuple[str, dict[str, Any]]:
        """A refresh token that ends when unused, and with its grant in any case: in plain text, and the row to keep of
        it (issuing.py).
        """
        now, secret = self._clock.now(), token(self._random, "cc_rt_")
        return secret, {
            "id": new_id(self._random, now), "token_hash": hash_of(secret), "grant_id": grant.id, "scope": grant.scope,
            "expires_at": self._idle_end(now, grant.expires_at),
        }  # fmt: skip

    def find_to_refresh(
        self, portal: Portal, secret: str, *, rotates: bool
    ) -> tuple[LiveGrant, Usable] | Replayed | None:
        """The live grant of a refresh token of this portal, and its use: once where it rotates, and its reuse revokes
        the grant.
        """
        now = self._clock.now()
        row = FIND_REFRESH.first(hash=hash_of(secret), portal=portal.id, now=now)
        grant = self._unused(row, now)
        if not isinstance(grant, LiveGrant):
            return grant
        if rotates:
            return grant, Usable(Use.ROTATE, grant.id, {"used": row.id, "now": now})
        return grant, Usable(Use.PROLONG, grant.id, {"used": row.id, "until": self._idle_end(now, grant.expires_at)})

    def find_refresh(self, portal: Portal, secret: str) -> tuple[LiveGrant, datetime] | None:
        """The live grant of a usable refresh token of this portal, and when it ends if it is not used."""
        known = {"hash": hash_of(secret), "portal": portal.id, "now": self._clock.now()}
        row = FIND_REFRESH.first(**known)
        if row is None or row.used_at is not None or row.expires_at <= self._clock.now() or not row.is_live:
            return None
        return read(row), row.expires_at

    def replayed(self, grant_id: UUID) -> Replayed:
        """Withdraw the grant of a code or token that was used a second time (RFC 9700 §4.5, §4.14), together with
        what is written about it.
        """
        together()
        self._revoke(Grant.id == grant_id)
        return Replayed(grant_id)

    def revoke_family(self, portal: Portal, secret: str) -> None:
        """Withdraw the grant of a refresh token of this portal, used or not (RFC 7009 §2.1)."""
        db.session.execute(REVOKE_FAMILY, {"hash": hash_of(secret), "portal": portal.id, "now": self._clock.now()})

    def revoke_for_session(self, session_id: UUID) -> None:
        """Withdraw everything that was given during a session."""
        self._revoke(Grant.session_id == session_id)

    def revoke_at_portal(self, session_id: UUID, portal_id: UUID) -> None:
        """Withdraw what was given to one portal during a session."""
        self._revoke(and_(Grant.session_id == session_id, Grant.portal_id == portal_id))

    def revoke_for_account(self, account_id: UUID, portal_id: UUID) -> None:
        """Withdraw what an account ever gave to one portal."""
        self._revoke(and_(Grant.account_id == account_id, Grant.portal_id == portal_id))

    def revoke_everything_of(self, account_id: UUID) -> None:
        """Withdraw what an account ever gave to any portal."""
        self._revoke(Grant.account_id == account_id)

    def _unused(self, row: Any, now: datetime) -> LiveGrant | Replayed | None:
        """The grant of a code or refresh token that is there, unless it was used, expired, or died with its grant."""
        if row is None:
            return None
        if row.used_at is not None:
            return self.replayed(row.grant_id)
        return read(row) if row.expires_at > now and row.is_live else None

    def _idle_end(self, now: datetime, latest: datetime) -> datetime:
        return min(now + self._settings.refresh_idle_for, latest)

    def _revoke(self, which: ColumnElement[bool]) -> None:
        db.session.execute(update(Grant).where(which, Grant.revoked_at.is_(None)).values(revoked_at=self._clock.now()))
