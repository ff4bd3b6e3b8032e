"""What this installation has decided: every setting with its value, its default, and since when it is so.

Settings are made in the environment of the process and nowhere else, so there is nothing to change here; a change
stands in the audit with what was before. Secrets are never shown.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires
from idp.services.bundle import services
from idp.services.known_settings import decided
from idp.services.permissions import Permission
from idp.texts import format_moment
from idp.web.i18n import text

blueprint = Blueprint("admin_settings", __name__)
SEE = Permission.SEE_SETTINGS


@dataclass(frozen=True, repr=False)
class SettingView:
    name: str
    what: str
    value: str
    default: str
    is_default: bool
    since: str


@blueprint.get("/admin/settings")
@requires(SEE, everywhere=True)
def settings() -> Response:
    rows = tuple(
        SettingView(one.name, one.what, one.value, one.default, one.is_default,
                    format_moment(one.changed_at) if one.changed_at else "")
        for one in decided(services().settings)
    )  # fmt: skip
    return console("admin/settings.html", text("set.title"), rows, needs=SEE)
