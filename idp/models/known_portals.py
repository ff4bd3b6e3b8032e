"""Portals as they are only read: each at most once a second in a process, and shared by its requests.

What this process commits counts with its next request, what another one does within a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID
from weakref import WeakSet

from sqlalchemy import event
from sqlalchemy.orm import Mapper, Session

from idp.models.base import db
from idp.models.context import APPLICATION, of_context
from idp.models.portal import Portal, find_client, find_portal, load_enabled

FRESH_FOR_S = 1.0
COLUMNS = tuple(Portal.__table__.columns.keys())
CHANGED, KNOWN = "portals_changed", "known_portals"

_Name = str | UUID | tuple[str, str]


class KnownPortal(Portal):
    """A portal's columns as they were read: no session has it, nobody writes it, and reading one is no call of a
    function, as it is for a row (a dozen of them are read for each token).
    """

    __abstract__ = True  # not a class of rows

    @classmethod
    def of(cls, row: Portal) -> KnownPortal:
        made = cls.__new__(cls)
        vars(made).update((name, getattr(row, name)) for name in COLUMNS)
        return made

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"{name} of a portal that is only read")


for _name in COLUMNS:
    setattr(KnownPortal, _name, None)  # where a row has what looks for a column


@dataclass(eq=False)
class _Known:
    """What one application knows, and since when (monotonic seconds)."""

    portals: dict[_Name, tuple[Portal, float]] = field(default_factory=dict)


_of_every_application: WeakSet[_Known] = WeakSet()


def known_client(client_id: str) -> Portal | None:
    """The enabled portal of this client id, as it was a second ago or later."""
    return _fresh(client_id) or _keep(client_id, lambda: find_client(client_id))


def known_portal(portal_id: UUID) -> Portal | None:
    """The enabled portal of this id, as it was a second ago or later."""
    return _fresh(portal_id) or _keep(portal_id, lambda: load_enabled(portal_id))


def known_slug(slug: str) -> Portal | None:
    """The enabled portal of this slug, as it was a second ago or later."""
    return _fresh(("slug", slug)) or _keep(("slug", slug), lambda: find_portal(slug))


def _fresh(name: _Name) -> Portal | None:
    portal, asked_at = _known().get(name, (None, 0.0))
    return portal if portal is not None and time.monotonic() - asked_at < FRESH_FOR_S else None


def _keep(name: _Name, find: Callable[[], Portal | None]) -> Portal | None:
    """Who is unknown is asked for again: strangers choose what they ask for, and memory is not theirs to fill."""
    known, asked_at = _known(), time.monotonic()  # a change that is committed meanwhile leaves another one behind
    row, portal = find(), None
    if row is not None:
        portal = KnownPortal.of(row)
        db.session.expunge(row)  # else a session that lasts would find it again as it is now
        known[portal.client_id] = known[portal.id] = known["slug", portal.slug] = (portal, asked_at)
    else:
        known.pop(name, None)
    return portal


def _known() -> dict[_Name, tuple[Portal, float]]:
    extensions = of_context()[APPLICATION].extensions
    known: _Known | None = extensions.get(KNOWN)
    if known is None:
        known = extensions.setdefault(KNOWN, _Known())
        _of_every_application.add(known)
    return known.portals


def _note(_mapper: Mapper[Any], _connection: object, portal: Portal) -> None:
    session = Session.object_session(portal)
    if session is not None:
        session.info[CHANGED] = True


def _forget(session: Session) -> None:
    if session.info.pop(CHANGED, False):
        for known in list(_of_every_application):  # of which two may share a database
            known.portals = {}  # not emptied: what was read before this commit is still to be put into the other


for _change in ("after_insert", "after_update", "after_delete"):
    event.listen(Portal, _change, _note)
event.listen(db.session, "after_commit", _forget)
event.listen(db.session, "after_rollback", lambda session: session.info.pop(CHANGED, None))
