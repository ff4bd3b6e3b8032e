"""The cookie that names one browser: journeys, pending requests and the CSRF token are bound to it."""

from __future__ import annotations

import hashlib

from flask import Response, after_this_request, g, request

from idp.chance import token
from idp.services.bundle import services
from idp.web.in_memory import current_request


def cookie_name(kind: str) -> str:
    """`__Host-` wherever there is https; the demonstration on http://localhost has cookies without Secure."""
    return f"__Host-connect_{kind}" if services().settings.is_https else f"connect_{kind}"


def set_cookie(response: Response, kind: str, value: str, *, max_age: int | None = None) -> None:
    response.set_cookie(
        cookie_name(kind), value, max_age=max_age, path="/", secure=services().settings.is_https,
        httponly=True, samesite="Lax",
    )  # fmt: skip


def remember_portal(slug: str) -> None:
    """The portal last used in this browser stands first where one chooses."""
    if last_portal() == slug:
        return

    @after_this_request
    def _send(response: Response) -> Response:
        set_cookie(response, "portal", slug, max_age=400 * 24 * 3600)
        return response


def last_portal() -> str | None:
    return request.cookies.get(cookie_name("portal"))


def browser_secret() -> str | None:
    """The secret this browser sent, if it looks like one of ours."""
    value: str | None = g.get("browser_secret") or current_request().cookies.get(cookie_name("browser"))
    return value if value and value.startswith("cc_br_") and len(value) == 49 else None


def browser_hash() -> str | None:
    secret = browser_secret()
    return hashlib.sha256(secret.encode()).hexdigest() if secret else None


def ensure_browser() -> str:
    """The hash of this browser's secret; a browser without one gets one with this response."""
    known = browser_hash()
    if known is not None:
        return known
    g.browser_secret = secret = token(services().random, "cc_br_")

    @after_this_request
    def _send(response: Response) -> Response:
        set_cookie(response, "browser", secret, max_age=400 * 24 * 3600)
        return response

    return hashlib.sha256(secret.encode()).hexdigest()
