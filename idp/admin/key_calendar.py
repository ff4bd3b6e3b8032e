"""The day on which the next signing keys take over: planned, moved, or left to their age again."""

from __future__ import annotations

from datetime import date

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, whose, worker
from idp.admin.keys import LIST
from idp.services.bundle import services
from idp.services.key_calendar import LONGEST
from idp.services.permissions import Permission
from idp.web import kept
from idp.web.forms import FormView, line, read_date
from idp.web.i18n import text
from idp.web.kept import Wrong
from keys.jwk import ALGORITHMS

blueprint = Blueprint("admin_key_calendar", __name__)
ROTATE = Permission.ROTATE_KEYS
CALENDAR = f"{LIST}/calendar"
ALL = "all"
LATEST = date(2200, 1, 1)


@blueprint.get(CALENDAR)
@requires(ROTATE, everywhere=True)
def show() -> Response:
    choices = ((ALL, text("key.all")), *((alg, alg) for alg in ALGORITHMS))
    form = kept.find(whose()) or FormView({"alg": ALL})
    return console("admin/key_calendar.html", text("key.plan"), choices, needs=ROTATE, form=form, back=LIST)


@blueprint.post(CALENDAR)
@requires(ROTATE, everywhere=True)
def plan() -> Response:
    """An empty day leaves the keys to their age again."""
    alg, typed = request.form.get("alg", ""), line(request.form.get("day"))
    if alg not in {ALL, *ALGORITHMS}:
        return redirect(CALENDAR, 303)
    day, wrong = _read(typed)
    if wrong is not None:
        return kept.lead(CALENDAR, whose(), {"alg": alg, "day": typed}, {"day": wrong})
    services().key_calendar.plan(None if alg == ALL else alg, day, worker().account.id)
    return redirect(f"{LIST}?done=planned", 303)


def _read(typed: str) -> tuple[date | None, Wrong | None]:
    if not typed:
        return None, None
    day = read_date(typed, LATEST)
    if isinstance(day, str):
        return None, Wrong("key.e.format")
    fault = services().key_calendar.fault(day)
    return day, Wrong(f"key.e.{fault}", {"n": str(LONGEST.days)}) if fault else None
