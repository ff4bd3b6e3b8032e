"""Looking a portal over at the press of a button, what certification would ask for, and its self-test."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console
from idp.admin.portal_access import at_portal
from idp.admin.portal_edit import home
from idp.models.portal import Portal
from idp.protocol.readiness import Readiness, of_portal
from idp.services.bundle import services
from idp.services.permissions import Permission
from idp.services.portal_checks import Check, look_at
from idp.texts import format_moment
from idp.web.i18n import text

blueprint = Blueprint("admin_portal_checks", __name__)
CHANGE = Permission.CHANGE_PORTAL


@dataclass(frozen=True, repr=False)
class ChecksView:
    """`checks` is empty until somebody asks; `self_test` is the address for the developer, and until when."""

    checks: tuple[Check, ...]
    readiness: tuple[Readiness, ...]
    self_test: tuple[str, str] | None
    is_disabled: bool


@blueprint.get("/admin/portals/<slug>/checks")
@at_portal(CHANGE)
def show(portal: Portal) -> Response:
    return _page(portal)


@blueprint.post("/admin/portals/<slug>/checks")
@at_portal(CHANGE)
def ask(portal: Portal) -> Response:
    """A POST, for it asks the network or gives out an address; its answer is good for the moment only."""
    bundle = services()
    if request.form.get("do") == "self_test" and not portal.is_disabled:
        handle, until = bundle.self_tests.handle(portal)
        return _page(portal, self_test=(f"{bundle.settings.issuer}/selftest/{handle}", format_moment(until)))
    return _page(portal, tuple(look_at(portal, bundle.settings.host, bundle.reach)))


def _page(portal: Portal, checks: tuple[Check, ...] = (), self_test: tuple[str, str] | None = None) -> Response:
    view = ChecksView(checks, tuple(of_portal(portal)), self_test, portal.is_disabled)
    title = text("por.section", section=text("por.s.checks"), portal=portal.slug)
    return console(
        "admin/portal_checks.html", title, view, needs=CHANGE, back=home(portal), can_switch=request.method == "GET"
    )
