"""The portals that the account opens, and the way to another one by the code of its letter (ux.md §4.5)."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint
from werkzeug.wrappers import Response

from idp.account.entrance import frame, home, sign_in_first
from idp.models.portal import Portal, list_portals
from idp.models.session import Session
from idp.services.bundle import services
from idp.web.i18n import language, text
from idp.web.render import page
from idp.web.session import current_session

blueprint = Blueprint("portals", __name__)


@dataclass(frozen=True)
class PortalsView:
    """By name; `service` is the portal that removes one, and `remove` the sentence that says so."""

    portals: tuple[Portal, ...]
    service: Portal
    remove: str


@dataclass(frozen=True)
class AddView:
    portals: tuple[Portal, ...]


@blueprint.get("/account/portals")
def portals() -> Response:
    session = current_session()
    if session is None:
        return sign_in_first("portals")
    service = home(session)
    remove = text("acc.portals.remove", contact=f"{service.phone}, {service.email}")
    view = PortalsView(own_portals(session), service, remove)
    return page("account/portals.html", frame(text("acc.portals")), view)


@blueprint.get("/account/portals/add")
def add_portal() -> Response:
    """The way of a second letter: choose its portal, then enter its code there."""
    session = current_session()
    if session is None:
        return sign_in_first("portals")
    linked = {portal.id for portal in services().accounts.portals_of(session.account_id)}
    view = AddView(by_name([portal for portal in list_portals() if portal.id not in linked]))
    return page("account/add_portal.html", frame(text("acc.add"), back="/account/portals"), view)


def own_portals(session: Session) -> tuple[Portal, ...]:
    """The portals of the account that are open."""
    return by_name([portal for portal in services().accounts.portals_of(session.account_id) if not portal.is_disabled])


def by_name(found: list[Portal]) -> tuple[Portal, ...]:
    """In the reader's language."""
    return tuple(sorted(found, key=lambda portal: portal.name(language()).casefold()))
