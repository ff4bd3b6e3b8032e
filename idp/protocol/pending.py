"""How an authorization request waits for its person: found by a handle *and* its browser's cookie."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import bindparam, select, update

from idp.chance import new_id, token
from idp.models.authorization import PendingRequest
from idp.models.base import db, write
from idp.models.known_portals import known_portal
from idp.models.portal import Portal
from idp.protocol.authorization import AuthorizationRequest
from idp.services.bundle import Services

BY_HANDLE = select(PendingRequest).where(PendingRequest.handle_hash == bindparam("handle"))


def _hash(handle: str) -> str:
    return hashlib.sha256(handle.encode()).hexdigest()


def keep(bundle: Services, portal: Portal, request: AuthorizationRequest, browser_hash: str) -> str:
    """Let the request wait for its person in this browser; returns the handle it is found by."""
    now, handle = bundle.clock.now(), token(bundle.random)
    db.session.add(
        PendingRequest(
            id=new_id(bundle.random, now),
            handle_hash=_hash(handle),
            browser_hash=browser_hash,
            portal_id=portal.id,
            parameters=request.stored(),
            created_at=now,
            expires_at=now + bundle.settings.registration_idle_for,
        )
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
    row = db.session.scalar(BY_HANDLE, {"handle": _hash(handle)})
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


def consume(bundle: Services, pending: Pending) -> bool:
    """Answer a waiting request once."""
    done = write(
        update(PendingRequest)
        .where(PendingRequest.id == pending.id, PendingRequest.consumed_at.is_(None))
        .values(consumed_at=bundle.clock.now())
    )
    return done == 1
