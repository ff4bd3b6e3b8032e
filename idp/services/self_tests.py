"""Self-tests for portals' developers: a signed address that lives a day, and fifteen minutes of noted requests.

Whether anybody watches is known in the process for two seconds, so that requests of others pay nothing for it.
"""

from __future__ import annotations

import hmac
import threading
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import delete, func, select

from idp.chance import Random, new_id
from idp.clock import Clock
from idp.models.base import db
from idp.models.portal import Portal
from idp.models.self_test import ObservedRequest, SelfTest
from keys import Vault

ADDRESS_FOR = timedelta(hours=24)
WATCHED_FOR = timedelta(minutes=15)
KEPT_FOR = timedelta(hours=24)
FRESH_FOR = timedelta(seconds=2)
MOST_REQUESTS = 200  # of one watch: whoever knows a client_id can send requests in its name


@dataclass(frozen=True)
class Watched:
    """The portals that are watched now: when each ends, and under which client id it speaks."""

    at: datetime | None = None
    until: dict[UUID, datetime] = field(default_factory=dict)
    client_ids: dict[str, UUID] = field(default_factory=dict)


class SelfTests:
    def __init__(self, clock: Clock, random: Random, vault: Vault) -> None:
        self._clock = clock
        self._random = random
        self._vault = vault
        self._lock = threading.Lock()
        self._watched = Watched()

    def handle(self, portal: Portal) -> tuple[str, datetime]:
        """What opens the portal's self-test page, and until when."""
        until = self._clock.now() + ADDRESS_FOR
        second = int(until.timestamp())
        return f"{portal.slug}.{second}.{self._signature(portal, second)}", until

    def find(self, handle: str) -> Portal | None:
        """The enabled portal of a handle that was not changed and has not expired."""
        slug, _, rest = handle.partition(".")
        second, _, signature = rest.partition(".")
        if not (handle.isascii() and handle.isprintable() and second.isdecimal() and len(second) < 12):
            return None
        portal = db.session.scalar(select(Portal).where(Portal.slug == slug))
        if portal is None or portal.is_disabled or datetime.fromtimestamp(int(second), UTC) <= self._clock.now():
            return None
        return portal if hmac.compare_digest(signature, self._signature(portal, int(second))) else None

    def watch(self, portal: Portal) -> datetime:
        """Note the portal's requests from now on; what was noted before goes."""
        until = self._clock.now() + WATCHED_FOR
        db.session.execute(delete(ObservedRequest).where(ObservedRequest.portal_id == portal.id))
        db.session.merge(SelfTest(portal_id=portal.id, watched_until=until))
        db.session.flush()
        with self._lock:
            self._watched = Watched()
        return until

    def watched_until(self, portal: Portal) -> datetime | None:
        row = db.session.get(SelfTest, portal.id)
        return row.watched_until if row is not None and row.watched_until > self._clock.now() else None

    def watched(self) -> Watched:
        """Who is watched, as it was at most two seconds ago."""
        now = self._clock.now()
        with self._lock:
            if self._watched.at is None or not self._is_fresh(self._watched.at):
                self._watched = replace(self._watched, at=now)  # who waits for the lock must not wait for this again
                rows = db.session.execute(
                    select(SelfTest.portal_id, SelfTest.watched_until, Portal.client_id)
                    .join(Portal, Portal.id == SelfTest.portal_id)
                    .where(SelfTest.watched_until > now)
                ).all()
                self._watched = Watched(
                    now, {row.portal_id: row.watched_until for row in rows},
                    {row.client_id: row.portal_id for row in rows},
                )  # fmt: skip
            return self._watched

    def is_known_to_watch_nobody(self) -> bool:
        """Without asking the database; False where that would be needed."""
        watched = self._watched
        return watched.at is not None and not watched.until and self._is_fresh(watched.at)

    def _is_fresh(self, at: datetime) -> bool:
        return timedelta(0) <= self._clock.now() - at < FRESH_FOR

    def note(self, portal_id: UUID, endpoint: str, observation: dict[str, Any]) -> None:
        """Keep what was observed, unless the watch has seen too much."""
        now = self._clock.now()
        count = db.session.scalar(
            select(func.count()).select_from(ObservedRequest).where(ObservedRequest.portal_id == portal_id)
        )
        if (count or 0) < MOST_REQUESTS:
            db.session.add(
                ObservedRequest(
                    id=new_id(self._random, now), portal_id=portal_id, at=now, endpoint=endpoint,
                    observation=observation, expires_at=now + KEPT_FOR,
                )
            )  # fmt: skip

    def requests(self, portal: Portal) -> list[ObservedRequest]:
        """Newest first."""
        found = db.session.scalars(select(ObservedRequest).where(ObservedRequest.portal_id == portal.id))
        return sorted(found, key=lambda row: (row.at, row.id), reverse=True)

    def _signature(self, portal: Portal, second: int) -> str:
        return self._vault.mac("self-test", f"{portal.id}|{second}")
