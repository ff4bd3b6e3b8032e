"""Pages outside any journey: the choice of a portal, help and legal pages, and a portal's theme."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from urllib.parse import urlencode

from flask import Blueprint, abort, g, make_response, redirect, request
from markupsafe import Markup
from werkzeug.wrappers import Response

from idp.models.portal import Portal, find_portal, list_portals
from idp.services.bundle import services
from idp.web import after_sign_in
from idp.web.browser import last_portal
from idp.web.headers import CACHEABLE
from idp.web.i18n import language, text
from idp.web.render import Frame, contact, page
from idp.web.theme import logo_address, stylesheet, theme_address

blueprint = Blueprint("pages", __name__)
SEARCH_FROM = 9
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
STATIC_PAGES = {"help": "h.title", "terms": "f.terms", "privacy": "f.privacy", "accessibility": "f.accessibility"}


@dataclass(frozen=True)
class StaticView:
    """What the guide and the legal pages say of this installation; spans as whole hours and minutes."""

    site: str
    contact: Markup
    entries_hours: int
    mail_code_minutes: int
    sms_code_minutes: int
    session_idle_minutes: int
    session_hours: int


@dataclass(frozen=True)
class ChoiceView:
    portals: list[Portal]
    searches: bool
    query: str
    entrance: str  # what follows a portal's slug
    then: dict[str, str]  # where the person goes from there


def _plain(name: str) -> str:
    """For sorting and searching: without case and accents."""
    return "".join(part for part in unicodedata.normalize("NFKD", name.casefold()) if not unicodedata.combining(part))


@blueprint.get("/")
def choose() -> Response:
    """P1. By name; the one last used first."""
    last = last_portal()
    portals = sorted(list_portals(), key=lambda portal: (portal.slug != last, _plain(portal.name(language()))))
    wanted = request.args.get("portal")
    then = _then()
    entrance = f"login?{urlencode(then)}" if then else "login"
    if wanted is not None and (found := find_portal(wanted)):
        return redirect(f"/{found.slug}/{entrance}", 303)
    if len(portals) == 1:
        return redirect(f"/{portals[0].slug}/{entrance}", 303)
    query = request.args.get("q", "").strip()[:100]
    shown = [portal for portal in portals if _plain(query) in _plain(portal.name(language()))]
    status: str | None = None
    if wanted is not None:
        status = text("p.unknown")
    elif query and not shown:
        status = text("p.none", q=query)
    elif then:
        status = text("acc.first")
    view = ChoiceView(shown, len(portals) >= SEARCH_FROM, query, entrance, then)
    return page("pages/choose.html", Frame(text("p.title"), status=status), view)


def _then() -> dict[str, str]:
    """Where a person who signs in first wants to go, as parameters of the sign-in."""
    wanted = request.args.get("then", "")
    if wanted not in {*after_sign_in.PAGES, "device"}:
        return {}
    user_code = request.args.get("user_code", "")[:20] if wanted == "device" else ""
    return {"then": wanted, **({"user_code": user_code} if user_code else {})}


@blueprint.get("/<any(help,terms,privacy,accessibility):name>")
def static_page(name: str) -> Response:
    """The guide and the legal pages; `?portal=` keeps the contact of the portal the person comes from."""
    settings = services().settings
    portal = find_portal(request.args.get("portal", ""))
    view = StaticView(
        site=settings.host,
        contact=contact(portal),
        entries_hours=settings.registration_idle_for // HOUR,
        mail_code_minutes=settings.email_code_for // MINUTE,
        sms_code_minutes=settings.sms_code_for // MINUTE,
        session_idle_minutes=settings.session_idle_for // MINUTE,
        session_hours=settings.session_absolute_for // HOUR,
    )
    back = f"/{portal.slug}/login" if portal else "/"
    return page(f"pages/{name}.{language()}.html", Frame(text(STATIC_PAGES[name]), portal=portal, back=back), view)


@blueprint.get("/<slug>/theme.<digest>.css")
def theme(slug: str, digest: str) -> Response:
    portal = find_portal(slug)
    if portal is None or theme_address(portal) != request.path:
        abort(404)
    return _for_ever(stylesheet(portal.brand_color), "text/css; charset=utf-8")


@blueprint.get("/<slug>/logo.<digest>.svg")
def logo(slug: str, digest: str) -> Response:
    portal = find_portal(slug)
    if portal is None or not portal.logo_svg or logo_address(portal) != request.path:
        abort(404)
    return _for_ever(portal.logo_svg, "image/svg+xml")


def _for_ever(content: str, kind: str) -> Response:
    """An answer whose address names its content."""
    setattr(g, CACHEABLE, True)
    headers = {"Content-Type": kind, "Cache-Control": "public, max-age=31536000, immutable"}
    return make_response(content, 200, headers)
