"""The worker's part in exports: the rows of a list into a sealed file, a step at a time, and the end of old files.

A step is one transaction: it writes down where it has come to, if the export is still its own and still wanted, and
puts its piece into the file. So a worker that is killed leaves whole pieces, and the next one goes on after them.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from flask import Flask
from sqlalchemy import insert, select

from idp.models.base import db
from idp.models.list_export import (
    DONE,
    FAILED,
    RUNNING,
    ExportPiece,
    ListExport,
    end_export,
    keep_export,
    take_export,
)
from idp.models.outage import retry_after
from idp.models.portal import Portal
from idp.services.bundle import Services, services
from idp.services.duty import keep_at
from idp.services.list_exports import KEPT_FOR, place
from idp.services.list_rows import SOURCES, Asked, Words, walk
from idp.services.lists import Listing
from idp.services.spreadsheet import BOM, lines

EVERY_S = 2.0
BREATH_S = 0.02  # between two steps, so that others may write too
LEASE = timedelta(seconds=60)  # of one step; a worker that died gives its export back after it
ROWS = 2000  # that one step looks at
MOST_TRIES = 50

log = structlog.get_logger(__name__)


class Exporter:
    def __init__(self, app: Flask) -> None:
        self._app = app

    def run_forever(self, stop: threading.Event) -> None:
        """A file at a time until told to stop; an unreachable database is waited for."""
        keep_at(self._app, "exports", lambda: self.run_once(stop), stop, EVERY_S)

    def run_once(self, stop: threading.Event | None = None) -> bool:
        """Whether there was a file to write."""
        with self._app.app_context():
            bundle = services()
            bundle.list_exports.expire()
            taken = take_export(bundle.clock.now(), LEASE)
            if taken is None:
                return False
            _write(bundle, *taken, stop or threading.Event())
            return True


def _write(bundle: Services, ident: UUID, tries: int, stop: threading.Event) -> None:
    """Step after step until it is over or not ours any more. A worker that is told to stop gives it back at once."""
    try:
        locked = bundle.locks.every_locked()
        while step(bundle, ident, tries, locked):
            if stop.wait(BREATH_S):
                keep_export(ident, tries, held_until=None)
                db.session.commit()
                return
    except Exception as error:  # one list that cannot be written must not stop the others
        db.session.rollback()
        if retry_after(error) is not None and tries < MOST_TRIES:
            raise
        log.error("export_fault", message=str(ident), exc_info=True)
        if keep_export(ident, tries, held_until=None):
            end_export(ident, (RUNNING,), FAILED, bundle.clock.now())
        db.session.commit()


def step(bundle: Services, ident: UUID, tries: int, locked: Sequence[UUID]) -> bool:
    """Write the next piece; False when the file is whole, or when it is not ours any more."""
    row = db.session.get(ListExport, ident, populate_existing=True)
    if row is None or (row.state, row.tries) != (RUNNING, tries):
        return False
    source, now = SOURCES[Listing(row.listing)], bundle.clock.now()
    names = {portal.id: portal.name(row.language) for portal in db.session.scalars(select(Portal))}
    words = Words(bundle.texts, row.language, names, Asked(row.filters, now, locked))
    portal = row.portals[row.portal_at]
    found = walk(source, words, UUID(portal) if portal else None, row.last_id, ROWS)
    heads = [] if row.pieces else [[words.say(key) for key in source.headings]]
    content = (lines([*heads, *found.rows]) if row.pieces else BOM + lines([*heads, *found.rows])).encode()
    number, is_last = row.pieces, found.last_id is None and row.portal_at + 1 == len(row.portals)
    values: dict[str, Any] = {
        "last_id": found.last_id, "portal_at": row.portal_at + (found.last_id is None),
        "done": row.done + len(found.rows), "size": row.size + len(content), "pieces": number + bool(content),
        "written": {**row.written, portal: row.written.get(portal, 0) + len(found.rows)}, "held_until": now + LEASE,
    }  # fmt: skip
    if is_last:
        values |= {"state": DONE, "finished_at": now, "expires_at": now + KEPT_FOR, "held_until": None}
    db.session.expunge_all()
    db.session.rollback()  # what was read is not held while the piece is sealed
    sealed = bundle.vault.seal(content, place(ident, number)) if content else None
    if not keep_export(ident, tries, **values):
        db.session.rollback()
        return False
    if sealed is not None:
        db.session.execute(insert(ExportPiece), {"export_id": ident, "number": number, "sealed_data": sealed})
    db.session.commit()
    return not is_last
