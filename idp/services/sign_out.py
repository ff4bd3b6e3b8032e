"""The end of sessions, whole: the session, everything that was given during it, and the notices to its portals.

One transaction of the caller's holds it all, so no portal is told of an end that did not happen, nor left out of one.
"""

from __future__ import annotations

from uuid import UUID

from sqlalchemy import select

from idp.models.base import db
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.logout_notices import LogoutNotices
from idp.services.sessions import Sessions
from idp.services.tokens import Tokens
from idp.services.trusted_devices import TrustedDevices


class SignOut:
    def __init__(
        self, sessions: Sessions, tokens: Tokens, notices: LogoutNotices, trusted_devices: TrustedDevices
    ) -> None:
        self._sessions = sessions
        self._tokens = tokens
        self._notices = notices
        self._trusted_devices = trusted_devices

    def session(self, session: Session) -> tuple[Portal, ...]:
        """End one session; the portals that took part in it, none when it was ended before."""
        if not self._sessions.end(session):
            return ()
        self._tokens.revoke_for_session(session.id)
        presences = self._sessions.presences(session.id)
        self._notices.announce(session, presences)
        return tuple(portal for portal, _ in presences)

    def portal(self, session: Session, portal: Portal) -> None:
        """Leave one portal; the session goes on."""
        self._tokens.revoke_at_portal(session.id, portal.id)
        presences = self._sessions.presences(session.id)
        self._notices.announce(session, [one for one in presences if one[0].id == portal.id])

    def account(self, account_id: UUID, *, keep: Session | None = None) -> int:
        """End every session of an account but one, after a change of password or when it is closed; how many.

        No device is trusted any more, not even the one whose session goes on.
        """
        self._trusted_devices.end_all(account_id)
        found = db.session.scalars(
            select(Session).where(Session.account_id == account_id, Session.ended_at.is_(None))
        ).all()
        others = [session for session in found if keep is None or session.id != keep.id]
        for session in others:
            self.session(session)
        return len(others)
