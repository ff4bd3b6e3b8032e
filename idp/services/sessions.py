"""Sessions: opened only after two factors or a passkey, ended exactly, judged against idle and absolute limits.

OWASP ASVS 5.0 §7.2–7.4; NIST SP 800-63B-4 §5. The database is the truth, so an ended session is ended everywhere.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import Table, and_, bindparam, insert, select, update

from idp.chance import Random, hash_of, new_id, token
from idp.clock import Clock
from idp.models.account import Account, Holder
from idp.models.base import db, write
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.models.prepared import Prepared
from idp.models.session import PortalSession, Session, find_session
from idp.services.presences import enter
from idp.settings import Settings

SESSION, ACCOUNT, PRESENCE, RECORD = (
    cast(Table, model.__table__) for model in (Session, Account, PortalSession, InsuredPerson)
)
OPENED = (
    "id", "secret_hash", "account_id", "browser_hash", "created_at", "auth_time", "seen_at", "acr", "amr", "user_agent",
)  # fmt: skip
OPEN = Prepared(insert(SESSION), *OPENED)
AT_PORTAL = Prepared(
    select(
        SESSION.c.id, SESSION.c.account_id, SESSION.c.auth_time, SESSION.c.acr, SESSION.c.amr, SESSION.c.created_at,
        SESSION.c.seen_at, SESSION.c.ended_at, ACCOUNT.c.status, PRESENCE.c.id.label("sid"),
        RECORD.c.id.is_not(None).label("is_linked"),
    )
    .select_from(
        SESSION.join(ACCOUNT, ACCOUNT.c.id == SESSION.c.account_id)
        .outerjoin(PRESENCE, and_(PRESENCE.c.session_id == SESSION.c.id, PRESENCE.c.portal_id == bindparam("portal")))
        .outerjoin(RECORD, and_(RECORD.c.account_id == ACCOUNT.c.id, RECORD.c.portal_id == bindparam("portal")))
    )
    .where(SESSION.c.secret_hash == bindparam("secret"))
)  # fmt: skip
TOUCHED_EVERY = timedelta(seconds=60)
CONFIRMED_FOR = timedelta(minutes=10)


class SessionEnded(Exception):
    """Somebody signed out since the session was read."""


@dataclass(frozen=True)
class SessionEnd:
    """When a session ends, how long that is from now, and whether no use of it changes that."""

    at: datetime
    is_final: bool
    left: timedelta


class SignedOn(NamedTuple):
    """A live session as the request of a portal finds it, without an object graph; `sid` once the portal was in it."""

    id: UUID
    account_id: UUID
    auth_time: datetime
    acr: str
    amr: list[str]
    seen_at: datetime
    is_linked: bool  # the account to a record of the portal
    sid: UUID | None


class Sessions:
    def __init__(self, settings: Settings, clock: Clock, random: Random) -> None:
        self._settings = settings
        self._clock = clock
        self._random = random

    def open(self, account: Holder, *, browser_hash: str, acr: str, amr: list[str], user_agent: str = "") -> str:
        """A new session; returns the secret for its cookie."""
        now = self._clock.now()
        secret = token(self._random, "cc_se_")
        OPEN.count(
            id=new_id(self._random, now),
            secret_hash=hash_of(secret),
            account_id=account.id,
            browser_hash=browser_hash,
            created_at=now,
            auth_time=now,
            seen_at=now,
            acr=acr,
            amr=amr,
            user_agent=user_agent[:200],
        )
        return secret

    def renew(self, session: Session, *, acr: str, amr: list[str], user_agent: str = "") -> str:
        """The same person proved themselves again: a new secret and a new start; the old secret is dead.

        What portals were given in this session stays theirs, each with the `auth_time` it was given under.
        """
        now, secret = self._clock.now(), token(self._random, "cc_se_")
        session.secret_hash = hash_of(secret)
        session.created_at = session.auth_time = session.seen_at = now
        session.acr, session.amr, session.user_agent = acr, amr, user_agent[:200]
        db.session.flush()
        return secret

    def load(self, secret: str, *, is_used: bool = True) -> Session | None:
        """The live session of this cookie, or None. Being used is written at most once a minute."""
        found = find_session(hash_of(secret))
        if found is None or not self._is_live(*found):
            return None
        session = found[0]
        if is_used and self.is_stale(session):
            session.seen_at = self._clock.now()
        return session

    def is_stale(self, session: Session | SignedOn) -> bool:
        """Whether its use is to be written down."""
        return self._clock.now() - session.seen_at > TOUCHED_EVERY

    def former(self, secret: str) -> Session | None:
        """The session of this cookie that ended because it was left alone or grew old, and that nobody ended."""
        found = find_session(hash_of(secret))
        if found is None or found[0].ended_at is not None or not found[1].is_active or self._is_live(*found):
            return None
        return found[0]

    def at_portal(self, secret: str, portal_id: UUID) -> SignedOn | None:
        """The live session of this cookie, as a portal's request must know it."""
        row = AT_PORTAL.first(secret=hash_of(secret), portal=portal_id)
        if row is None or not self._is_live(row, row):
            return None
        return SignedOn(
            row.id, row.account_id, row.auth_time, row.acr, row.amr, row.seen_at, bool(row.is_linked), row.sid
        )

    def extend(self, session: Session) -> None:
        """The person is still there."""
        session.seen_at = self._clock.now()

    def end_of(self, session: Session) -> SessionEnd:
        """When it ends unless it is used before."""
        idle = session.seen_at + self._settings.session_idle_for
        absolute = session.created_at + self._settings.session_absolute_for
        return SessionEnd(min(idle, absolute), is_final=absolute <= idle, left=min(idle, absolute) - self._clock.now())

    def _is_live(self, session: Any, account: Any) -> bool:
        """Both as objects, or a row with the columns of both."""
        now = self._clock.now()
        return (
            session.ended_at is None
            and now - session.seen_at < self._settings.session_idle_for
            and now - session.created_at < self._settings.session_absolute_for
            and account.status == "active"
        )

    def is_confirmed(self, session: Session, *, with_factor: bool = False) -> bool:
        """Whether the person proved who they are so recently that a change of the account needs no new proof."""
        if with_factor and not session.has_factors:
            return False
        proved_at = session.auth_time
        if session.confirmed_at is not None and not with_factor:
            proved_at = max(proved_at, session.confirmed_at)
        return self._clock.now() - proved_at < CONFIRMED_FOR

    def confirm(self, session: Session) -> None:
        """The person entered the password once more."""
        session.confirmed_at = self._clock.now()

    def live(self, account: Account) -> list[Session]:
        """The sessions of an account that are open, newest first."""
        open_ones = select(Session).where(Session.account_id == account.id, Session.ended_at.is_(None))
        found = db.session.scalars(open_ones.order_by(Session.seen_at.desc()))
        return [session for session in found if self._is_live(session, account)]

    def end(self, session: Session) -> bool:
        """End it for good, once; what hangs from it is ended by services/sign_out.py."""
        statement = update(Session).where(Session.id == session.id, Session.ended_at.is_(None))
        return write(statement.values(ended_at=self._clock.now())) == 1

    def took_part(self, account_id: UUID, portal: Portal, sid: str) -> bool:
        """Whether `sid` is the presence of this portal in a session of this account, ended or not."""
        try:
            ident = UUID(sid)
        except ValueError:
            return False
        found = db.session.scalar(
            select(PortalSession.id)
            .join(Session, Session.id == PortalSession.session_id)
            .where(PortalSession.id == ident, PortalSession.portal_id == portal.id, Session.account_id == account_id)
        )
        return found is not None

    def portal_session(self, session_id: UUID, portal_id: UUID) -> UUID:
        """The presence of a portal in this session; made at its first sign-on. Raises `SessionEnded`."""
        now = self._clock.now()
        ident = enter(new_id(self._random, now), session_id, portal_id, now)
        if ident is None:
            raise SessionEnded
        return ident

    def new_presence(self) -> UUID:
        """The `sid` of a portal that is new to its session, unless another tab makes one before (issuing.py)."""
        return new_id(self._random, self._clock.now())

    def presences(self, session_id: UUID) -> list[tuple[Portal, UUID]]:
        """The portals that took part in a session, oldest first, each with its `sid`."""
        rows = db.session.execute(
            select(Portal, PortalSession.id)
            .join(PortalSession, PortalSession.portal_id == Portal.id)
            .where(PortalSession.session_id == session_id)
            .order_by(PortalSession.created_at)
        )
        return [(portal, sid) for portal, sid in rows]
