"""The first page of the console: what one holds and what that allows."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, worker
from idp.services.operators import roles_words
from idp.services.permissions import GRANTS, Permission
from idp.web.i18n import text

blueprint = Blueprint("admin_home", __name__)


@dataclass(frozen=True)
class HomeView:
    """`table`: each permission in words, and whether it is held at all portals, at some, or not."""

    roles: tuple[str, ...]
    table: tuple[tuple[str, str], ...]


@blueprint.get("/admin")
@requires(Permission.SEE_CONSOLE)
def home() -> Response:
    at_work = worker()
    table = tuple((text(f"may.{one}"), text(f"adm.held.{_held(one)}")) for one in Permission if one in GRANTS)
    view = HomeView(tuple(role_in_words(one) for one in roles_words(at_work.account.id)), table)
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
