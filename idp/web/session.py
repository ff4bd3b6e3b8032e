"""The session of this request: read once, set and cleared through the response."""

from __future__ import annotations

from typing import cast
from uuid import UUID

from flask import Blueprint, Response, after_this_request, g, request

from idp.errors import Fault
from idp.models.session import Session
from idp.services.bundle import services
from idp.services.sessions import SessionEnd, SignedOn
from idp.web.browser import cookie_name, set_cookie
from idp.web.in_memory import current_request

BACKGROUND = "X-Connect-Background"  # what a page asks by itself, without its person, is no use of the session
BLIND: set[str] = set()  # blueprints whose endpoints must not look at cookies


def cookie_blind(blueprint: Blueprint) -> Blueprint:
    """Declare a blueprint of machine endpoints: asking for the session there is a fault."""
    BLIND.add(blueprint.name)
    return blueprint


def current_session() -> Session | None:
    """The live session of this browser."""
    kept, asked = g._get_current_object(), current_request()
    if asked.blueprint in BLIND:
        raise Fault("a machine endpoint asked for the session")
    if "session" not in kept:
        secret = asked.cookies.get(cookie_name("session"))
        is_used = BACKGROUND not in asked.headers
        kept.session = services().sessions.load(secret, is_used=is_used) if secret else None
    return cast(Session | None, kept.session)


def signed_on(portal_id: UUID) -> SignedOn | None:
    """The live session of this browser, as a portal's request must know it."""
    secret = current_request().cookies.get(cookie_name("session"))
    return services().sessions.at_portal(secret, portal_id) if secret else None


def former_session() -> Session | None:
    """The session that this browser had until it was left alone too long; not one that somebody ended."""
    secret = request.cookies.get(cookie_name("session"))
    return services().sessions.former(secret) if secret and current_session() is None else None


def session_end() -> SessionEnd | None:
    """When the session ends that this request has asked for."""
    session = cast(Session | None, g.get("session"))
    return services().sessions.end_of(session) if session else None


def set_session(secret: str) -> None:
    """Send the cookie of a new session with this response."""

    @after_this_request
    def _send(response: Response) -> Response:
        set_cookie(response, "session", secret)
        return response


def clear_session() -> None:
    g.session = None

    @after_this_request
    def _send(response: Response) -> Response:
        response.delete_cookie(
            cookie_name("session"), path="/", secure=services().settings.is_https, httponly=True, samesite="Lax"
        )
        return response
