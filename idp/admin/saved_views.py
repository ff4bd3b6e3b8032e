"""One's saved views of the console's lists: saved with a name, renamed, removed. Each operator sees their own alone."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, abort, redirect, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, whose, worker
from idp.admin.list_tools import VIEWS as LIST
from idp.models.base import db
from idp.models.saved_view import SavedView, views_of
from idp.services.bundle import services
from idp.services.lists import KNOWN, Listing, address_of, read_filters
from idp.services.permissions import Permission
from idp.services.saved_views import LONGEST, MOST
from idp.web import kept
from idp.web.forms import FormView
from idp.web.i18n import text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_saved_views", __name__)
SEE = Permission.SEE_CONSOLE
NEW, PAGE = f"{LIST}/new", f"{LIST}/<uuid:view_id>"


@dataclass(frozen=True, repr=False)
class ViewLine:
    id: UUID
    name: str
    address: str
    listing: str


@dataclass(frozen=True, repr=False)
class NameView:
    """`asked` are the hidden entries of a new view; an old one has an `id`."""

    listing: str
    asked: tuple[tuple[str, str], ...] = ()
    id: UUID | None = None


@blueprint.get(LIST)
@requires(SEE)
def views() -> Response:
    rows = tuple(
        ViewLine(one.id, one.name, address_of(Listing(one.listing), one.filters), _title(one.listing))
        for one in views_of(worker().account.id)
        if _may_see(Listing(one.listing))
    )
    return console("admin/saved_views.html", text("sav.title"), rows, needs=SEE)


@blueprint.get(NEW)
@requires(SEE)
def new() -> Response:
    form = kept.find(whose())
    given = form.values if form else request.args
    listing = _listing(given.get("list"))
    filters = read_filters(listing, given)
    view = NameView(_title(listing), (("list", listing.value), *filters.items()))
    back = address_of(listing, filters)
    return console("admin/saved_view.html", text("sav.save"), view, needs=SEE, form=form or FormView(), back=back)


@blueprint.post(NEW)
@requires(SEE)
def save() -> Response:
    """Back to the list, as it was narrowed; no address is taken from the form."""
    listing, by, name = _listing(request.form.get("list")), worker().account.id, _typed()
    filters = read_filters(listing, request.form)
    services().attempts.queue(f"views|{by}")
    if refusal := services().saved_views.keep(by, listing, filters, name):
        typed = {"list": listing.value, **filters, "name": name}
        return kept.lead(NEW, whose(), typed, {"name": _wrong(refusal)})
    return redirect(address_of(listing, filters), 303)


@blueprint.get(PAGE)
@requires(SEE)
def show(view_id: UUID) -> Response:
    found = _load(view_id)
    form = kept.find(whose()) or FormView({"name": found.name})
    view = NameView(_title(found.listing), id=found.id)
    return console("admin/saved_view.html", found.name, view, needs=SEE, form=form, back=LIST)


@blueprint.post(PAGE)
@requires(SEE)
def rename(view_id: UUID) -> Response:
    found, name = _load(view_id), _typed()
    services().attempts.queue(f"views|{worker().account.id}")
    if refusal := services().saved_views.rename(found, name):
        return kept.lead(request.path, whose(), {"name": name}, {"name": _wrong(refusal)})
    return redirect(LIST, 303)


@blueprint.post(f"{PAGE}/remove")
@requires(SEE)
def remove(view_id: UUID) -> Response:
    db.session.delete(_load(view_id))
    return redirect(LIST, 303)


def _typed() -> str:
    """As it came, but not longer than an error has to show again."""
    return request.form.get("name", "")[:200]


def _wrong(refusal: str) -> Wrong:
    return Wrong(refusal, {"n": str(MOST), "most": str(LONGEST)})


def _title(listing: str) -> str:
    return text(KNOWN[Listing(listing)].title)


def _listing(name: str | None) -> Listing:
    """404 for a list that there is not, or that this operator may see nowhere."""
    if name not in set(Listing) or not _may_see(Listing(name)):
        abort(404)
    return Listing(name)


def _may_see(listing: Listing) -> bool:
    return worker().rights.may_somewhere(KNOWN[listing].see)


def _load(view_id: UUID) -> SavedView:
    """404 for that of somebody else, as for none."""
    found = db.session.get(SavedView, view_id)
    if found is None or found.account_id != worker().account.id:
        abort(404)
    return found
