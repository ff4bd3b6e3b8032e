"""Where a person answers for a device (RFC 8628 §3.3): enters the code it shows, sees who asks, allows or refuses.

Only a signed-in person comes this far, so with two factors; a guess is paid for before the code is looked up. At the
portal of a third party the person chooses item by item what the device gets, as after a sign-in (OIDC Core §3.1.2.4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast
from urllib.parse import urlencode

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.models.account import load_account
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.session import Session
from idp.protocol import consent, consent_view
from idp.protocol.authorization import AuthorizationRequest
from idp.protocol.consent_view import Asking, ConsentView
from idp.services import devices
from idp.services.attempts import DEVICE_CODE
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.devices import Waiting
from idp.services.issuing import keep_grant
from idp.services.sessions import SessionEnded
from idp.texts import format_time
from idp.web import kept
from idp.web.browser import ensure_browser
from idp.web.forms import FormView, line
from idp.web.i18n import language, text
from idp.web.kept import Wrong
from idp.web.render import Frame, page
from idp.web.session import current_session

blueprint = Blueprint("device", __name__)
ASK = "/device/ask"
SEEN = {
    "profile": "dev.profile", "email": "dev.email", "phone": "dev.phone", "insurance": "dev.insurance",
    "offline_access": "con.offline",
}  # fmt: skip


@dataclass(frozen=True)
class AskView:
    """Who asks, for what in words, and the code to compare with the device's display.

    `consent` is there at a third party's portal, where the person chooses item by item.
    """

    portal: str
    items: tuple[str, ...]
    user_code: str
    consent: ConsentView | None = None


@dataclass(frozen=True)
class DoneView:
    text: str


def _session() -> Session | None:
    """The session of somebody with two factors: which portal asks is only known later, and it may trust no device."""
    session = current_session()
    return session if session and session.has_factors else None


@blueprint.get("/device")
def enter() -> Response:
    """The code of a QR stands in the field already; it is for the person to compare and to send (RFC 8628 §3.3.1)."""
    session, typed = _session(), line(request.args.get("user_code"))[:20]
    if session is None:
        return _sign_in(typed)
    ensure_browser()
    form = kept.find(str(session.id)) or FormView({"user_code": typed})
    return page("oidc/device.html", Frame(text("dev.title"), form=form, back="/account"))


@blueprint.post("/device")
def compare() -> Response:
    session, typed = _session(), line(request.form.get("user_code"))[:20]
    if session is None:
        return _sign_in(typed)
    found = _find(session, typed)
    return _again(session, typed, found) if isinstance(found, Wrong) else kept.lead(ASK, str(session.id), _code(typed))


@blueprint.get(ASK)
def ask() -> Response:
    """The question, for the session that sent the code a moment ago; for any other there is only the form."""
    session = _session()
    form = kept.find(str(session.id)) if session else None
    code = devices.normalise(form.values["user_code"]) if form else ""
    waiting = services().devices.find_waiting(code) if form else None
    if session is None or waiting is None:
        return redirect("/device", 303)
    portal, shown = waiting.portal, devices.show(code)
    if portal.consent:
        view = AskView(portal.name(language()), (), shown, _consent_view(session, waiting))
    else:
        items = tuple(text(SEEN[name]) for name in waiting.scope.split() if name in SEEN)
        view = AskView(portal.name(language()), items, shown)
    return page("oidc/device_ask.html", Frame(text("dev.ask"), portal=portal, form=FormView(), back="/device"), view)


@blueprint.post("/device/answer")
def answer() -> Response:
    session, typed = _session(), line(request.form.get("user_code"))[:20]
    if session is None:
        return _sign_in(typed)
    allows = request.form.get("answer") == "allow"
    bundle = services()
    if bundle.devices.was_answered_by(devices.normalise(typed), session.account_id):
        return redirect("/device/done?answer=allow", 303)  # a second click sees what the first one reached
    waiting = _find(session, typed)
    if isinstance(waiting, Wrong):
        return _again(session, typed, waiting)
    if allows and not _saw_own_values(session, waiting):
        return kept.lead("/device", str(session.id), _code(typed))
    try:
        is_answered = _allow(session, waiting) if allows else bundle.devices.deny(waiting)
    except SessionEnded:
        db.session.rollback()
        return _sign_in(typed)
    if not is_answered:
        db.session.rollback()
        return _again(session, typed, Wrong("e.device.unknown"))
    tag = AuditTag.DEVICE_ALLOWED if allows else AuditTag.DEVICE_REFUSED
    bundle.audit.record(tag, account=session.account_id, portal=waiting.portal.id)
    return redirect(f"/device/done?answer={'allow' if allows else 'deny'}", 303)


@blueprint.get("/device/done")
def done() -> Response:
    key = "dev.allowed" if request.args.get("answer") == "allow" else "dev.refused"
    return page("oidc/device_done.html", Frame(text(f"{key}.title")), DoneView(text(f"{key}.text")))


def _sign_in(typed: str) -> Response:
    """Through the choice of a portal and back here, with the code kept."""
    kept = {"then": "device", **({"user_code": typed} if typed else {})}
    return redirect(f"/?{urlencode(kept)}", 303)


def _code(typed: str) -> dict[str, str]:
    return {"user_code": typed}


def _again(session: Session, typed: str, wrong: Wrong) -> Response:
    return kept.lead("/device", str(session.id), _code(typed), {"user_code": wrong})


def _find(session: Session, typed: str) -> Waiting | Wrong:
    """The device that shows this code, or what to tell the person."""
    bundle, code = services(), devices.normalise(typed)
    if wrong := devices.problem(code):
        return Wrong(f"e.device.{wrong}")
    account = session.account_id
    if refused := bundle.attempts.spend(DEVICE_CODE, str(account)):
        return Wrong("e.wait", {"time": format_time(refused.until), "phone": bundle.settings.support_phone})
    waiting = bundle.devices.find_waiting(code)
    if waiting is None:
        return Wrong("e.device.unknown")
    bundle.attempts.forgive(DEVICE_CODE, str(account))
    is_linked = bundle.accounts.record_of(account, waiting.portal.id) is not None
    if not is_linked or session.acr not in waiting.portal.allowed_acr:
        return Wrong("e.device.unlinked", {"portal": waiting.portal.names})
    return waiting


def _request(waiting: Waiting) -> AuthorizationRequest:
    """What the device wants to know, as if it had asked at the authorization endpoint."""
    return AuthorizationRequest("", waiting.scope, services().clock.now())


def _consent_view(session: Session, waiting: Waiting) -> ConsentView:
    bundle, portal, account_id = services(), waiting.portal, session.account_id
    record = cast(InsuredPerson, bundle.accounts.record_of(account_id, portal.id))  # `_find` looked for it
    asking = Asking(portal, load_account(account_id), record, _request(waiting))
    return consent_view.view(bundle, asking, portal.name(language()), text)


def _saw_own_values(session: Session, waiting: Waiting) -> bool:
    """Whoever signed in meanwhile in another tab has not seen what is allowed here."""
    subject = services().tokens.subject(waiting.portal, session.account_id)
    return not waiting.portal.consent or request.form.get("subject") == subject


def _allow(session: Session, waiting: Waiting) -> bool:
    bundle, portal, wanted = services(), waiting.portal, _request(waiting)
    if asked := consent.unanswered(portal, session.account_id, wanted):
        consent.record(bundle, portal, session.account_id, asked, frozenset(request.form))
        bundle.audit.record(AuditTag.CONSENT_GIVEN, account=session.account_id, portal=portal.id)
    scope = consent.narrow(portal, session.account_id, wanted).scope
    sid = bundle.sessions.portal_session(session.id, portal.id)
    grant = bundle.tokens.make_grant(session, portal, sid, scope=scope, nonce=None)
    keep_grant(grant)
    return bundle.devices.approve(waiting, grant["id"])
