"""The portals that one may see, and what there is to know of each (ux.md §9.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from flask import Blueprint, request
from sqlalchemy import func, select
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, worker
from idp.admin.paging import Around, Asked, Listing, Sort, around
from idp.admin.portal_access import at_portal
from idp.admin.portal_forms import SECTIONS
from idp.models.base import db
from idp.models.keyset import Piece
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.models.total import Total
from idp.services.permissions import Permission
from idp.services.person_words import fold
from idp.services.portal_rules import SECRET_METHODS
from idp.texts import format_moment
from idp.web.i18n import language, text

blueprint = Blueprint("admin_portals", __name__)
LISTING = Listing(
    "portals", (), (Sort("slug", words="name"), Sort("name", words="name"), Sort("changed")), is_down=False
)
LIST = LISTING.address
SEE = Permission.SEE_PORTALS
DONE = {"saved": "c.saved", "disabled": "por.disabled", "enabled": "por.enabled"}


@dataclass(frozen=True, repr=False)
class PortalView:
    slug: str
    name: str
    client_id: str
    persons: int
    changed: str
    state: str
    is_disabled: bool


@dataclass(frozen=True, repr=False)
class ListView:
    portals: tuple[PortalView, ...]
    around: Around
    may_create: bool


@dataclass(frozen=True, repr=False)
class OneView:
    """`pages`: what can be looked at and changed, as the last part of an address and its name;
    `may_import`: nobody is in it yet, and this operator can bring them in.
    """

    portal: PortalView
    pages: tuple[tuple[str, str], ...]
    may_import: bool


@blueprint.get(LIST)
@requires(SEE)
def portals() -> Response:
    found = select(Portal)
    covered = worker().rights.portals(SEE)
    if covered is not None:
        found = found.where(Portal.id.in_(covered))
    asked, rows = LISTING.asked(), list(db.session.scalars(found.order_by(Portal.slug)))
    counts = _counts([row.id for row in rows])
    shown = tuple(_view(row, counts.get(row.id, 0)) for row in _sorted(rows, asked))
    all_of_them = Piece(tuple(row.id for row in rows), has_next=False, has_previous=False)
    view = ListView(
        shown, around(asked, all_of_them, Total(len(rows)), {}), worker().rights.may(Permission.CREATE_PORTAL)
    )
    return console("admin/portals.html", text("por.title"), view, needs=SEE)


@blueprint.get("/admin/portals/<slug>")
@at_portal(SEE)
def portal(row: Portal) -> Response:
    """One portal, and the way to everything that can be done with it."""
    shown = _view(row, _counts([row.id]).get(row.id, 0))
    may_import = not shown.persons and worker().rights.may(Permission.IMPORT_PERSONS, row.id)
    done = DONE.get(request.args.get("done", ""))
    return console(
        "admin/portal.html", shown.name, OneView(shown, _pages(row), may_import), needs=SEE, back=LIST,
        status=text(done) if done else None,
    )  # fmt: skip


def _sorted(rows: list[Portal], asked: Asked) -> list[Portal]:
    """All of them, for there are few: by a name as a list of persons is, without case and accents."""
    keys: dict[str, Callable[[Portal], Any]] = {
        "slug": lambda row: row.slug,
        "name": lambda row: fold(row.name(language())),
        "changed": lambda row: row.changed_at or row.created_at,
    }
    return sorted(rows, key=keys[asked.sort.name], reverse=asked.is_down)


def _pages(row: Portal) -> tuple[tuple[str, str], ...]:
    names = ["contact", "brand", *(section.name for section in SECTIONS[1:]), "secrets", "checks", "feed"]
    pages = [(name, text(f"por.s.{name}")) for name in names]
    pages.insert(2, (f"texts-{language()}", text("por.s.texts")))
    return tuple(pages)


def has_secret(row: Portal) -> bool:
    return row.token_endpoint_auth_method in SECRET_METHODS


def _counts(ids: list[UUID]) -> dict[UUID, int]:
    counted = (
        select(InsuredPerson.portal_id, func.count())
        .where(InsuredPerson.portal_id.in_(ids))
        .group_by(InsuredPerson.portal_id)
    )
    return {row[0]: row[1] for row in db.session.execute(counted)}


def _view(row: Portal, persons: int) -> PortalView:
    state = text("por.state.disabled" if row.is_disabled else "por.state.open")
    changed = format_moment(row.changed_at or row.created_at)
    return PortalView(row.slug, row.name(language()), row.client_id, persons, changed, state, row.is_disabled)
