"""Who stands before the account's pages, and from which portal they come."""

from __future__ import annotations

from typing import Any

from flask import redirect, request
from werkzeug.wrappers import Response

from idp.models.portal import Portal, list_portals
from idp.models.session import Session
from idp.services.bundle import services
from idp.web.i18n import text
from idp.web.late_form import keep_form
from idp.web.render import Frame

SECTIONS = {
    "/account": "acc.overview",
    "/account/profile": "acc.profile",
    "/account/security": "acc.security",
    "/account/sessions": "acc.sessions",
    "/account/portals": "acc.portals",
    "/account/apps": "acc.apps",
    "/account/language": "c.lang",
    "/account/data": "data.title",
}


def sign_in_first(then: str = "account") -> Response:
    """One signs in at a portal; the choice of one leads back here, to a page of idp/web/after_sign_in.py.

    A form that comes after its session had ended waits there.
    """
    return redirect(f"/?then={'kept' if keep_form() else then}", 303)


def prove_first(session: Session | None, then: str) -> Response:
    """To the sign-in and back, for a newer or a stronger proof; who is signed in has a portal to do it at."""
    return redirect(f"/{home(session).slug}/login?then={then}", 303) if session else sign_in_first(then)


def home(session: Session) -> Portal:
    """The portal whose customer service helps this person: the first of the person's own that is open."""
    own = services().accounts.portals_of(session.account_id)
    return next((portal for portal in own if not portal.is_disabled), None) or list_portals()[0]


def frame(title: str, **more: Any) -> Frame:
    """What stands around every page of the account: its sections, with the one that is open marked (ARIA 1.2)."""
    return Frame(
        title, look="account", neighbours=tuple((at, text(key), _current(at)) for at, key in SECTIONS.items()), **more
    )


def _current(section: str) -> str:
    if request.path == section:
        return "page"
    return "true" if section != "/account" and request.path.startswith(f"{section}/") else ""
