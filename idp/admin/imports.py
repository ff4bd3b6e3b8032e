"""Imports of persons at the portals that one's role covers: where each stands, what it does, and what is wrong."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, abort, make_response, request
from sqlalchemy import select
from werkzeug.wrappers import Response

from idp.admin import import_words
from idp.admin.entrance import console, may_words, requires, worker
from idp.admin.import_words import ErrorView, ProgressView
from idp.admin.paging import Around, Choices, Listing, Sort, around, page_of
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.person_import import CHECKED, DONE, PAUSED, RUNNING, UPLOADED, WORKED_ON, PersonImport
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.import_jobs import UNDONE_WITHIN
from idp.services.permissions import Permission
from idp.services.persons import mask_name, mask_number
from idp.services.spreadsheet import BOM, lines
from idp.texts import format_moment
from idp.web.forms import FormView
from idp.web.i18n import language, text

blueprint = Blueprint("admin_imports", __name__)
LISTING = Listing("imports", ("portal",), (Sort("when"),))
LIST, IMPORT = LISTING.address, Permission.IMPORT_PERSONS
PAGE = f"{LIST}/<uuid:import_id>"
SHOWN_ERRORS = 50
LEFT_PAGE = 50


@dataclass(frozen=True, repr=False)
class ImportLine:
    id: UUID
    at: str
    name: str
    portal: str
    source: str
    state: str
    counts: str


@dataclass(frozen=True, repr=False)
class ImportsView:
    imports: tuple[ImportLine, ...]
    choices: Choices
    around: Around


@dataclass(frozen=True, repr=False)
class ImportView:
    """`may` are the deeds that its state allows; `undo_until` is empty where there is nothing to undo; `next_step` is
    where letters are made for whom it added, or who makes them in words.
    """

    id: UUID
    facts: tuple[tuple[str, str], ...]
    progress: ProgressView | None
    fault: str
    counts: tuple[tuple[str, str], ...]
    fields: tuple[tuple[str, str], ...]
    errors: tuple[ErrorView, ...]
    has_more_errors: bool
    left: str
    kept: str
    undo_until: str
    next_step: str
    may: frozenset[str]


@dataclass(frozen=True, repr=False)
class LeftView:
    persons: tuple[tuple[str, str, str], ...]
    older: str
    note: str


@blueprint.get(LIST)
@requires(IMPORT)
def imports() -> Response:
    asked, portals = LISTING.asked(), covered()
    everything = select(PersonImport).where(PersonImport.portal_id.in_(portals))
    where = [one.id for one in portals.values() if asked.filters["portal"] in {"", one.slug}]
    found = [select(PersonImport).where(PersonImport.portal_id == one) for one in where]
    shown, piece, total = page_of(asked, PersonImport.id, everything, found)
    choices: Choices = {"portal": (text("adm.portal"), [(one.slug, one.name(language())) for one in portals.values()])}
    view = ImportsView(
        imports=tuple(_line(row, portals[row.portal_id]) for row in shown),
        choices=choices,
        around=around(asked, piece, total, choices),
    )
    return console("admin/imports.html", text("imp.title"), view, needs=IMPORT, form=FormView(asked.filters))


@blueprint.get(PAGE)
@requires(IMPORT)
def show(import_id: UUID) -> Response:
    """Everything about one import. The wrong values of a file are personal data: each look at some is recorded."""
    row, portal = load(import_id)
    jobs = services().import_jobs
    errors = jobs.errors(row)
    if errors:
        services().audit.record(AuditTag.IMPORT_READ, portal=row.portal_id, file=str(row.id))
    until = row.finished_at + UNDONE_WITHIN if row.finished_at and jobs.may_undo(row) else None
    view = ImportView(
        id=row.id,
        facts=import_words.facts(row, portal.name(language())),
        progress=import_words.progress(row),
        fault=import_words.fault(row),
        counts=import_words.counts(row),
        fields=import_words.fields(row),
        errors=tuple(import_words.error_view(one) for one in errors[:SHOWN_ERRORS]),
        has_more_errors=row.errors > SHOWN_ERRORS,
        left=import_words.number(row.left_out) if row.left_ids else "",
        kept=import_words.number(row.kept) if row.kept else "",
        undo_until=format_moment(until) if until else "",
        next_step=_next_step(row),
        may=_may(row),
    )
    title = text("imp.one", file=row.file_name)
    return console("admin/import.html", title, view, needs=IMPORT, form=FormView(), back=LIST)


@blueprint.get(f"{PAGE}/errors.csv")
@requires(IMPORT)
def errors(import_id: UUID) -> Response:
    """The error report as a table, in which no cell computes anything."""
    row, _ = load(import_id)
    services().audit.record(AuditTag.IMPORT_READ, portal=row.portal_id, file=str(row.id))
    heads = [text(f"imp.{name}") for name in ("line", "column.field", "reason", "value")]
    found = map(import_words.error_view, services().import_jobs.errors(row))
    table = lines([heads, *((str(one.line), one.field, one.reason, one.value) for one in found)])
    name = f"attachment; filename=errors-{str(row.id)[-8:]}.csv"
    body = (BOM + table).encode("utf-8", "replace")
    return make_response(body, 200, {"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": name})


@blueprint.get(f"{PAGE}/left")
@requires(IMPORT)
def left(import_id: UUID) -> Response:
    """Persons of the portal whom the file does not name: by the fund's own key, with their names masked."""
    row, portal = load(import_id)
    services().audit.record(AuditTag.IMPORT_READ, portal=row.portal_id, file=str(row.id))
    typed = request.args.get("from", "0")
    start = int(typed) if typed.isascii() and typed.isdecimal() and len(typed) < 6 else 0
    ids = [UUID(one) for one in (row.left_ids or [])[start : start + LEFT_PAGE]]
    found = {one.id: one for one in db.session.scalars(select(InsuredPerson).where(InsuredPerson.id.in_(ids)))}
    known = [found[one] for one in ids if one in found]
    rest, listed = start + LEFT_PAGE, len(row.left_ids or [])
    view = LeftView(
        persons=tuple(
            (
                one.external_id,
                mask_name(one.given_name, one.family_name) or text("per.noname"),
                mask_number(one.insured_number),
            )
            for one in known
        ),
        older=f"?from={rest}" if rest < listed else "",
        note=text("imp.left.some", n=import_words.number(listed)) if listed < row.left_out else "",
    )
    title = text("imp.left.title", portal=portal.name(language()))
    return console("admin/import_left.html", title, view, needs=IMPORT, back=f"{LIST}/{row.id}")


