"""A person's passkeys: which there are, a new one, another name, and an end to one (ux.md §4.5).

Adding and removing need a sign-in of the last ten minutes, and the owner hears of both by mail.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from flask import Blueprint, abort, redirect, request
from werkzeug.wrappers import Response

from idp.account.entrance import frame, home, prove_first, sign_in_first
from idp.models.account import hold_account, load_account
from idp.models.base import db
from idp.models.passkey import Passkey, passkeys_of
from idp.models.session import Session
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.passkey_providers import proposed_name
from idp.services.passkeys import LONGEST_NAME, Rejected
from idp.texts import format_day
from idp.web.after_sign_in import PAGES
from idp.web.browser import ensure_browser
from idp.web.forms import FormView, line
from idp.web.i18n import text
from idp.web.network import client_device, client_network
from idp.web.render import page
from idp.web.session import current_session

blueprint = Blueprint("passkeys", __name__)
LIST, NEW = PAGES["passkeys"], PAGES["new_passkey"]
DONE = {"created": "pk.done", "renamed": "pk.renamed", "removed": "pk.removed"}


@dataclass(frozen=True, repr=False)
class PasskeyView:
    id: UUID
    name: str
    made: str
    used: str


@dataclass(frozen=True, repr=False)
class PasskeysView:
    passkeys: tuple[PasskeyView, ...]


@dataclass(frozen=True, repr=False)
class NewView:
    """`options` is what the browser hands to its authenticator."""

    options: str
    whose: str


@blueprint.get("/account/security/passkeys")
def passkeys() -> Response:
    session = current_session()
    if session is None:
        return sign_in_first("passkeys")
    done = DONE.get(request.args.get("done", ""))
    around = frame(text("pk.title"), back="/account/security", status=text(done) if done else None)
    return page("account/passkeys.html", around, PasskeysView(tuple(map(_view, passkeys_of(session.account_id)))))


@blueprint.get("/account/security/passkeys/new")
def new_passkey() -> Response:
    session = current_session()
    if session is None or not services().sessions.is_confirmed(session, with_factor=True):
        return prove_first(session, "new_passkey")
    account = load_account(session.account_id)
    view = NewView(
        services().passkeys.creation_options(account, _bound_to(session)), text("pk.whose", email=account.email)
    )
    errors = {"passkey": text("e.passkey")} if "failed" in request.args else {}
    return page("account/new_passkey.html", frame(text("pk.create"), back=LIST, form=FormView(errors=errors)), view)


@blueprint.post("/account/security/passkeys/new")
def create() -> Response:
    """Keep what the authenticator made; its name is proposed by the provider and may be changed.

    How recent the sign-in is was judged when the challenge was given: else a slow dialog would leave the person with a
    passkey that nobody knows.
    """
    session, bundle = current_session(), services()
    if session is None:
        return sign_in_first("new_passkey")
    account, device = load_account(session.account_id), client_device() or text("device.unknown")
    if not hold_account(account.id):  # closed in another tab a moment ago
        return sign_in_first("new_passkey")
    made = bundle.passkeys.create(account, _bound_to(session), request.form.get("passkey", ""), device)
    if isinstance(made, Rejected):
        bundle.audit.record(AuditTag.PASSKEY_REFUSED, account=account.id, reason=made.reason)
        return redirect(f"{NEW}?failed=1#e", 303)
    made.name = proposed_name(made.aaguid, made.name)
    bundle.operators.pause(account.id)  # the console takes no key that an SMS may have let in
    bundle.audit.record(AuditTag.PASSKEY_ADDED, account=account.id, passkey=str(made.id), aaguid=made.aaguid)
    _tell("passkey", session)
    return redirect(f"{LIST}?done=created", 303)


@blueprint.get("/account/security/passkeys/<passkey_id>")
def passkey(passkey_id: str) -> Response:
    session = current_session()
    if session is None:
        return sign_in_first("passkeys")
    found = _own(session, passkey_id)
    errors = {"name": text("e.pk.name")} if "failed" in request.args else {}
    form = FormView({"name": found.name}, errors)
    return page("account/passkey.html", frame(found.name, back=LIST, form=form), _view(found))


@blueprint.post("/account/security/passkeys/<passkey_id>")
def rename(passkey_id: str) -> Response:
    session = current_session()
    if session is None:
        return sign_in_first("passkeys")
    found, name = _own(session, passkey_id), line(request.form.get("name"))[:LONGEST_NAME].strip()
    if not name:
        return redirect(f"{LIST}/{found.id}?failed=1#e", 303)
    found.name = name
    return redirect(f"{LIST}?done=renamed", 303)


@blueprint.post("/account/security/passkeys/<passkey_id>/remove")
def remove(passkey_id: str) -> Response:
    session = current_session()
    if session is None or not services().sessions.is_confirmed(session, with_factor=True):
        return prove_first(session, "passkeys")
    found = _own(session, passkey_id)
    db.session.delete(found)
    services().audit.record(AuditTag.PASSKEY_REMOVED, account=session.account_id, passkey=str(found.id))
    _end_what_passkeys_opened(session)
    _tell("passkeyRemoved", session)
    return redirect(f"{LIST}?done=removed", 303)


def _end_what_passkeys_opened(session: Session) -> None:
    """Whoever removes a passkey may have lost the device that holds it: what is open there ends (ASVS 5.0 §7.4.3)."""
    bundle = services()
    for other in bundle.sessions.live(load_account(session.account_id)):
        if other.id != session.id and other.acr == "phr":
            bundle.sign_out.session(other)
            bundle.audit.record(AuditTag.SIGNED_OUT, account=session.account_id, session=str(other.id))
    bundle.trusted_devices.end_all(session.account_id)


def _own(session: Session, passkey_id: str) -> Passkey:
    """The passkey of this id; somebody else's does not exist."""
    try:
        found = services().passkeys.find(session.account_id, UUID(passkey_id))
    except ValueError:
        found = None
    return found or abort(404)


def _bound_to(session: Session) -> str:
    return f"{ensure_browser()}|{session.id}"


def _tell(event: str, session: Session) -> None:
    account, portal = load_account(session.account_id), home(session)
    services().notices.tell(event, account, portal=portal, device=client_device(), place=client_network())


def _view(row: Passkey) -> PasskeyView:
    used = text("pk.used", date=_day(row.last_used_at)) if row.last_used_at else text("pk.unused")
    return PasskeyView(row.id, row.name, text("pk.made", date=_day(row.created_at)), used)


def _day(at: datetime) -> str:
    return format_day(at)
