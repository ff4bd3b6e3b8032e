"""A list of the console as a file: what will be in it and how many rows, how far the worker is, and the file itself.

Each operator sees their own exports alone (docs/decisions/0024).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, abort, redirect, request, stream_with_context
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, whose, worker
from idp.admin.list_tools import EXPORTS as LIST
from idp.clock import swiss
from idp.models.base import db
from idp.models.list_export import RUNNING, ListExport, exports_of
from idp.models.portal import find_portal_in_any_state
from idp.services.bundle import services
from idp.services.list_exports import EXPORT, MOST, MOST_LIVE, REASONS
from idp.services.list_rows import SOURCES
from idp.services.lists import KNOWN, Listing, address_of, read_filters
from idp.texts import LANGUAGE_NAMES, format_count, format_moment
from idp.web import kept
from idp.web.forms import FormView, line
from idp.web.i18n import language, text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_exports", __name__)
NEW, PAGE = f"{LIST}/new", f"{LIST}/<uuid:export_id>"
SHOWN = 50


@dataclass(frozen=True, repr=False)
class AskView:
    """`refusal` says why there is no button; `reasons` are empty where nothing is personal."""

    facts: tuple[tuple[str, str], ...]
    columns: tuple[str, ...]
    notes: tuple[str, ...]
    refusal: str
    asked: tuple[tuple[str, str], ...]
    reasons: tuple[tuple[str, str], ...]
    label: str


@dataclass(frozen=True, repr=False)
class ExportLine:
    id: UUID
    name: str
    made: str
    state: str


@dataclass(frozen=True, repr=False)
class ExportView:
    id: UUID
    words: str
    facts: tuple[tuple[str, str], ...]
    done: int
    count: int
    is_running: bool
    is_ready: bool


@blueprint.get(LIST)
@requires(EXPORT)
def exports() -> Response:
    mine = exports_of(worker().account.id, SHOWN)
    rows = tuple(ExportLine(one.id, _title(one), format_moment(one.made_at), _progress(one)) for one in mine)
    return console("admin/exports.html", text("exp.title"), rows, needs=EXPORT)


@blueprint.get(NEW)
@requires(EXPORT)
def new() -> Response:
    """What would be in the file, counted; a GET begins nothing."""
    form = kept.find(whose())
    given = form.values if form else request.args
    listing = _listing(given.get("list"))
    known, filters = KNOWN[listing], read_filters(listing, given)
    total = sum(services().list_exports.counts(listing, filters, worker().rights).values())
    refusal = services().list_exports.refusal(total, worker().account.id)
    facts = [(text("exp.list"), text(known.title)), *_in_words(listing, filters), (text("exp.rows"), _number(total))]
    view = AskView(
        facts=tuple(facts),
        columns=tuple(text(key) for key in SOURCES[listing].headings),
        notes=tuple(text(key) for key in (*(["exp.masked"] if known.is_personal else []), "exp.kept", "exp.format")),
        refusal=text(refusal, most=_number(MOST), n=MOST_LIVE) if refusal else "",
        asked=(("list", listing.value), *filters.items()),
        reasons=tuple((one, text(f"exp.reason.{one}")) for one in REASONS) if known.is_personal else (),
        label=text("exp.do", n=_number(total)),
    )
    back = address_of(listing, filters)
    return console("admin/export_new.html", text("exp.new"), view, needs=EXPORT, form=form or FormView(), back=back)


@blueprint.post(NEW)
@requires(EXPORT)
def begin() -> Response:
    """Counted anew; one operator's clicks take turns, so that no limit is passed by two at once."""
    listing, by, bundle = _listing(request.form.get("list")), worker().account.id, services()
    filters, reason = read_filters(listing, request.form), line(request.form.get("reason"))
    typed = {"list": listing.value, **filters}
    if KNOWN[listing].is_personal and reason not in REASONS:
        return kept.lead(NEW, whose(), typed, {"reason": Wrong("exp.e.reason")})
    bundle.attempts.queue(f"exports|{by}")
    begun = bundle.list_exports.begin(
        listing, filters, bundle.list_exports.counts(listing, filters, worker().rights), by=by, language=language(),
        reason=reason if KNOWN[listing].is_personal else "",
    )  # fmt: skip
    if begun is None:
        return redirect(f"{NEW}?{urlencode(typed)}", 303)
    return redirect(f"{LIST}/{begun.id}", 303)


