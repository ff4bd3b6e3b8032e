"""How a request comes to a walk: it begins one, finds the one of this browser, or is told why there is none.

A dead end always has one way out, and the portal's request that waits goes along (ux.md §3.3).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import redirect, request
from werkzeug.wrappers import Response

from flows import run as runs
from flows.context import Context
from flows.finish import entry, onward
from flows.journeys import JOURNEYS, LINK, LOGIN, Journey
from flows.kept import over_sign_in
from flows.trust import is_enough
from idp.models.account import load_account
from idp.models.disk import wait_for_no_disk
from idp.models.portal import Portal
from idp.models.session import Session
from idp.protocol import pending
from idp.services import registration_codes as codes
from idp.services.bundle import services
from idp.services.emails import normalise_email
from idp.texts import format_day
from idp.web import after_sign_in
from idp.web.browser import browser_hash, ensure_browser
from idp.web.errors import error_page
from idp.web.i18n import language, text
from idp.web.network import client_device, client_network
from idp.web.render import Frame, page
from idp.web.session import current_session

HANDLE = re.compile(r"[A-Za-z0-9]{22}")
WAITING = re.compile(r"[A-Za-z0-9]{43}")


@dataclass(frozen=True)
class AlreadyView:
    go_label: str
    go_url: str


def see(address: str) -> Response:
    return redirect(address, 303)


def start(journey: Journey, portal: Portal) -> Response:
    """A new run at the first step, unless there is nothing to ask."""
    if request.args.get("c") and browser_hash() is None:
        return blocked(portal)
    waiting = _waiting(portal)
    resume = f"{runs.RESUME}{waiting[0]}" if waiting else _then(portal) if journey is LOGIN else None
    session = current_session()
    if journey.is_own and not (session and session.has_factors):
        return see(f"/{portal.slug}/login?then={journey.name}")
    again = _must_prove_again(session) if waiting is None and journey is LOGIN else None
    if session is not None and waiting is None and journey is LOGIN and again is None:
        return see(resume or entry(portal, session.account_id))
    if session is not None and journey is LINK and services().accounts.record_of(session.account_id, portal.id):
        return see(resume or entry(portal, session.account_id))
    hint = load_account(again.account_id).email if again else waiting[1] if waiting else ""
    wait_for_no_disk()
    notice = {"credentials": ["acc.reauth", None]} if again else None
    return _begin(journey, portal, resume, hint if journey is LOGIN else "", notice)


def sign_in(portal: Portal, handle: str, login_hint: str | None) -> Response:
    """Begins the sign-in for a portal's request, which waits under this handle, without a journey of its own to it."""
    return _begin(LOGIN, portal, f"{runs.RESUME}{handle}", normalise_email(login_hint or "") or "")


def _begin(
    journey: Journey, portal: Portal, resume: str | None, hint: str, notice: dict[str, list[Any]] | None = None
) -> Response:
    _, handle = runs.begin(
        services(),
        journey=journey.name,
        state=journey.itinerary.initial,
        portal=portal,
        browser_hash=ensure_browser(),
        idle_for=journey.idle_for(services().settings),
        resume=resume,
        entries={"credentials": {"email": hint}} if hint else None,
        notice=notice,
    )
    return see(f"/{portal.slug}/{journey.first_path}?f={handle}")


def _waiting(portal: Portal) -> tuple[str, str] | None:
    """The handle of a request of this portal that waits in this browser, and the address it hints at."""
    handle = request.args.get("for", "")
    found = pending.find(services(), handle, browser_hash()) if WAITING.fullmatch(handle) else None
    if found is None or found.is_consumed or found.portal.id != portal.id:
        return None
    hint = found.request.login_hint or ""
    return handle, normalise_email(hint) or ""


def _then(portal: Portal) -> str | None:
    """Where a sign-in leads that another page of ours asked for."""
    then = request.args.get("then", "")
    if then in after_sign_in.PAGES:
        return after_sign_in.PAGES[then]
    if then == "device":
        user_code = request.args.get("user_code", "")[:20]
        return f"/device?{urlencode({'user_code': user_code})}" if user_code else "/device"
    if then in JOURNEYS and JOURNEYS[then].is_own:
        return f"/{portal.slug}/{JOURNEYS[then].first_path}"
    run = runs.find(then) if HANDLE.fullmatch(then) else None
    return f"/{portal.slug}/{JOURNEYS[run.journey].after_sign_in}?f={then}" if run else None


