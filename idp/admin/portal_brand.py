"""Colour and logo of a portal, shown as persons will see them by day and by night before they are saved (§8.2)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, abort, make_response, redirect, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, whose
from idp.admin.portal_access import at_portal
from idp.admin.portal_edit import home
from idp.admin.portal_faults import errors_of
from idp.admin.portal_forms import changes
from idp.errors import BadInput
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.services.logos import LARGEST
from idp.services.permissions import Permission
from idp.services.portals import fields_of
from idp.web import kept
from idp.web.forms import FormView, line
from idp.web.i18n import text
from idp.web.kept import Wrong
from idp.web.theme import CARD_LIGHT, Ratio, contrast, is_pale, logo_address, preview, ratios, visible

blueprint = Blueprint("admin_portal_brand", __name__)
CHANGE = Permission.CHANGE_PORTAL
COLOR = re.compile(r"#[0-9A-Fa-f]{6}")
FIELDS = ("brand_color", "logo_svg", "logo_alt")


@dataclass(frozen=True, repr=False)
class RatioView:
    what: str
    mode: str
    colors: str
    ratio: str
    needed: str


@dataclass(frozen=True, repr=False)
class BrandView:
    """`preview`: address of the style sheet of the colour that is shown; `nearest`: one that needs no edge, if pale."""

    color: str
    preview: str
    ratios: tuple[RatioView, ...]
    nearest: str
    logo: str
    has_logo: bool


@blueprint.get("/admin/portals/<slug>/brand")
@at_portal(CHANGE)
def show(portal: Portal) -> Response:
    stored = {"brand_color": portal.brand_color, "logo_alt": portal.logo_alt or ""}
    if is_pale(portal.brand_color):
        stored["pale"] = "yes"
    form = kept.find(whose()) or FormView(stored)
    typed = form.values.get("brand_color", "")
    color = typed.upper() if COLOR.fullmatch(typed) else portal.brand_color
    view = BrandView(
        color=color,
        preview=f"{home(portal)}/preview.css?{urlencode({'color': color})}",
        ratios=tuple(_in_words(one) for one in ratios(color)),
        nearest=visible(color) if is_pale(color) else "",
        logo=logo_address(portal) if portal.logo_svg and not portal.is_disabled else "",
        has_logo=bool(portal.logo_svg),
    )
    title = text("por.section", section=text("por.s.brand"), portal=portal.slug)
    return console("admin/portal_brand.html", title, view, needs=CHANGE, form=form, back=home(portal))


@blueprint.post("/admin/portals/<slug>/brand")
@at_portal(CHANGE)
def save(portal: Portal) -> Response:
    """A colour that is hard to see is stored only by who has seen so; text on it and links are readable in any case."""
    color = line(request.form.get("brand_color"))
    typed = {"brand_color": color, "logo_alt": line(request.form.get("logo_alt"))}
    if request.form.get("pale"):
        typed["pale"] = "yes"
    if request.form.get("do") == "preview":
        wrong = {} if COLOR.fullmatch(color) else {"brand_color": Wrong("por.e.brand_color")}
        return kept.lead(request.path, whose(), typed, wrong)
    wanted = {"brand_color": color, "logo_alt": typed["logo_alt"] or None, **_logo()}
    errors = _pale(color) if COLOR.fullmatch(color) and "pale" not in typed else {}
    try:
        services().portals.judged(fields_of(portal) | wanted, portal)
        if not errors:
            services().portals.update(portal.slug, changes(wanted, fields_of(portal)))
            return redirect(f"{home(portal)}?done=saved", 303)
    except BadInput as error:
        errors = errors_of(error.message, FIELDS) | errors
    return kept.lead(request.path, whose(), typed, errors)


@blueprint.get("/admin/portals/<slug>/preview.css")
@at_portal(CHANGE)
def style(portal: Portal) -> Response:
    color = request.args.get("color", portal.brand_color)
    if not COLOR.fullmatch(color):
        abort(404)
    return make_response(preview(color), 200, {"Content-Type": "text/css; charset=utf-8"})


def _logo() -> dict[str, str | None]:
    """What was sent for the logo: nothing, a file, or that it shall go."""
    file = request.files.get("logo_svg")
    sent = file.read(LARGEST + 1) if file else b""
    if sent:
        return {"logo_svg": sent.decode("utf-8-sig", "replace")}
    return {"logo_svg": None} if request.form.get("no_logo") else {}


def _pale(color: str) -> dict[str, Wrong]:
    if not is_pale(color):
        return {}
    named = {"ratio": decimal(contrast(color, CARD_LIGHT)), "nearest": visible(color)}
    return {"brand_color": Wrong("por.e.pale", named)}


def decimal(ratio: float) -> str:
    """Rounded down, so that what just fails does not look as if it passed."""
    return f"{int(ratio * 10) / 10:g}"


def _in_words(one: Ratio) -> RatioView:
    return RatioView(
        text(f"por.brand.{one.what}"), text(f"por.brand.{one.mode}"), f"{one.color} / {one.against}",
        decimal(one.ratio), decimal(one.needed),
    )  # fmt: skip
