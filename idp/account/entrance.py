"""Who stands before the account's pages, and from which portal they come."""

from __future__ import annotations

from flask import redirect
from werkzeug.wrappers import Response

from idp.models.portal import Portal, list_portals
from idp.models.session import Session
from idp.services.bundle import services
from idp.web.late_form import keep_form


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
