"""Who the person is to each fund, how they are reached, and in which language (ux.md §4.5)."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.account.entrance import frame, home, prove_first, sign_in_first
from idp.models.account import Account, load_account
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.phones import show_number
from idp.texts import LANGUAGE_NAMES, format_date
from idp.web.forms import FormView
from idp.web.i18n import choose, language, text
from idp.web.render import page
from idp.web.session import current_session

blueprint = Blueprint("profile", __name__)


@dataclass(frozen=True, repr=False)
class RecordView:
    """What one fund says of the person; a mistake in it is told to that fund."""

    portal: Portal
    name: str
    birth_date: str
    readonly: str


@dataclass(frozen=True, repr=False)
class ProfileView:
    """`slug` is the portal at which changes are made."""

    records: tuple[RecordView, ...]
    email: str
    mobile: str
    language: str
    slug: str


@dataclass(frozen=True)
class LanguageView:
    languages: tuple[tuple[str, str, str], ...]


@blueprint.get("/account/profile")
def profile() -> Response:
    session = current_session()
    if session is None or not session.has_factors:
        return prove_first(session, "profile")
    account, accounts = load_account(session.account_id), services().accounts
    number = accounts.factors(account.id).phone
    view = ProfileView(
        records=tuple(_record(record, account) for record in accounts.records_of(account.id)),
        email=account.email,
        mobile=show_number(number) if number else "",
        language=LANGUAGE_NAMES[account.language],
        slug=home(session).slug,
    )
    status = text("c.saved") if request.args.get("done") else None
    return page("account/profile.html", frame(text("acc.profile"), status=status), view)


@blueprint.get("/account/language")
def own_language() -> Response:
    session = current_session()
    if session is None:
        return sign_in_first("language")
    form = FormView({"language": load_account(session.account_id).language})
    status = text("c.saved") if request.args.get("done") else None
    view = LanguageView(tuple((code, name, "") for code, name in LANGUAGE_NAMES.items()))
    return page("account/language.html", frame(text("c.lang"), form=form, status=status), view)


@blueprint.post("/account/language")
def choose_language() -> Response:
    """At once, for pages and for whatever is sent from now on; letters follow the funds' records."""
    session, wanted = current_session(), request.form.get("language", "")
    if session is None:
        return sign_in_first("language")
    if wanted not in LANGUAGE_NAMES:
        return redirect("/account/language", 303)
    account, bundle = load_account(session.account_id), services()
    account.language = wanted
    for record in bundle.accounts.records_of(account.id):
        record.language = wanted
    bundle.audit.record(AuditTag.LANGUAGE_CHANGED, account=account.id, language=wanted)
    db.session.flush()
    choose(wanted)
    return redirect("/account/language?done=yes", 303)


def _record(record: InsuredPerson, account: Account) -> RecordView:
    """A fund that imports no names shows those the person gave at the registration."""
    name = f"{record.given_name or account.given_name} {record.family_name or account.family_name}".strip()
    portal = record.portal
    readonly = text("acc.readonly", portal=portal.name(language()), contact=f"{portal.phone}, {portal.email}")
    return RecordView(portal, name, format_date(record.birth_date), readonly)
