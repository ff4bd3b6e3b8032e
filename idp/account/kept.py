"""The page after a sign-in that a form had to wait for: what was to be done, and the button that does it.

A GET shows it and changes nothing; the button sends the form to its own address, through every check that stands there.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, current_app, g, redirect, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from idp.account.entrance import sign_in_first
from idp.models.portal import find_portal
from idp.services.bundle import services
from idp.services.kept_forms import Kept
from idp.web.after_sign_in import PAGES
from idp.web.browser import ensure_browser
from idp.web.forms import FormView
from idp.web.i18n import language, text
from idp.web.render import Frame, page
from idp.web.session import current_session

blueprint = Blueprint("kept", __name__)
LABELS = {
    "security.end_session": "acc.end", "security.untrust": "acc.trusted.end", "apps.withdraw": "acc.revoke",
    "passkeys.rename": "pk.save", "passkeys.remove": "pk.remove",
}  # fmt: skip
OF_ALL = {"security.end_session": "acc.endAll", "security.untrust": "acc.trusted.endAll"}


@dataclass(frozen=True, repr=False)
class KeptView:
    """`about` is what the person typed or chose, in words; `label` what the button does."""

    path: str
    fields: dict[str, str]
    about: str
    label: str


@blueprint.get(PAGES["kept"])
def kept() -> AnyResponse:
    session = current_session()
    if session is None:
        return sign_in_first()
    found = services().kept_forms.find(ensure_browser(), session.account_id)
    endpoint = _endpoint(found.path) if found else None
    if found is None or endpoint is None:
        return redirect("/account", 303)
    labels = OF_ALL if "all" in found.fields.values() else LABELS
    view = KeptView(found.path, found.fields, _about(found), text(labels.get(endpoint, "c.continue")))
    return page("account/kept.html", Frame(text("acc.kept"), back="/account", form=FormView()), view)


def _endpoint(path: str) -> str | None:
    """What answers a form at this address, while it still exists."""
    try:
        return str(current_app.url_map.bind("localhost").match(path, method="POST")[0])
    except HTTPException:
        return None


def _about(found: Kept) -> str:
    portal = find_portal(found.fields.get("portal", ""))
    return portal.name(language()) if portal else found.fields.get("name", "")


@blueprint.after_app_request
def _settle(response: Response) -> Response:
    """Whoever sent the form again is not asked once more."""
    session = g.get("session")
    if request.method == "POST" and request.path.startswith("/account/") and session is not None:
        services().kept_forms.settle(ensure_browser(), session.account_id, request.path)
    return response
