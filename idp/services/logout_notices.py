"""Back-Channel Logout 1.0: what portals are told when a session ends, written in the transaction that ends it.

A notice waits in the outbox with `sub` and `sid` alone; idp/services/logout_delivery.py signs and sends it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select

from idp.chance import Random, new_id, token
from idp.clock import Clock
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.keyring import Keyring
from idp.services.tokens import Tokens
from idp.settings import Settings
from keys import Vault

CHANNEL = "logout"
EVENT = "http://schemas.openid.net/event/backchannel-logout"
TYPE = "logout+jwt"
TOKEN_FOR = timedelta(minutes=2)
GIVEN_UP_AFTER = timedelta(minutes=15)
LOOKS, LOOK_EVERY_S = 20, 0.1  # how long the person's page waits for portals to answer


class LogoutNotices:
    def __init__(
        self, settings: Settings, clock: Clock, random: Random, vault: Vault, keyring: Keyring, tokens: Tokens
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._random = random
        self._vault = vault
        self._keyring = keyring
        self._tokens = tokens

    def announce(self, session: Session, presences: Iterable[tuple[Portal, UUID]]) -> None:
        """Queue a notice for each of these portals of the session, by its `sid`, that wants to be told."""
        for portal, sid in presences:
            if portal.backchannel_logout_uri is not None and not portal.is_disabled:
                self._add(session, portal, sid)

    def logout_token(self, row: OutboxMessage, portal: Portal) -> str:
        """The token of one attempt (§2.4): signed like the portal's ID tokens, with the event and without a nonce."""
        now = self._clock.now()
        known = json.loads(self._vault.open(row.sealed_content or "", _context(row.id)))
        claims = {
            "iss": self._settings.issuer,
            "aud": portal.client_id,
            "iat": int(now.timestamp()),
            "exp": int((now + TOKEN_FOR).timestamp()),
            "jti": token(self._random),
            "events": {EVENT: {}},
            "sub": known["sub"],
            "sid": known["sid"],
        }
        return self._keyring.sign(claims, alg=portal.id_token_signed_response_alg, typ=TYPE)

    def unanswered(self, session_id: UUID) -> list[UUID]:
        """The portals that did not confirm within a moment; later attempts may still reach them.

        Waits for the worker, so what announced the notices must be committed.
        """
        states = self._states(session_id)
        for _ in range(LOOKS):
            if all(state not in {"waiting", "sending"} or (state == "waiting" and tries) for _, state, tries in states):
                break
            db.session.rollback()  # each look sees what was settled since
            time.sleep(LOOK_EVERY_S)
            states = self._states(session_id)
        return [portal_id for portal_id, state, _ in states if state not in {"sent", "dropped"}]

    def _states(self, session_id: UUID) -> list[tuple[UUID, str, int]]:
        rows = db.session.execute(
            select(OutboxMessage.portal_id, OutboxMessage.state, OutboxMessage.tries).where(
                OutboxMessage.run_id == session_id, OutboxMessage.channel == CHANNEL
            )
        )
        return [(portal_id, state, tries) for portal_id, state, tries in rows if portal_id is not None]

    def _add(self, session: Session, portal: Portal, sid: UUID) -> None:
        now = self._clock.now()
        ident = new_id(self._random, now)
        known = {"sub": self._tokens.subject(portal, session.account_id), "sid": str(sid)}
        db.session.add(
            OutboxMessage(
                id=ident, channel=CHANNEL, portal_id=portal.id, state="waiting", created_at=now, due_at=now, tries=0,
                sealed_content=self._vault.seal(json.dumps(known).encode(), _context(ident)),
                expires_at=now + GIVEN_UP_AFTER, run_id=session.id,
            )
        )  # fmt: skip


def _context(ident: UUID) -> str:
    return f"outbox_message.sealed_content.{ident}"