@blueprint.get(PAGE)
@requires(EXPORT)
def show(export_id: UUID) -> Response:
    """How far the worker is; leaving the page stops nothing."""
    found = _load(export_id)
    is_ready, listing = services().list_exports.is_ready(found), Listing(found.listing)
    facts = [
        (text("exp.list"), text(KNOWN[listing].title)), *_in_words(listing, found.filters),
        (text("exp.made"), format_moment(found.made_at)),
    ]  # fmt: skip
    if found.reason:
        facts.append((text("exp.reason"), text(f"exp.reason.{found.reason}")))
    if is_ready and found.expires_at:
        facts.append((text("exp.until"), format_moment(found.expires_at)))
    view = ExportView(
        id=found.id,
        words=_progress(found),
        facts=tuple(facts),
        done=found.done,
        count=max(found.count, found.done),
        is_running=found.state == RUNNING,
        is_ready=is_ready,
    )
    return console("admin/export.html", _name(found), view, needs=EXPORT, form=FormView(), back=LIST)


@blueprint.get(f"{PAGE}/file.csv")
@requires(EXPORT)
def file(export_id: UUID) -> Response:
    """The whole file or nothing: its length is told beforehand, so a browser sees when it breaks off."""
    found, exports = _load(export_id), services().list_exports
    if not exports.is_ready(found):
        abort(404)
    exports.take(found)
    name, size, pieces = f"{found.listing}-{swiss(found.made_at):%Y-%m-%d}.csv", found.size, found.pieces
    db.session.commit()
    answer = Response(stream_with_context(exports.pieces(export_id, pieces)), 200)
    answer.headers["Content-Type"] = "text/csv; charset=utf-8"
    answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    answer.headers["Content-Length"] = str(size)
    return answer


@blueprint.post(f"{PAGE}/end")
@requires(EXPORT)
def end(export_id: UUID) -> Response:
    """Stop it while it is written, or wipe its file before the day is over."""
    found = _load(export_id)
    services().list_exports.end(found)
    return redirect(f"{LIST}/{export_id}", 303)


def _listing(name: str | None) -> Listing:
    """404 for a list that cannot be exported, or that this operator may see nowhere."""
    listing = next((one for one in SOURCES if one.value == name), None)
    if listing is None or not worker().rights.may_somewhere(KNOWN[listing].see):
        abort(404)
    return listing


def _load(export_id: UUID) -> ListExport:
    """404 for that of somebody else, and where some of it may not be seen any more."""
    found = db.session.get(ListExport, export_id)
    if found is None or not services().list_exports.may_see(found, worker().account.id, worker().rights):
        abort(404)
    return found


def _title(export: ListExport) -> str:
    return text(KNOWN[Listing(export.listing)].title)


def _name(export: ListExport) -> str:
    return text("exp.one", list=_title(export), time=format_moment(export.made_at))


def _progress(export: ListExport) -> str:
    done, count = _number(export.done), _number(max(export.count, export.done))
    return text(f"exp.state.{export.state}", done=done, n=count)


def _in_words(listing: Listing, filters: Mapping[str, str]) -> list[tuple[str, str]]:
    """Each filter and its value."""
    said = []
    for name, choice in KNOWN[listing].choices.items():
        if name in filters:
            value = filters[name]
            said.append((text(choice.label), text(choice.words + value) if choice.words else LANGUAGE_NAMES[value]))
    if "portal" in filters:
        portal = find_portal_in_any_state(filters["portal"])
        is_known = portal is not None and worker().rights.may(KNOWN[listing].see, portal.id)
        said.append((text("adm.portal"), portal.name(language()) if portal and is_known else filters["portal"]))
    return said


def _number(count: int) -> str:
    return format_count(count, language())
