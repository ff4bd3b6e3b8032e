"""The operator of this request: a cookie of its own, so that no person's session opens the console (ASVS §3.5.4)."""

from __future__ import annotations

from typing import cast

from flask import Response, after_this_request, g, request

from idp.services.bundle import services
from idp.services.operator_sessions import AtWork
from idp.web.browser import browser_hash, cookie_name, set_cookie

COOKIE = "console"


def current_operator() -> AtWork | None:
    """Who works in this browser now; whatever is recorded from here on bears their name."""
    if "at_work" not in g:
        secret = request.cookies.get(cookie_name(COOKIE))
        g.at_work = services().operator_sessions.load(secret, browser_hash()) if secret else None
        g.actor_id = g.at_work.account.id if g.at_work else None
    return cast(AtWork | None, g.at_work)


def set_operator_session(secret: str) -> None:
    """Send the cookie of a new console session with this response."""

    @after_this_request
    def _send(response: Response) -> Response:
        set_cookie(response, COOKIE, secret)
        return response


def clear_operator_session() -> None:
    g.at_work = None

    @after_this_request
    def _send(response: Response) -> Response:
        response.delete_cookie(
            cookie_name(COOKIE), path="/", secure=services().settings.is_https, httponly=True, samesite="Lax"
        )
        return response
