"""What every request must pass before a view runs: the right host, a tolerable size, and no foreign form.

Closed by default: a POST needs the same origin *and* the token of this browser; the few machine endpoints that other
origins may post to are declared with `csrf_exempt` and listed by a test.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from itertools import chain
from typing import Any, TypeVar

from flask import Blueprint, Flask, Request, abort
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from idp.services.bundle import services
from idp.web.browser import browser_secret
from idp.web.errors import error_page, portal_of_request
from idp.web.i18n import text
from idp.web.in_memory import current_request
from idp.web.session import BLIND
from idp.web.unavailable import own_page

SAFE_METHODS = {"GET", "HEAD", "OPTIONS"}
LARGEST_BODY = 64 * 1024
LONGEST_QUERY = 32 * 1024
PIECES = 512 * 1024  # of a file, which are read before they are known to be no field of a form
EXEMPT: set[str] = set()
ANY_HOST: set[str] = set()  # blueprints whose answers hold no address of ours
LARGE: dict[str, Callable[[], int]] = {}
F = TypeVar("F", bound=Callable[..., Any])


def csrf_exempt(view: F) -> F:
    """Let other origins post here; the view authenticates its caller by itself."""
    EXEMPT.add(f"{view.__module__}.{view.__name__}")
    return view


def any_host(blueprint: Blueprint) -> Blueprint:
    """Answer under every name and address: whoever watches over a process asks that process, not the installation."""
    ANY_HOST.add(blueprint.name)
    return blueprint


def large_body(largest: Callable[[], int]) -> Callable[[F], F]:
    """Let this view take more than a form, as many bytes as this says of whoever asks: strangers get no more."""

    def declare(view: F) -> F:
        LARGE[f"{view.__module__}.{view.__name__}"] = largest
        return view

    return declare


def csrf_token() -> str:
    """The token of this browser, for the hidden field of a form."""
    secret = browser_secret()
    return services().vault.mac("csrf", secret) if secret else ""


def install(app: Flask) -> None:
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.config["MAX_FORM_MEMORY_SIZE"] = LARGEST_BODY
    app.config["MAX_FORM_PARTS"] = 100
    app.jinja_env.globals["csrf_token"] = csrf_token

    @app.before_request
    def _guard() -> ResponseReturnValue | None:
        asked = current_request()
        settings, blueprint = services().settings, asked.blueprint
        is_machine = blueprint in BLIND
        is_ours = asked.host == settings.host or (is_machine and asked.host == settings.mtls_host)
        if not is_ours and blueprint not in ANY_HOST:
            abort(421)
        if len(asked.query_string) > LONGEST_QUERY:
            abort(414)
        name = "" if asked.method in SAFE_METHODS else _view_of(app, asked)
        if name in LARGE:
            asked.max_content_length = most = LARGE[name]()
            asked.max_form_memory_size = LARGEST_BODY if most == LARGEST_BODY else PIECES
            if (asked.content_length or 0) > most > LARGEST_BODY and not is_machine:
                return error_page("x.large", 413, action=_again(), words=text("x.large.text", most=most >> 20))
        if _has_nul(asked):
            abort(400)
        if not name or name in EXEMPT:
            return None
        return _refused_form(asked)


def _refused_form(asked: Request) -> ResponseReturnValue | None:
    """Why this form is taken for another site's; None where it is ours."""
    if not _is_same_origin():
        return error_page("x.csrf", 403, portal=portal_of_request(), action=_again())
    if browser_secret() is None:
        return error_page("x.cookie", 403, portal=portal_of_request())
    if not hmac.compare_digest(asked.form.get("csrf_token", "").encode(), csrf_token().encode()):
        return error_page("x.csrf", 403, portal=portal_of_request(), action=_again())
    return None


def _view_of(app: Flask, asked: Request) -> str:
    """The name of the view of this request; empty where there is none."""
    view = app.view_functions.get(asked.endpoint or "")
    return f"{view.__module__}.{view.__name__}" if view is not None else ""


def _has_nul(asked: Request) -> bool:
    """No text that people or machines send has a NUL in it, and PostgreSQL takes none.

    Sought in what was sent, before it is taken apart; of a form, whose bytes are read only once, in its values.
    """
    query, cookie = asked.query_string, asked.environ.get("HTTP_COOKIE", "")
    if "\0" in asked.path or b"\0" in query or b"%00" in query:
        return True
    if ("\0" in cookie or "\\000" in cookie) and _is_among(asked.cookies):  # RFC 2109 quotes it in octal digits
        return True
    has_body = asked.environ.get("CONTENT_TYPE") or asked.environ.get("CONTENT_LENGTH")
    return bool(has_body) and _is_among(asked.form)


def _is_among(values: MultiDict[str, str]) -> bool:
    return "\0" in "".join(chain.from_iterable(values.items(multi=True)))


def _again() -> tuple[str, str] | None:
    """The way out of a refused form: its own page, where everything typed before still stands."""
    address = own_page()
    return (text("x.retry"), address) if address is not None else None


def _is_same_origin() -> bool:
    """What browsers say of themselves: Sec-Fetch-Site, else Origin, else Referer; a request with none is foreign."""
    sent = current_request().headers
    site = sent.get("Sec-Fetch-Site")
    if site is not None and site not in {"same-origin", "none"}:
        return False
    own = services().settings.issuer
    origin = sent.get("Origin")
    if origin is not None:
        return origin == own
    if site is not None:
        return True
    return f"{sent.get('Referer', '')}/".startswith(f"{own}/")
