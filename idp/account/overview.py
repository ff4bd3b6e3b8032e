"""The signed-in person's own pages: who they are here, and which portals their account opens (ux.md §4.5)."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, request
from werkzeug.wrappers import Response

from idp.account.entrance import home, sign_in_first
from idp.account.security import factor_words
from idp.clock import swiss
from idp.models.account import Account, load_account
from idp.models.portal import Portal, list_portals
from idp.models.session import Session
from idp.services.bundle import services
from idp.texts import format_date, format_time
from idp.web.i18n import language, text
from idp.web.render import Frame, page
from idp.web.session import current_session

blueprint = Blueprint("account", __name__)


@dataclass(frozen=True, repr=False)
class OverviewView:
    """`factors` are in words; `portals` are the person's own, by name."""

    name: str
    email: str
    factors: tuple[str, ...]
    since: str
    slug: str
    portals: tuple[Portal, ...]


@dataclass(frozen=True)
class AddView:
    portals: tuple[Portal, ...]


@blueprint.get("/account")
def overview() -> Response:
    session = current_session()
    if session is None:
        return sign_in_first()
    account = load_account(session.account_id)
    own, _ = _portals(account)
    view = OverviewView(
        name=f"{account.given_name} {account.family_name}".strip(),
        email=account.email,
        factors=factor_words(account),
        since=_since(session),
        slug=own[0].slug if own else home(session).slug,
        portals=own,
    )
    status = text("c.saved") if request.args.get("done") else None
    return page("account/overview.html", Frame(text("acc.title"), status=status), view)


@blueprint.get("/account/portals/add")
def add_portal() -> Response:
    """The way of a second letter: choose its portal, then enter its code there."""
    session = current_session()
    if session is None:
        return sign_in_first()
    view = AddView(_portals(load_account(session.account_id))[1])
    return page("account/add_portal.html", Frame(text("acc.add"), back="/account"), view)


def _since(session: Session) -> str:
    at = session.auth_time
    return text("acc.since", date=format_date(swiss(at).date()), time=format_time(at))


def _portals(account: Account) -> tuple[tuple[Portal, ...], tuple[Portal, ...]]:
    """The portals of the account and the others, each by name in the reader's language."""
    linked = {record.portal_id for record in services().accounts.records_of(account.id)}
    every = sorted(list_portals(), key=lambda portal: portal.name(language()).casefold())
    own = tuple(portal for portal in every if portal.id in linked)
    return own, tuple(portal for portal in every if portal.id not in linked)
