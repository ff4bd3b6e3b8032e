"""What an owner typed in a change of the account survives the end of the session (ux.md §4.5).

After the sign-in it stands in its fields again, for the same person in the same browser, and that person sends it.
"""

from __future__ import annotations

from dataclasses import replace

from flask import request

from flows import run as runs
from flows.context import Context
from flows.journeys import Journey
from flows.walk import KEPT_LENGTH, Entries
from idp.web.session import former_session


def over_sign_in(journey: Journey, ctx: Context) -> str | None:
    """Where a change goes on whose session or whose walk ended while nobody was there: it begins anew, with its
    entries. None where it may simply go on, or is not this person's.
    """
    is_in = ctx.session is not None and ctx.session.has_factors
    whose = ctx.session or former_session()
    if whose is not None and ctx.state.account_id not in {None, str(whose.account_id)}:
        return _first(journey, ctx) if is_in else None
    if whose is None or (ctx.run.expires_at > ctx.now and (is_in or request.method != "POST")):
        return None
    entries = _entries(journey, ctx)
    initial = journey.itinerary.initial
    _, handle = runs.begin(
        ctx.services,
        journey=journey.name,
        state=replace(initial, account_id=str(whose.account_id)) if entries else initial,
        portal=ctx.portal,
        browser_hash=ctx.browser_hash,
        idle_for=journey.idle_for(ctx.services.settings),
        resume=None,
        entries=entries,
    )
    return f"{_first(journey, ctx)}?f={handle}" if is_in else f"/{ctx.portal.slug}/login?then={handle}"


def _first(journey: Journey, ctx: Context) -> str:
    return f"/{ctx.portal.slug}/{journey.first_path}"


def _entries(journey: Journey, ctx: Context) -> Entries:
    """What was typed before, and in the form that comes too late; never passwords or codes, which no step keeps."""
    path = request.path.split("/", 2)[2].split("/do/")[0]
    found: Entries = {}
    for step in journey.itinerary.steps:
        typed = request.form if request.method == "POST" and journey.paths[step.name] == path else {}
        before = ctx.entries(step.name)
        kept = {name: typed.get(name, before.get(name, ""))[:KEPT_LENGTH] for name in step.keeps}
        if any(kept.values()):
            found[step.name] = kept
    return found