def covered() -> dict[UUID, Portal]:
    """The portals at which this operator may import, by slug; also those that were disabled."""
    may, rows = worker().rights, db.session.scalars(select(Portal).order_by(Portal.slug))
    return {portal.id: portal for portal in rows if may.may(IMPORT, portal.id)}


def load(import_id: UUID) -> tuple[PersonImport, Portal]:
    """The import and its portal. 404 for one of a portal that this operator has no right at, as for none."""
    row = db.session.get(PersonImport, import_id)
    if row is None or not worker().rights.may(IMPORT, row.portal_id):
        abort(404)
    return row, db.session.get_one(Portal, row.portal_id)


def _line(row: PersonImport, portal: Portal) -> ImportLine:
    words = ", ".join(f"{name} {count}" for name, count in import_words.counts(row)[:2])
    return ImportLine(
        row.id, format_moment(row.made_at), row.file_name, portal.name(language()), text(f"imp.from.{row.source}"),
        text(f"imp.state.{row.state}"), words,
    )  # fmt: skip


def _next_step(row: PersonImport) -> str:
    """Persons who were added wait for a letter."""
    if row.state != DONE or not row.new:
        return ""
    may = worker().rights.may(Permission.PRINT_LETTERS, row.portal_id)
    return "/admin/letters/new" if may else may_words(Permission.PRINT_LETTERS)


def _may(row: PersonImport) -> frozenset[str]:
    deeds = {
        "columns": row.state in {UPLOADED, CHECKED}, "start": row.state == CHECKED, "pause": row.state == RUNNING,
        "resume": row.state == PAUSED, "cancel": row.state in {UPLOADED, CHECKED, PAUSED, "checking", RUNNING},
        "refresh": row.state in WORKED_ON,
    }  # fmt: skip
    return frozenset(name for name, is_allowed in deeds.items() if is_allowed)
