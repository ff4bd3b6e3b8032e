"""The door of the console: e-mail, password and app code on one page, or a passkey; never an SMS (ux.md §9.1).

One page has no state in between and no answer of its own for each secret. Guesses are paid for before they are judged.
"""

from __future__ import annotations

import re
from uuid import UUID

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.models.account import Account, load_account
from idp.models.passkey import Passkey
from idp.services.attempts import APP_CODE, PASSWORD, Refused
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.emails import normalise_email
from idp.services.throttle import Volume
from idp.texts import format_time
from idp.web import kept
from idp.web.browser import ensure_browser
from idp.web.forms import FormView, digits_only, line
from idp.web.i18n import language, text
from idp.web.kept import Wrong
from idp.web.network import client_device, client_network, limit
from idp.web.operator import clear_operator_session, current_operator, set_operator_session
from idp.web.render import Frame, page

blueprint = Blueprint("admin_sign_in", __name__)
LOGIN = "/admin/login"
CONSOLE_PATH = re.compile(r"/admin(?:/[a-z0-9_-]+)*")


@blueprint.get(LOGIN)
def show() -> Response:
    browser = ensure_browser()
    if current_operator() is not None:
        return redirect(_then(), 303)
    form = kept.find(browser) or FormView({"then": _then()})
    options = services().passkeys.sign_in_options(_bound_to(browser))
    return page("admin/login.html", Frame(text("adm.login"), form=form), options)


@blueprint.post(LOGIN)
def sign_in() -> Response:
    """Whatever is wrong, one text says so; only a wait is told, with its end."""
    browser = ensure_browser()
    limit(Volume.SIGN_INS)
    signed = request.form.get("passkey", "")
    found = _by_passkey(browser, signed) if signed else _by_password(browser)
    if isinstance(found, Wrong):
        services().audit.record(AuditTag.OPERATOR_REFUSED, device=client_device())
        name = "passkey" if signed else "email"
        values = {"email": line(request.form.get("email")), "then": _then()}
        return kept.lead(LOGIN, browser, values, {name: found})
    account, amr = found
    if not services().operators.rights(account.id).is_any:
        return kept.lead(LOGIN, browser, {"email": "", "then": _then()}, {"email": Wrong("adm.wrong")})
    set_operator_session(services().operator_sessions.open(account, browser_hash=browser, amr=amr))
    services().audit.record(AuditTag.OPERATOR_SIGNED_IN, account=account.id, device=client_device())
    return redirect(_then(), 303)


@blueprint.post("/admin/logout")
def sign_out() -> Response:
    at_work = current_operator()
    if at_work is not None:
        services().operator_sessions.end(at_work.session)
        services().audit.record(AuditTag.OPERATOR_SIGNED_OUT, account=at_work.account.id)
        clear_operator_session()
    return redirect(LOGIN, 303)


def prove(email: str, browser: str) -> Account | Wrong:
    """The account whose password and app code stand in this form; tells nothing apart. Raises `TooBusy`."""
    with services().passwords.queue.place(client_network()):
        return _judge(email, browser)


def _judge(email: str, browser: str) -> Account | Wrong:
    bundle = services()
    account_id = bundle.accounts.find_id(email)
    subject = f"{email}|{browser}" if account_id and _knows(account_id, browser) else email
    paid = bundle.attempts.pay(PASSWORD, subject)
    if isinstance(paid, Refused):
        return closed(paid)
    if not bundle.passwords.verify(account_id, request.form.get("password", "")) or account_id is None:
        if paid.begins_lock:
            _lock_begins(account_id, email)
        return Wrong("adm.wrong")
    paid = bundle.attempts.pay(APP_CODE, str(account_id))
    if isinstance(paid, Refused):
        return closed(paid)
    if bundle.totp.verify(account_id, digits_only(request.form.get("otp"))).step is None:
        if paid.begins_lock:
            _lock_begins(account_id, email)
        return Wrong("adm.wrong")
    bundle.attempts.forgive(PASSWORD, subject)
    bundle.attempts.forgive(APP_CODE, str(account_id))
    return load_account(account_id)


def _lock_begins(account_id: UUID | None, typed: str) -> None:
    """The owner is told by mail, once, as at the portals; without an account the same rows are written."""
    bundle = services()
    account = bundle.accounts.active(account_id) if account_id else None
    bundle.audit.record(AuditTag.ATTEMPTS_EXHAUSTED, account=account_id)
    bundle.notices.tell(
        "blocked", account, portal=None, device=client_device(), place=client_network(), typed=typed,
        language=language(),
    )  # fmt: skip


def closed(refused: Refused) -> Wrong:
    """Until when no guess is judged; where only a call helps, that is said instead."""
    if refused.is_for_good:
        return Wrong("e.locked", {"phone": services().settings.support_phone})
    return Wrong("e.login.wait", {"time": format_time(refused.until)})


def _by_password(browser: str) -> tuple[Account, list[str]] | Wrong:
    email = normalise_email(request.form.get("email", ""))
    if email is None:
        return Wrong("adm.wrong")
    found = prove(email, browser)
    return found if isinstance(found, Wrong) else (found, ["pwd", "otp", "mfa"])


def _by_passkey(browser: str, signed: str) -> tuple[Account, list[str]] | Wrong:
    found = services().passkeys.verify(_bound_to(browser), signed)
    if not isinstance(found, Passkey):
        return Wrong("e.passkey")
    return load_account(found.account_id), ["hwk", "user", "mfa"]


def _knows(account_id: UUID, browser: str) -> bool:
    """A browser that opened the console before has a budget of its own: strangers cannot lock an operator out."""
    return services().operator_sessions.was_seen_on(account_id, browser)


def _bound_to(browser: str) -> str:
    return f"{browser}|console"


def _then() -> str:
    """Where in the console the person wanted to go: an address of the console, or its first page."""
    wanted = line(request.values.get("then"))
    is_ours = CONSOLE_PATH.fullmatch(wanted) is not None
    return wanted if is_ours and wanted != LOGIN else "/admin"
