"""The first page of the console: the figures of the portals that one's role covers, and what one's roles allow."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, request
from werkzeug.wrappers import Response

from idp.admin.chart import Chart, chart
from idp.admin.entrance import console, requires, worker
from idp.services.bundle import services
from idp.services.figures import Day, Figures, figures
from idp.services.operators import roles_words
from idp.services.permissions import GRANTS, Permission
from idp.texts import format_date
from idp.web.i18n import text

blueprint = Blueprint("admin_home", __name__)
RANGES = (7, 30)


@dataclass(frozen=True)
class HomeView:
    """`table`: each permission in words, and whether it is held at all portals, at some, or not. `days` are in words,
    `ranges` the spans to choose from.
    """

    roles: tuple[str, ...]
    table: tuple[tuple[str, str], ...]
    figures: Figures
    days: tuple[tuple[str, Day], ...]
    chart: Chart
    ranges: tuple[tuple[int, bool], ...]


@blueprint.get("/admin")
@requires(Permission.SEE_CONSOLE)
def home() -> Response:
    at_work = worker()
    table = tuple((text(f"may.{one}"), text(f"adm.held.{_held(one)}")) for one in Permission if one in GRANTS)
    asked = request.args.get("days", "")
    span = int(asked) if asked in {str(one) for one in RANGES} else RANGES[0]
    found = figures(services().clock.now(), span, at_work.rights.portals(Permission.SEE_CONSOLE))
    view = HomeView(
        tuple(role_in_words(one) for one in roles_words(at_work.account.id)),
        table,
        found,
        tuple((format_date(day.day), day) for day in reversed(found.days)),
        chart([(day.sign_ins, day.registrations) for day in found.days]),
        tuple((one, one == span) for one in RANGES),
    )
    return console("admin/home.html", text("adm.home"), view, needs=Permission.SEE_CONSOLE)


def role_in_words(written: str) -> str:
    """`support@cpx` as people say it."""
    role, _, slug = written.partition("@")
    return f"{text(f'role.{role}')} – {slug or text('adm.everywhere')}"


def _held(permission: Permission) -> str:
    rights = worker().rights
    if rights.may(permission):
        return "all"
    return "some" if rights.may_somewhere(permission) else "none"
