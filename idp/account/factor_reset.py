"""The reset of a second factor is stopped: by the link of the mail that announced it, or by its owner in the account.

As for recovery letters (idp/account/letter.py): a GET only asks, and a link that is forged, used or over is told the
same.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.account.entrance import sign_in_first
from idp.models.base import db
from idp.models.factor_reset import FactorReset
from idp.models.portal import find_portal
from idp.services.bundle import services
from idp.services.factor_resets import BY_OWNER
from idp.texts import format_moment
from idp.web.browser import ensure_browser
from idp.web.errors import error_page
from idp.web.forms import FormView
from idp.web.i18n import language, text
from idp.web.network import client_device, client_network
from idp.web.render import Frame, page
from idp.web.session import current_session

blueprint = Blueprint("factor_reset", __name__)
STOP = "/account/reset/stop"


@dataclass(frozen=True, repr=False)
class StopView:
    agreed: str
    secret: str


@dataclass(frozen=True)
class StoppedView:
    reset_url: str


@blueprint.get(STOP)
def ask() -> Response:
    """Whether the reset of this link should be stopped."""
    secret = request.args.get("reset", "")
    found = services().factor_resets.find(secret)
    if found is None:
        return _over()
    ensure_browser()
    frame = Frame(text("res.stop"), portal=found.person.portal, form=FormView())
    return page("account/stop_reset.html", frame, StopView(agreed(found), secret))


@blueprint.post(STOP)
def stop() -> Response:
    found = services().factor_resets.find(request.form.get("reset", ""))
    if found is None or not _stop(found):
        return _over()
    return redirect(f"/account/reset/stopped?portal={found.person.portal.slug}", 303)


@blueprint.get("/account/reset/stopped")
def stopped() -> Response:
    """What to do where the owner knows nothing of the call: somebody may know the password."""
    portal = find_portal(request.args.get("portal", ""))
    view = StoppedView(f"/{portal.slug}/reset" if portal else "/")
    return page("account/reset_stopped.html", Frame(text("res.stopped"), portal=portal), view)


@blueprint.post("/account/security/reset/stop")
def stop_own() -> Response:
    """The same for somebody who is signed in."""
    session = current_session()
    if session is None:
        return sign_in_first()
    wanted = request.form.get("reset", "")
    mine = services().factor_resets.approved_of(session.account_id)
    done = [_stop(one) for one in mine if str(one.id) == wanted]
    return redirect("/account" + ("?done=stopped" if any(done) else ""), 303)


def agreed(found: FactorReset) -> str:
    """In words: which portal's desk agreed on what, and from when on."""
    at = format_moment(found.ready_at) if found.ready_at else ""
    return text("res.mail", time=at, portal=found.person.portal.name(language()))


def _stop(found: FactorReset) -> bool:
    if not services().factor_resets.stop(found, BY_OWNER, device=client_device(), place=client_network()):
        db.session.rollback()
        return False
    db.session.commit()
    return True


def _over() -> Response:
    return cast(Response, error_page("x.reset", 410, action=(text("acc.title"), "/account")))
