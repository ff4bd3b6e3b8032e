"""The page of an outage: in its person's language, with their entries, and made without the database.

Should even that fail, the static page in four languages comes, which is also the proxy's (docs/outage.md).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlencode

import structlog
from flask import Response, current_app, g, request
from werkzeug.exceptions import HTTPException

from idp.chance import token
from idp.places import PACKAGE
from idp.services.bundle import services
from idp.web.browser import browser_secret
from idp.web.forms import FormView
from idp.web.i18n import here, text
from idp.web.render import Frame, page

LONGEST = 300
KEEPS = "keeps_in_outage"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, repr=False)
class OutageView:
    """`kept`: entries that go along unseen with one more try; without any, `again` is the way on."""

    again: str
    kept: Mapping[str, str] = field(default_factory=dict)


def keep_in_outage(names: Collection[str]) -> None:
    """Give these entries of the form back, should an outage meet this request; no password and no code among them."""
    setattr(g, KEEPS, tuple(names))


def own_page() -> str | None:
    """The address of the page that a form was sent from; None where there is none."""
    path = request.path.split("/do/")[0]
    try:
        current_app.url_map.bind("localhost").match(path, method="GET")
    except HTTPException:
        return None
    handle = request.args.get("f")
    return path + (f"?{urlencode({'f': handle})}" if handle else "")


def unavailable_page(seconds: int) -> Response:
    """503, and when to come again."""
    try:
        response = _page()
    except Exception as error:
        log.error("error_page", key="x.outage", status=503, error=type(error).__name__)
        response = Response(_static(), 503, {"Content-Type": "text/html; charset=utf-8"})
    response.headers["Retry-After"] = str(seconds)
    return response


def _page() -> Response:
    if request.method == "GET":
        view = OutageView(here() + (f"?{request.query_string.decode('ascii', 'replace')}" if request.args else ""))
    else:
        view = OutageView(own_page() or "/", _entries())
    form = FormView(nonce=token(services().random)[:22])  # another one: the first may have been claimed
    frame = Frame(text("x.outage.title"), form=form, can_switch=request.method == "GET")
    return page("errors/outage.html", frame, view, status=503)


def _entries() -> dict[str, str]:
    if browser_secret() is None or not (names := g.get(KEEPS, ())):
        return {}
    return {name: typed[:LONGEST] for name in names if (typed := request.form.get(name))}


@lru_cache(maxsize=1)
def _static() -> bytes:
    return (PACKAGE / "static" / "503.html").read_bytes()
