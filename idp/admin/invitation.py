"""Becoming an operator: the secret of an invitation, then who one is; with a password and an authenticator app.

The invitation went to the address, so it proves it. Somebody who has an account proves that they own it and goes on
with it. Between the two pages everything stands sealed in the address, bound to the browser.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import Blueprint, redirect, request
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response

from idp.admin.sign_in import closed, prove
from idp.models.account import Account
from idp.models.base import db
from idp.models.operator import OperatorInvitation
from idp.services.attempts import APP_CODE
from idp.services.bundle import services
from idp.web import kept
from idp.web.app_setup import AppSetup, app_setup
from idp.web.browser import ensure_browser
from idp.web.forms import FormView, digits_only, line
from idp.web.i18n import language, text
from idp.web.kept import Wrong
from idp.web.operator import set_operator_session
from idp.web.render import Frame, page

blueprint = Blueprint("admin_invitation", __name__)
ENTER, ACCEPT = "/admin/invitation", "/admin/invitation/accept"


@dataclass(frozen=True, repr=False)
class AcceptView:
    """`setup` is there for somebody who has no account yet."""

    email: str
    roles: str
    setup: AppSetup | None


@blueprint.get(ENTER)
def enter() -> Response:
    """The secret comes in the fragment of the mailed link, which no server ever sees."""
    form = kept.find(ensure_browser()) or FormView()
    return page("admin/invitation.html", Frame(text("inv.title"), form=form))


@blueprint.post(ENTER)
def check() -> Response:
    browser, secret = ensure_browser(), line(request.form.get("code"))[:100]
    if services().operators.find_invitation(secret) is None:
        return kept.lead(ENTER, browser, {}, {"code": Wrong("inv.wrong")})
    return kept.lead(ACCEPT, browser, {"secret": secret, "seed": services().totp.new_seed()})


@blueprint.get(ACCEPT)
def show() -> Response:
    form, invitation = _found(ensure_browser())
    if form is None or invitation is None:
        return redirect(ENTER, 303)
    is_new = not services().accounts.exists(invitation.email)
    setup = app_setup(form.values["seed"]) if is_new else None
    view = AcceptView(invitation.email, ", ".join(invitation.roles), setup)
    return page("admin/accept.html", Frame(text("inv.accept"), form=form, back=ENTER), view)


@blueprint.post(ACCEPT)
def accept() -> Response:
    browser = ensure_browser()
    form, invitation = _found(browser)
    if form is None or invitation is None:
        return redirect(ENTER, 303)
    is_new = not services().accounts.exists(invitation.email)
    names = {name: line(request.form.get(name))[:80] for name in ("given_name", "family_name")}
    found = _create(form, invitation, names) if is_new else _own(invitation, browser)
    if isinstance(found, Mapping):
        return kept.lead(ACCEPT, browser, {**form.values, **names}, found)
    if not services().operators.accept(invitation, found):
        db.session.rollback()
        return kept.lead(ENTER, browser, {}, {"code": Wrong("inv.wrong")})
    set_operator_session(services().operator_sessions.open(found, browser_hash=browser, amr=["pwd", "otp", "mfa"]))
    return redirect("/admin", 303)


def _found(browser: str) -> tuple[FormView | None, OperatorInvitation | None]:
    form = kept.find(browser)
    return form, services().operators.find_invitation(form.values.get("secret", "")) if form else None


def _own(invitation: OperatorInvitation, browser: str) -> Account | dict[str, Wrong]:
    """The account of this address, proved by its password and its app."""
    found = prove(invitation.email, browser)
    return {"password": found} if isinstance(found, Wrong) else found


def _create(form: FormView, invitation: OperatorInvitation, names: dict[str, str]) -> Account | dict[str, Wrong]:
    """A new account for this address, or what is wrong with what was entered."""
    bundle, password = services(), request.form.get("password", "")
    errors = {name: Wrong("inv.name") for name, typed in names.items() if not typed}
    if bad := bundle.passwords.problem(password, (*names.values(), invitation.email.split("@")[0])):
        errors["password"] = Wrong(bad.reason, {"n": str(bad.length)})
    judged = None
    if refused := bundle.attempts.spend(APP_CODE, f"enrol|{invitation.id}"):
        errors["otp"] = closed(refused)
    else:
        judged = bundle.totp.judge(form.values["seed"], digits_only(request.form.get("otp")))
        if judged.step is None:
            errors["otp"] = Wrong("e.totp.clock" if judged.clock_is_wrong else "e.totp.wrong")
    if errors or judged is None or judged.step is None:
        return errors
    hashed = bundle.passwords.hash(password)
    try:
        account = bundle.accounts.create(email=invitation.email, language=language(), password_hash=hashed, **names)
    except IntegrityError:
        db.session.rollback()
        return {"password": Wrong("inv.taken")}
    bundle.totp.enrol(account.id, form.values["seed"], judged.step)
    db.session.flush()
    return account
