"""The page after a sign-in that a form had to wait for: what was to be done, and the button that does it.

A GET shows it and changes nothing; the button sends the form to its own address, through every check that stands there.
"""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, current_app, g, redirect, request
from werkzeug.exceptions import HTTPException
from werkzeug.wrappers import Response as AnyResponse

from idp.account.entrance import sign_in_first
from idp.models.account import load_account
from idp.models.passkey import passkeys_of
from idp.models.portal import find_portal
from idp.models.session import Session
from idp.services.bundle import services
from idp.web.after_sign_in import PAGES
from idp.web.browser import ensure_browser
from idp.web.forms import FormView
from idp.web.i18n import language, text
from idp.web.late_form import MAY_WAIT
from idp.web.network import device_name
from idp.web.render import Frame, page
from idp.web.session import current_session

blueprint = Blueprint("kept", __name__)
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
    endpoint = _endpoint(found.path) if found else ""
    if found is None or endpoint not in MAY_WAIT:
        return redirect("/account", 303)
    is_of_all = endpoint in OF_ALL and "all" in found.fields.values()
    label = text(OF_ALL[endpoint] if is_of_all else MAY_WAIT[endpoint])
    view = KeptView(found.path, found.fields, _about(session, found.path, found.fields), label)
    return page("account/kept.html", Frame(text("acc.kept"), back="/account", form=FormView()), view)


def _endpoint(path: str) -> str:
    """What answers a form at this address, while it still exists."""
    try:
        return str(current_app.url_map.bind("localhost").match(path, method="POST")[0])
    except HTTPException:
        return ""


def _about(session: Session, path: str, fields: dict[str, str]) -> str:
    """The portal, the device or the name that the person chose or typed."""
    bundle, portal = services(), find_portal(fields.get("portal", ""))
    if portal is not None:
        return portal.name(language())
    names = {str(one.id): one.name for one in passkeys_of(session.account_id)}
    agents = {str(one.id): one.user_agent for one in bundle.sessions.live(load_account(session.account_id))}
    agents |= {str(one.id): one.user_agent for one in bundle.trusted_devices.of(session.account_id)}
    names |= {ident: device_name(agent) or text("device.unknown") for ident, agent in agents.items()}
    chosen = (fields.get("session"), fields.get("device"), path.removesuffix("/remove").rpartition("/")[2])
    return fields.get("name") or next((names[one] for one in chosen if one in names), "")


@blueprint.after_app_request
def _settle(response: Response) -> Response:
    """Whoever sent the form again is not asked once more."""
    session = g.get("session")
    if session is not None and request.method == "POST" and request.path.startswith("/account/"):
        services().kept_forms.settle(ensure_browser(), session.account_id, request.path)
    return response
