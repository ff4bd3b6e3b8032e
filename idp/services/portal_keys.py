"""The public keys of a portal: those it registered, or those behind its `jwks_uri`, kept for a while in this process.

RFC 7591 §2 and OIDC Core §10.1.1: an unknown kid means that the portal rotated, so its keys are read again; so does an
unknown client certificate (RFC 8705 §2.2.2).
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from uuid import UUID

import structlog

from idp.clock import Clock
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.http_out import OutgoingFailed, OutgoingRefused, Reach, get
from keys.jwks import PublicJWK, UnusableKeys, usable

TYPES = ("application/json", "application/jwk-set+json")
FRESH_FOR = timedelta(hours=1)
KEPT_FOR = timedelta(hours=24)  # a portal whose key server is down for a night can still sign in
READ_EVERY = timedelta(minutes=1)  # whoever invents kids makes us ask no oftener

Sought = Callable[[PublicJWK], bool]  # whether a key is the one that the portal shows now

log = structlog.get_logger(__name__)


@dataclass
class _Known:
    """What stood behind one address."""

    uri: str
    keys: list[PublicJWK] = field(default_factory=list)
    read_at: datetime | None = None
    tried_at: datetime | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)

    def must_read(self, is_sought: Sought | None, now: datetime) -> bool:
        if self.tried_at is not None and now - self.tried_at < READ_EVERY:
            return False
        is_fresh = self.read_at is not None and now - self.read_at < FRESH_FOR
        return not is_fresh or (is_sought is not None and not any(is_sought(key) for key in self.keys))


class PortalKeys:
    def __init__(self, clock: Clock, reach: Reach) -> None:
        self._clock = clock
        self._reach = reach
        self._lock = threading.Lock()
        self._known: dict[UUID, _Known] = {}

    def keys_of(self, portal: Portal, kid: str | None = None) -> list[PublicJWK]:
        """The public keys that may verify what the portal signed; `kid` is the one that its token names.

        May ask the network, and ends the transaction then: call it before the first write.
        """
        return self._keys(portal, None if kid is None else lambda key: key.get("kid") == kid)

    def has(self, portal: Portal, is_sought: Sought) -> bool:
        """Whether the portal has such a key. May ask the network, like `keys_of`."""
        return any(is_sought(key) for key in self._keys(portal, is_sought))

    def _keys(self, portal: Portal, is_sought: Sought | None) -> list[PublicJWK]:
        if portal.jwks_uri is None:
            return list((portal.jwks or {}).get("keys", []))
        known = self._of(portal.id, portal.jwks_uri)
        if known.must_read(is_sought, self._clock.now()):
            slug = portal.slug
            db.session.rollback()  # nothing is held while the network is asked
            self._read(known, is_sought, slug)
        return list(known.keys)

    def _of(self, portal_id: UUID, uri: str) -> _Known:
        with self._lock:
            known = self._known.get(portal_id)
            if known is None or known.uri != uri:
                known = self._known[portal_id] = _Known(uri)
            return known

    def _read(self, known: _Known, is_sought: Sought | None, slug: str) -> None:
        """Ask once, however many requests wait; who has keys at hand does not wait."""
        if not known.lock.acquire(blocking=not known.keys):
            return
        try:
            now = self._clock.now()
            if not known.must_read(is_sought, now):  # another request read them meanwhile
                return
            try:
                known.keys, known.read_at = usable(_document(known.uri, self._reach)), now
            except (OutgoingFailed, OutgoingRefused, UnusableKeys, ValueError, RecursionError) as error:
                log.warning("portal_keys_unread", portal=slug, error=type(error).__name__)
                is_withdrawn = isinstance(error, UnusableKeys)  # its own server says so
                if is_withdrawn or known.read_at is None or now - known.read_at >= KEPT_FOR:
                    known.keys = []
            known.tried_at = now  # at last: until then, who has no keys waits for these
        finally:
            known.lock.release()


def _document(uri: str, reach: Reach) -> object:
    document: object = json.loads(get(uri, reach=reach, types=TYPES).body)
    return document