def _must_prove_again(session: Session | None) -> Session | None:
    """The session, where the page asked for wants a newer or a stronger proof than it has."""
    then = request.args.get("then", "")
    if session is None or not then or then in after_sign_in.ANY_SESSION:
        return None
    if then in after_sign_in.ONLY_CONFIRMED:
        return None if services().sessions.is_confirmed(session, with_factor=True) else session
    return None if session.has_factors else session


def enter(journey: Journey, portal: Portal) -> Context | Response:
    """The walk of this request, or the answer that leads on where there is none."""
    handle = request.args.get("f", "")
    first = f"/{portal.slug}/{journey.first_path}"
    browser = browser_hash()
    if browser is None:
        ensure_browser()
        return see(f"{first}?c=1")
    if not handle:
        return see(first)
    run = runs.find(handle) if HANDLE.fullmatch(handle) else None
    if run is None or run.portal_id != portal.id or run.journey != journey.name:
        return error_page(journey.expired_key, 410, portal=portal, action=(text("x.retry"), first))
    if run.browser_hash != browser:
        return see(first)  # another browser's walk: begin an own, empty one
    ctx = context(journey, run, portal, handle)
    if run.consumed_at is not None:
        return _finished(journey, ctx)
    if journey.is_own and (again := over_sign_in(journey, ctx)):
        return see(again)
    if run.expires_at <= ctx.now:
        return _expired(journey, ctx)
    if journey.is_own and not (ctx.session and ctx.session.has_factors):
        return see(f"/{portal.slug}/login?then={handle}")
    if journey is LOGIN and _is_over(ctx):
        return _already(journey, ctx)
    return ctx


def _is_over(ctx: Context) -> bool:
    """Whether somebody signed in since, well enough for what waits."""
    session = ctx.session
    if session is None or session.auth_time < ctx.run.created_at:
        return False
    return session.has_factors or is_enough(ctx)


def context(journey: Journey, run: runs.Run, portal: Portal, handle: str) -> Context:
    """Of a walk that was found to be this browser's."""
    return Context(
        services=services(),
        portal=portal,
        run=run,
        handle=handle,
        state=runs.thaw(type(journey.itinerary.initial), run.state),
        language=language(),
        network=client_network(),
        device=client_device(),
        browser_hash=run.browser_hash,
        session=current_session(),
        version=run.version,
    )


def _finished(journey: Journey, ctx: Context) -> Response:
    """A finished journey answers every later click the same way, and never with an error."""
    if journey.done_path:
        return see(ctx.link(journey.done_path))
    if journey.is_own:
        return see("/account/security")
    return _already(journey, ctx) if ctx.session is not None else see(f"/{ctx.portal.slug}/login")


def _already(journey: Journey, ctx: Context) -> Response:
    """Somebody signed in meanwhile, in another tab: nothing is asked again."""
    if request.method == "POST":
        return see(ctx.link(journey.first_path))
    account_id = ctx.session.account_id if ctx.session else None
    view = AlreadyView(ctx.text("r7.go"), onward(ctx, account_id))
    return page("flows/already.html", Frame(ctx.text("l.already"), portal=ctx.portal), view)


def _expired(journey: Journey, ctx: Context) -> Response:
    action = (text("x.retry"), ctx.entrance(journey.first_path))
    return error_page(journey.expired_key, 410, portal=ctx.portal, action=action, words=_code_words(ctx))


def _code_words(ctx: Context) -> str | None:
    """What became of the letter code, where it is not good any more."""
    code_id = getattr(ctx.state, "code_id", None)
    row = ctx.services.registration_codes.holder(UUID(code_id)) if code_id else None
    if row is None:
        return None
    match ctx.services.registration_codes.judge(row):
        case codes.Expired(at=at):
            return ctx.text("e.code.expired", date=format_day(at))
        case codes.Used():
            return ctx.text("e.code.used")
        case codes.Unknown():
            return ctx.text("e.code.unknown")
    return None


def blocked(portal: Portal) -> Response:
    """A browser that was just given its cookie and does not send it blocks cookies."""
    return error_page("x.cookie", 403, portal=portal)
