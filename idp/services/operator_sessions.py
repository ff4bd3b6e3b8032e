"""Sessions of the console: a cookie of their own, shorter lives than a person's, and rights that are read each time.

OWASP ASVS 5.0 §7.3, §8.3.2; a session of a portal opens nothing here, nor the other way round (§3.5.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, update

from idp.chance import Random, hash_of, new_id, token
from idp.clock import Clock
from idp.models.account import Account
from idp.models.base import db, write
from idp.models.operator import OperatorSession, find_operator_session
from idp.services.operators import Operators
from idp.services.permissions import Rights

IDLE_FOR = timedelta(minutes=30)
ABSOLUTE_FOR = timedelta(hours=8)
TOUCHED_EVERY = timedelta(seconds=60)


@dataclass(frozen=True, repr=False)
class AtWork:
    """The operator of a request: whose session, and what they may do now."""

    session: OperatorSession
    account: Account
    rights: Rights


class OperatorSessions:
    def __init__(self, clock: Clock, random: Random, operators: Operators) -> None:
        self._clock = clock
        self._random = random
        self._operators = operators

    def open(self, account: Account, *, browser_hash: str, amr: list[str]) -> str:
        """A new session; returns the secret for its cookie."""
        now, secret = self._clock.now(), token(self._random, "cc_os_")
        db.session.add(
            OperatorSession(
                id=new_id(self._random, now), secret_hash=hash_of(secret), account_id=account.id,
                browser_hash=browser_hash, created_at=now, seen_at=now, amr=amr,
            )
        )  # fmt: skip
        db.session.flush()
        return secret

    def load(self, secret: str, browser_hash: str | None) -> AtWork | None:
        """The live session of this cookie in the browser that opened it, of an operator with rights; or None."""
        found = find_operator_session(hash_of(secret))
        if found is None:
            return None
        session, _, account = found
        now = self._clock.now()
        is_live = (
            session.ended_at is None
            and session.browser_hash == browser_hash
            and now - session.seen_at < IDLE_FOR
            and now - session.created_at < ABSOLUTE_FOR
            and account.is_active
        )
        rights = self._operators.rights(account.id) if is_live else Rights()
        if not rights.is_any:
            return None
        if now - session.seen_at > TOUCHED_EVERY:
            session.seen_at = now
        return AtWork(session, account, rights)

    def was_seen_on(self, account_id: UUID, browser_hash: str) -> bool:
        """Whether this browser opened the console for this account before."""
        found = select(OperatorSession.id).where(
            OperatorSession.account_id == account_id, OperatorSession.browser_hash == browser_hash
        )
        return db.session.scalar(found.limit(1)) is not None

    def end(self, session: OperatorSession) -> None:
        ended = update(OperatorSession).where(OperatorSession.id == session.id, OperatorSession.ended_at.is_(None))
        write(ended.values(ended_at=self._clock.now()))
