"""The record of events as a file for a spreadsheet (RFC 4180): what the page shows, all of it, as it is filtered.

Sent as it is read, some hundred events at a time; a cell that a spreadsheet would take for a formula begins with an
apostrophe (security.md F-32). That it was taken is an event itself.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from uuid import UUID

from flask import Blueprint, stream_with_context
from sqlalchemy import Select
from werkzeug.wrappers import Response

from idp.admin.audit import LISTING, SEE, actor_names, filtered, visible_portals
from idp.admin.audit_words import in_words, operators_in, tag_words
from idp.admin.entrance import requires, worker
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.spreadsheet import BOM, lines
from idp.web.i18n import text

blueprint = Blueprint("admin_audit_file", __name__)
BATCH = 500


@blueprint.get("/admin/audit.csv")
@requires(SEE)
def audit_file() -> Response:
    given = dict(LISTING.asked().filters)
    portals = visible_portals()
    found = filtered(given, portals)
    fields = " ".join(f"{name}={value}" for name, value in given.items() if value and name != "person")
    services().audit.record(AuditTag.AUDIT_EXPORTED, account=worker().account.id, fields=fields)
    db.session.commit()
    slugs = {ident: portal.slug for ident, portal in portals.items()}
    answer = Response(stream_with_context(_lines(found, slugs)), 200)
    answer.headers["Content-Type"] = "text/csv; charset=utf-8"
    answer.headers["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return answer


def _lines(found: Select[AuditEvent], slugs: Mapping[UUID, str]) -> Iterator[str]:
    heads = [text(f"adm.{name}") for name in ("when", "what", "portal", "actor", "subject", "person", "detail")]
    yield BOM + lines([heads], ",")
    before: UUID | None = None
    while True:
        batch = found if before is None else found.where(AuditEvent.id < before)
        rows = db.session.scalars(batch.order_by(AuditEvent.id.desc()).limit(BATCH)).all()
        names = actor_names({row.actor_id for row in rows}.union(*(operators_in(row) for row in rows)))
        written = [_cells(row, names, slugs) for row in rows]
        before = rows[-1].id if len(rows) == BATCH else None
        db.session.expunge_all()
        db.session.rollback()  # nothing is held while somebody's line is slow
        if written:
            yield lines(written, ",")
        if before is None:
            return


def _cells(row: AuditEvent, names: Mapping[UUID, str], slugs: Mapping[UUID, str]) -> tuple[str, ...]:
    return (
        row.at.isoformat(), f"{tag_words(row.tag)} ({row.tag})", slugs.get(row.portal_id, "") if row.portal_id else "",
        names.get(row.actor_id, "") if row.actor_id else "", str(row.account_id or ""),
        str(row.insured_person_id or ""), "; ".join(in_words(row, names)),
    )  # fmt: skip
