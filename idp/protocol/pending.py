"""How an authorization request waits for its person: found by a handle *and* its browser's cookie."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import cast
from uuid import UUID

from sqlalchemy import Table, bindparam, insert, select, update

from idp.chance import new_id, token
from idp.models.authorization import PendingRequest
from idp.models.base import write
from idp.models.disk import without_waiting
from idp.models.known_portals import known_portal
from idp.models.portal import Portal
from idp.models.prepared import Prepared
from idp.models.units import is_alone
from idp.protocol.authorization import AuthorizationRequest
from idp.services.bundle import Services

PENDING = cast(Table, PendingRequest.__table__)
GIVEN = ("id", "handle_hash", "browser_hash", "portal_id", "parameters", "created_at", "expires_at")
KEEP = Prepared(insert(PENDING), *GIVEN)
KEEP_UNHURRIED = Prepared(without_waiting(insert(PENDING)), *GIVEN)
BY_HANDLE = Prepared(select(PENDING).where(PENDING.c.handle_hash == bindparam("handle")))


def _hash(handle: str) -> str:
    return hashlib.sha256(handle.encode()).hexdigest()


def keep(
    bundle: Services, portal: Portal, request: AuthorizationRequest, browser_hash: str, *, is_followed: bool = False
) -> str:
    """Let the request wait for its person in this browser; returns the handle it is found by. `is_followed`: by a
    commit, before anybody is answered, and so it need not wait for the disk itself.
    """
    now, handle = bundle.clock.now(), token(bundle.random)
    (KEEP_UNHURRIED if is_followed and is_alone() else KEEP).count(
        id=new_id(bundle.random, now),
        handle_hash=_hash(handle),
        browser_hash=browser_hash,
        portal_id=portal.id,
        parameters=request.stored(),
        created_at=now,
        expires_at=now + bundle.settings.registration_idle_for,
    )
    return handle


@dataclass(frozen=True)
class Pending:
    id: UUID
    portal: Portal
    request: AuthorizationRequest
    is_denied: bool
    is_consumed: bool


def find(bundle: Services, handle: str, browser_hash: str | None) -> Pending | None:
    """The request that waits under this handle, if it was left by this very browser (RFC 9700 §4.7)."""
    row = BY_HANDLE.first(handle=_hash(handle))
    if row is None or row.browser_hash != browser_hash or row.expires_at <= bundle.clock.now():
        return None
    portal = known_portal(row.portal_id)
    if portal is None:
        return None
    request = AuthorizationRequest.restored(row.parameters)
    return Pending(row.id, portal, request, row.denied_at is not None, row.consumed_at is not None)


def deny(bundle: Services, pending: Pending) -> None:
    """The person said no: the portal will be told so when the browser comes back."""
    write(
        update(PendingRequest)
        .where(PendingRequest.id == pending.id, PendingRequest.consumed_at.is_(None))
        .values(denied_at=bundle.clock.now())
    )
