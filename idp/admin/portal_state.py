"""Closing a portal and opening it again, each on a page that names the portal and what will happen."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, redirect
from werkzeug.wrappers import Response

from idp.admin.entrance import console
from idp.admin.portal_access import at_portal
from idp.admin.portal_edit import home
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.services.permissions import Permission
from idp.web.i18n import language, text

blueprint = Blueprint("admin_portal_state", __name__)
CHANGE = Permission.CHANGE_PORTAL


@dataclass(frozen=True, repr=False)
class ConfirmView:
    effect: str
    button: str


@blueprint.get("/admin/portals/<slug>/disable")
@at_portal(CHANGE)
def ask_disable(portal: Portal) -> Response:
    return _ask(portal, "disable")


@blueprint.post("/admin/portals/<slug>/disable")
@at_portal(CHANGE)
def disable(portal: Portal) -> Response:
    services().portals.disable(portal.slug)
    return redirect(f"{home(portal)}?done=disabled", 303)


@blueprint.get("/admin/portals/<slug>/enable")
@at_portal(CHANGE)
def ask_enable(portal: Portal) -> Response:
    return _ask(portal, "enable")


@blueprint.post("/admin/portals/<slug>/enable")
@at_portal(CHANGE)
def enable(portal: Portal) -> Response:
    services().portals.enable(portal.slug)
    return redirect(f"{home(portal)}?done=enabled", 303)


def _ask(portal: Portal, action: str) -> Response:
    name = portal.name(language())
    view = ConfirmView(text(f"por.{action}.effect", portal=name), text(f"por.{action}"))
    title = text(f"por.{action}.title", portal=name)
    return console("admin/confirm.html", title, view, needs=CHANGE, back=home(portal))
