"""Pages outside any journey: the choice of a portal, help and legal pages, a portal's theme, and liveness."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from flask import Blueprint, abort, g, jsonify, make_response, redirect, request
from sqlalchemy import text as sql
from werkzeug.wrappers import Response

from idp.models.base import db
from idp.models.portal import Portal, find_portal, list_portals
from idp.web.headers import CACHEABLE
from idp.web.i18n import language, text
from idp.web.render import Frame, page
from idp.web.theme import stylesheet, theme_address

blueprint = Blueprint("pages", __name__)
SEARCH_FROM = 9
STATIC_PAGES = {"help": "h.title", "terms": "f.terms", "privacy": "f.privacy", "accessibility": "f.accessibility"}


@dataclass(frozen=True)
class ChoiceView:
    portals: list[Portal]
    searches: bool
    query: str


def _plain(name: str) -> str:
    """For sorting and searching: without case and accents."""
    return "".join(part for part in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(part))


@blueprint.get("/")
def choose() -> Response:
    """P1."""
    portals = sorted(list_portals(), key=lambda portal: _plain(portal.name(language())))
    wanted = request.args.get("portal")
    if wanted is not None and (found := find_portal(wanted)):
        return redirect(f"/{found.slug}/login", 303)
    if len(portals) == 1:
        return redirect(f"/{portals[0].slug}/login", 303)
    query = request.args.get("q", "").strip()[:100]
    shown = [portal for portal in portals if _plain(query) in _plain(portal.name(language()))]
    status = text("p.unknown") if wanted is not None else text("p.none", q=query) if query and not shown else None
    view = ChoiceView(shown, len(portals) >= SEARCH_FROM, query)
    return page("pages/choose.html", Frame(text("p.title"), status=status), view)


@blueprint.get("/<any(help,terms,privacy,accessibility):name>")
def static_page(name: str) -> Response:
    return page(f"pages/{name}.{language()}.html", Frame(text(STATIC_PAGES[name]), back="/"))


@blueprint.get("/<slug>/theme.<digest>.css")
def theme(slug: str, digest: str) -> Response:
    portal = find_portal(slug)
    if portal is None or theme_address(portal) != request.path:
        abort(404)
    setattr(g, CACHEABLE, True)
    headers = {"Content-Type": "text/css; charset=utf-8", "Cache-Control": "public, max-age=31536000, immutable"}
    return make_response(stylesheet(portal.brand_color), 200, headers)


@blueprint.get("/livez")
def livez() -> Response:
    return jsonify(status="ok")


@blueprint.get("/readyz")
def readyz() -> Response:
    """Ready when the database answers."""
    db.session.execute(sql("SELECT 1"))
    return jsonify(status="ok")
