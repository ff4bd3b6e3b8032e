"""A recovery letter is cancelled: by the link of the mail that announced it, or by its owner in the account.

A GET only asks, so no mail scanner cancels anything; a link that is forged, used or over is told the same (ux.md §4.3).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.account.entrance import sign_in_first
from idp.models.account import load_account
from idp.models.base import db
from idp.models.portal import find_portal
from idp.models.recovery_letter import RecoveryLetter
from idp.services.bundle import services
from idp.texts import format_day
from idp.web.browser import ensure_browser
from idp.web.errors import error_page
from idp.web.forms import FormView
from idp.web.i18n import text
from idp.web.network import client_device, client_network
from idp.web.render import Frame, page
from idp.web.session import current_session

blueprint = Blueprint("letter", __name__)


@dataclass(frozen=True, repr=False)
class CancelView:
    asked: str
    secret: str


@dataclass(frozen=True)
class CancelledView:
    reset_url: str


@blueprint.get("/account/letter/cancel")
def ask() -> Response:
    """Whether the letter of this link should be stopped."""
    secret = request.args.get("letter", "")
    found = services().recovery_letters.find(secret)
    if found is None:
        return _over()
    ensure_browser()
    asked = text("lt.on", date=format_day(found.requested_at))
    frame = Frame(text("lt.cancel"), portal=found.person.portal, form=FormView())
    return page("account/cancel_letter.html", frame, CancelView(asked, secret))


@blueprint.post("/account/letter/cancel")
def cancel() -> Response:
    found = services().recovery_letters.find(request.form.get("letter", ""))
    if found is None:
        return _over()
    slug = found.person.portal.slug
    return redirect(f"/account/letter/cancelled?portal={slug}", 303) if _cancel(found) else _over()


@blueprint.get("/account/letter/cancelled")
def cancelled() -> Response:
    """What to do where somebody else had asked for the letter: they know the password, or read the mails."""
    portal = find_portal(request.args.get("portal", ""))
    view = CancelledView(f"/{portal.slug}/reset" if portal else "/")
    return page("account/letter_cancelled.html", Frame(text("lt.cancelled"), portal=portal), view)


@blueprint.post("/account/security/letter/cancel")
def cancel_own() -> Response:
    """The same for somebody who is signed in."""
    session = current_session()
    if session is None:
        return sign_in_first("security")
    wanted = request.form.get("letter", "")
    mine = services().recovery_letters.open_of(session.account_id)
    done = [_cancel(letter) for letter in mine if str(letter.id) == wanted]
    return redirect("/account/security" + ("?done=yes" if any(done) else ""), 303)


def _cancel(letter: RecoveryLetter) -> bool:
    """Stop it and tell its owner, together."""
    bundle = services()
    account, portal = load_account(letter.account_id), letter.person.portal
    if not bundle.recovery_letters.cancel(letter):
        return False
    bundle.notices.tell("letterCancelled", account, portal=portal, device=client_device(), place=client_network())
    db.session.commit()
    return True


def _over() -> Response:
    return cast(Response, error_page("x.letter", 410, action=(text("acc.title"), "/account")))
