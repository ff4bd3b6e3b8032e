"""The first page of an account: a greeting, what is to be done for its security, and the way to its portals
(ux.md §4.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.account.entrance import frame, home, sign_in_first
from idp.account.factor_reset import agreed
from idp.account.portals import own_portals
from idp.models.account import Account, load_account
from idp.models.portal import Portal
from idp.models.session import Session, session_before
from idp.services.bundle import services
from idp.services.reminders import CARDS
from idp.texts import format_day, format_time
from idp.web.forms import FormView
from idp.web.i18n import text
from idp.web.network import device_name
from idp.web.render import page
from idp.web.session import current_session

blueprint = Blueprint("account", __name__)


@dataclass(frozen=True)
class CardView:
    """One advice in words, and where it is followed."""

    name: str
    title: str
    body: str
    label: str
    address: str


@dataclass(frozen=True, repr=False)
class OverviewView:
    """Whose account it is, for whoever shares a device; `before` is the sign-in before this one, if any is known.
    `resets` is what the desk agreed on for it, and may be stopped."""

    hello: str
    email: str
    before: str
    resets: tuple[tuple[UUID, str], ...]
    cards: tuple[CardView, ...]
    portals: tuple[Portal, ...]


@blueprint.get("/account")
def overview() -> Response:
    session = current_session()
    if session is None:
        return sign_in_first()
    account, own = load_account(session.account_id), own_portals(session)
    portal = own[0] if own else home(session)
    due = services().reminders.due(account.id)
    view = OverviewView(
        hello=text("acc.hello", name=account.full_name),
        email=account.email,
        before=_before(session),
        resets=tuple((one.id, agreed(one)) for one in services().factor_resets.approved_of(account.id)),
        cards=tuple(card for name in due if (card := _card(name, account, portal))),
        portals=own,
    )
    status = text("res.stopped") if request.args.get("done") == "stopped" else None
    return page("account/overview.html", frame(text("acc.title"), form=FormView(), status=status), view)


@blueprint.post("/account/later")
def later() -> Response:
    """Put one advice off."""
    session, card = current_session(), request.form.get("card", "")
    if session is None:
        return sign_in_first()
    if card in CARDS:
        services().reminders.put_off(session.account_id, card)
    return redirect("/account", 303)


def _before(session: Session) -> str:
    earlier = session_before(session)
    if earlier is None:
        return ""
    at, device = earlier.auth_time, device_name(earlier.user_agent) or text("device.unknown")
    return text("acc.last_sign_in", date=format_day(at), time=format_time(at), device=device)


def _card(name: str, account: Account, portal: Portal) -> CardView | None:
    """None where the portal allows no second method."""
    at = f"/{portal.slug}/account"
    if name == "codes":
        return CardView(name, text("todo.codes"), text("todo.codes.body"), text("rec.make"), f"{at}/codes")
    if name == "passkey":
        return CardView(
            name, text("todo.passkey"), text("pk.what"), text("pk.create"), "/account/security/passkeys/new"
        )
    held = services().accounts.factors(account.id).names
    paths = {"app": ("acc.app.add", f"{at}/app"), "sms": ("acc.mobile.add", f"{at}/mobile")}
    missing = next((paths[factor] for factor in paths if factor in portal.factors and factor not in held), None)
    if missing is None:
        return None
    return CardView(name, text("todo.method"), text("todo.method.body"), text(missing[0]), missing[1])
