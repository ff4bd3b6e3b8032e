"""The page for whoever found no place in the queue of passwords: 503, or 429 where their own network took all it may.

The form is the one they sent, without its password, so that one more try is all it takes. It is drawn once in a while
and then only filled in, for two hundred at once must not cost what they are refused for.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

import structlog
from flask import Response, abort, current_app, make_response, request
from markupsafe import escape

from flows.context import Step
from flows.journeys import Journey
from flows.walk import KEPT_LENGTH
from idp.chance import token
from idp.models.portal import Portal, find_portal
from idp.services.bundle import services
from idp.services.hash_queue import COME_BACK_IN_S, TooBusy
from idp.web.forms import FormView
from idp.web.guard import csrf_token
from idp.web.headers import allow_form_targets
from idp.web.i18n import language, text
from idp.web.render import Frame, origins, page

DRAWN_FOR_S = 10.0
SHOWN = frozenset({"email"})  # may be corrected on the page; the rest of the entries goes along unseen
KNOWS_PASSWORD = frozenset({"credentials", "confirm"})  # the other steps ask for a new one
MARK = "\x02{}\x03"  # in the drawn page alone; entries are put in once it is taken apart

log = structlog.get_logger(__name__)


@dataclass(frozen=True, repr=False)
class BusyView:
    hidden: Mapping[str, str]
    autocomplete: str


@dataclass(frozen=True)
class Drawn:
    """A page with marks where entries stand, and the origins that its form may lead to."""

    html: str
    origins: tuple[str, ...]
    until: float


def hashing_step(journey: Journey, path: str, action: str | None) -> Step | None:
    """The step whose answer in this request costs a hash."""
    if action is not None or not request.form.get("password"):
        return None
    steps = journey.itinerary.steps
    return next((step for step in steps if step.hashes and journey.paths[step.name] == path), None)


def busy_page(slug: str, step: Step, busy: TooBusy) -> Response:
    """The entries again, and when to come back."""
    drawn = _drawn(slug, step)
    values = {name: request.form.get(name, "")[:KEPT_LENGTH] for name in step.keeps}
    values |= {"csrf_token": csrf_token(), "nonce": token(services().random)[:22]}
    before, *parts = drawn.html.split("\x02")
    filled = (f"{escape(values[name])}{rest}" for name, _, rest in (part.partition("\x03") for part in parts))
    allow_form_targets(drawn.origins)
    headers = {"Content-Type": "text/html; charset=utf-8", "Vary": "Cookie, Accept-Language"}
    response = make_response(before + "".join(filled), 429 if busy.is_own_flood else 503, headers)
    response.headers["Retry-After"] = str(COME_BACK_IN_S)
    return response


def _drawn(slug: str, step: Step) -> Drawn:
    kept: dict[tuple[str, ...], Drawn] = current_app.extensions.setdefault("connect.busy", {})
    key = (slug, step.name, language())
    found = kept.get(key)
    if found is None or found.until < time.monotonic():
        portal = find_portal(slug) or abort(404)
        found = kept[key] = Drawn(_draw(portal, step), origins(portal), time.monotonic() + DRAWN_FOR_S)
        log.warning("hash_queue_full")
    return found


def _draw(portal: Portal, step: Step) -> str:
    marks = {name: MARK.format(name) for name in (*step.keeps, "csrf_token", "nonce")}
    shown = {name: mark for name, mark in marks.items() if name in SHOWN}
    hidden = {name: mark for name, mark in marks.items() if name not in SHOWN}
    view = BusyView(hidden, "current-password" if step.name in KNOWS_PASSWORD else "new-password")
    frame = Frame(text("x.busy.title"), portal=portal, form=FormView(shown), can_switch=False)
    return page("flows/busy.html", frame, view).get_data(as_text=True)
