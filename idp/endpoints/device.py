"""Where a person answers for a device (RFC 8628 §3.3): enters the code it shows, sees who asks, allows or refuses.

Only a signed-in person comes this far, so with two factors; a guess is paid for before the code is looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.models.base import db
from idp.models.session import Session
from idp.services import devices
from idp.services.attempts import DEVICE_CODE
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.devices import Waiting
from idp.services.sessions import SessionEnded
from idp.texts import format_time
from idp.web.browser import ensure_browser
from idp.web.forms import FormView, line
from idp.web.i18n import language, text
from idp.web.render import Frame, page
from idp.web.session import current_session

blueprint = Blueprint("device", __name__)
SEEN = {
    "profile": "dev.profile", "email": "dev.email", "phone": "dev.phone", "insurance": "dev.insurance",
    "offline_access": "con.offline",
}  # fmt: skip


@dataclass(frozen=True)
class AskView:
    """Who asks, for what in words, and the code to compare with the device's display."""

    portal: str
    items: tuple[str, ...]
    user_code: str


@dataclass(frozen=True)
class DoneView:
    text: str


@blueprint.get("/device")
def enter() -> Response:
    """The code of a QR stands in the field already; it is for the person to compare and to send (RFC 8628 §3.3.1)."""
    typed = line(request.args.get("user_code"))[:20]
    if current_session() is None:
        kept = {"then": "device", **({"user_code": typed} if typed else {})}
        return redirect(f"/?{urlencode(kept)}", 303)
    return _form(typed)


@blueprint.post("/device")
def compare() -> Response:
    session, typed = current_session(), line(request.form.get("user_code"))[:20]
    if session is None:
        return redirect(f"/?{urlencode({'then': 'device', 'user_code': typed})}", 303)
    waiting = _find(session, typed)
    if isinstance(waiting, str):
        return _form(typed, waiting)
    portal = waiting.portal
    items = tuple(text(SEEN[name]) for name in waiting.scope.split() if name in SEEN)
    view = AskView(portal.name(language()), items, devices.show(devices.normalise(typed)))
    return page("oidc/device_ask.html", Frame(text("dev.ask"), portal=portal, form=FormView(), back="/device"), view)


@blueprint.post("/device/answer")
def answer() -> Response:
    session, typed = current_session(), line(request.form.get("user_code"))[:20]
    if session is None:
        return redirect(f"/?{urlencode({'then': 'device', 'user_code': typed})}", 303)
    allows = request.form.get("answer") == "allow"
    bundle = services()
    if bundle.devices.was_answered_by(devices.normalise(typed), session.account_id):
        return redirect("/device/done?answer=allow", 303)  # a second click sees what the first one reached
    waiting = _find(session, typed)
    if isinstance(waiting, str):
        return _form(typed, waiting)
    try:
        is_answered = _allow(session, waiting) if allows else bundle.devices.deny(waiting)
    except SessionEnded:
        db.session.rollback()
        return redirect(f"/?{urlencode({'then': 'device', 'user_code': typed})}", 303)
    if not is_answered:
        db.session.rollback()
        return _form(typed, text("e.device.unknown"))
    tag = AuditTag.DEVICE_ALLOWED if allows else AuditTag.DEVICE_REFUSED
    bundle.audit.record(tag, account=session.account_id, portal=waiting.portal.id)
    return redirect(f"/device/done?answer={'allow' if allows else 'deny'}", 303)


@blueprint.get("/device/done")
def done() -> Response:
    key = "dev.allowed" if request.args.get("answer") == "allow" else "dev.refused"
    return page("oidc/device_done.html", Frame(text(f"{key}.title")), DoneView(text(f"{key}.text")))


def _form(typed: str, error: str | None = None) -> Response:
    ensure_browser()
    form = FormView({"user_code": typed}, {"user_code": error} if error else {})
    return page("oidc/device.html", Frame(text("dev.title"), form=form, back="/account"))


def _find(session: Session, typed: str) -> Waiting | str:
    """The device that shows this code, or what to tell the person."""
    bundle, code = services(), devices.normalise(typed)
    if wrong := devices.problem(code):
        return text(f"e.device.{wrong}")
    account = session.account_id
    if refused := bundle.attempts.spend(DEVICE_CODE, str(account)):
        return text("e.wait", time=format_time(refused.until), phone=bundle.settings.support_phone)
    waiting = bundle.devices.find_waiting(code)
    if waiting is None:
        return text("e.device.unknown")
    bundle.attempts.forgive(DEVICE_CODE, str(account))
    is_linked = bundle.accounts.record_of(account, waiting.portal.id) is not None
    if not is_linked or session.acr not in waiting.portal.allowed_acr:
        return text("e.device.unlinked", portal=waiting.portal.name(language()))
    return waiting


def _allow(session: Session, waiting: Waiting) -> bool:
    bundle = services()
    presence = bundle.sessions.portal_session(session, waiting.portal)
    grant = bundle.tokens.grant(session, waiting.portal, presence, scope=waiting.scope, nonce=None)
    return bundle.devices.approve(waiting, grant)
