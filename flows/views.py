"""The only routes of the journeys: show a step, judge an answer, act on a second button, and the page at the end.

Every POST is answered by 303 to a GET; entries and errors wait in the run. A GET consumes and sends nothing.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, abort, redirect, request
from werkzeug.wrappers import Response

from flows import run as runs
from flows.context import Context, Screen, Step
from flows.engine import Message, Outcome, Proved, Retry
from flows.finish import onward, portal_address
from flows.journeys import JOURNEYS, LINK, LOGIN, REGISTRATION, Journey
from idp.chance import token
from idp.models.base import db
from idp.models.flow import FlowRun
from idp.models.portal import Portal, find_portal
from idp.services.bundle import services
from idp.web.browser import browser_hash, ensure_browser
from idp.web.errors import error_page
from idp.web.forms import FormView
from idp.web.i18n import language, text
from idp.web.network import client_network
from idp.web.render import Frame, page
from idp.web.session import current_session

blueprint = Blueprint("journeys", __name__)
HANDLE = re.compile(r"[A-Za-z0-9]{22}")
PENDING = re.compile(r"[A-Za-z0-9_-]{20,100}")
KEPT_LENGTH = 300


@dataclass(frozen=True)
class DoneView:
    body: str
    go_label: str
    go_url: str


@dataclass(frozen=True)
class HelpView:
    call: str


def _portal(slug: str) -> Portal:
    portal = find_portal(slug)
    if portal is None:
        abort(404)
    return portal


def _see(address: str) -> Response:
    return redirect(address, 303)


def _context(journey: Journey, run: FlowRun, portal: Portal, handle: str) -> Context:
    return Context(
        services=services(),
        portal=portal,
        run=run,
        handle=handle,
        state=runs.thaw(type(journey.itinerary.initial), run.state),
        language=language(),
        network=client_network(),
        browser_hash=browser_hash() or "",
        session=current_session(),
        version=run.version,
    )


def _begin(journey: Journey, portal: Portal, state: Any = None, resume: str | None = None) -> tuple[FlowRun, str]:
    bundle = services()
    pending = request.args.get("for", "")
    if resume is None and PENDING.fullmatch(pending):
        resume = f"/authorize/resume/{pending}"
    return runs.begin(
        bundle,
        journey=journey.name,
        state=state or journey.itinerary.initial,
        portal=portal,
        browser_hash=ensure_browser(),
        idle_for=journey.idle_for(bundle.settings),
        resume=resume,
    )


def _start(journey: Journey, portal: Portal, path: str) -> Response:
    """A new run at the first step. A browser that was just given its cookie and does not send it blocks cookies."""
    if request.args.get("c") and browser_hash() is None:
        return error_page("x.cookie", 403, portal=portal)
    if journey is LOGIN and "for" not in request.args and "then" not in request.args and current_session() is not None:
        return _see(portal_address(portal, services().settings.issuer))
    resume = None
    then = request.args.get("then", "")
    if journey is LOGIN and then == "account":
        resume = "/account"
    elif journey is LOGIN and then == "device":
        user_code = request.args.get("user_code", "")[:20]
        resume = f"/device?{urlencode({'user_code': user_code})}" if user_code else "/device"
    elif journey is LOGIN and HANDLE.fullmatch(then):
        resume = f"/{portal.slug}/link/account?f={then}"
    state = None
    origin = _own_run(request.args.get("from", ""), portal)
    _, handle = _begin(journey, portal, state, resume)
    if journey is LINK and origin is not None and _carry_code(origin, handle):
        path = journey.paths["account"]
    return _see(f"/{portal.slug}/{path}?f={handle}")


def _own_run(handle: str, portal: Portal) -> FlowRun | None:
    """A live run of this browser at this portal."""
    run = runs.find(handle) if HANDLE.fullmatch(handle) else None
    if run is None or run.browser_hash != browser_hash() or run.portal_id != portal.id or run.consumed_at:
        return None
    return run


def _carry_code(origin: FlowRun, handle: str) -> bool:
    """Going on as the owner of an account keeps the letter code that this browser entered before."""
    db.session.flush()
    run = runs.find(handle)
    facts = {name: origin.state.get(name) for name in ("code_id", "person_id")}
    if run is not None and facts["code_id"]:
        row = services().registration_codes.holder(UUID(facts["code_id"]))
        if row is not None and row.reserved_by == origin.id and services().registration_codes.reserve(row, run.id):
            run.state = {**run.state, **facts}
            return True
    return False


def _load(journey: Journey, portal: Portal, path: str) -> tuple[FlowRun, str] | Response:
    """The run of this request, or the answer that leads on where there is none."""
    handle = request.args.get("f", "")
    run = runs.find(handle) if HANDLE.fullmatch(handle) else None
    first = next(iter(journey.paths.values()))
    if browser_hash() is None:
        ensure_browser()
        return _see(f"/{portal.slug}/{first}?c=1")
    if run is None or run.portal_id != portal.id or run.journey != journey.name:
        action = (text("x.retry"), f"/{portal.slug}/{first}")
        return error_page(journey.expired_key, 410, portal=portal, action=action) if handle else abort(404)
    if run.browser_hash != browser_hash():
        return _see(f"/{portal.slug}/{first}")  # another browser's flow: begin an own, empty one
    if run.consumed_at is not None:
        return _finished(journey, run, portal, handle)
    if run.expires_at <= services().clock.now():
        kept = runs.resume_address(services(), run) or ""
        pending = kept.removeprefix("/authorize/resume/") if kept.startswith("/authorize/resume/") else ""
        again = f"/{portal.slug}/{first}" + (f"?for={pending}" if pending else "")
        return error_page(journey.expired_key, 410, portal=portal, action=(text("x.retry"), again))
    return run, handle


def _finished(journey: Journey, run: FlowRun, portal: Portal, handle: str) -> Response:
    """A finished journey answers every later click the same way, and never with an error."""
    if journey is REGISTRATION:
        return _see(f"/{portal.slug}/register/done?f={handle}")
    if current_session() is None:
        return _see(f"/{portal.slug}/login")
    view = DoneView(text("l.already"), text("r7.go", portal=portal.name(language())), _entrance(portal))
    return page("flows/already.html", Frame(text("l.already"), portal=portal), view)


def _entrance(portal: Portal) -> str:
    return portal_address(portal, services().settings.issuer)


def _lost_code(ctx: Context, journey: Journey) -> Message | None:
    """Why the letter code of this run no longer holds: used, voided, or taken to another device meanwhile."""
    code_id = getattr(ctx.state, "code_id", None)
    if journey is LOGIN or code_id is None:
        return None
    row = ctx.services.registration_codes.holder(UUID(code_id))
    if row is None or row.revoked_at is not None:
        return Message("e.code.unknown")
    if row.redeemed_at is not None:
        return Message("e.code.used")
    return None if row.reserved_by == ctx.run_id else Message("r1.taken")


def _settle_automatic(ctx: Context, journey: Journey) -> Context:
    """Prove what needs no question, step after step."""
    while (step := journey.itinerary.current(ctx.state)) is not None:
        facts = step.automatic(ctx)
        if facts is None:
            break
        ctx = replace(ctx, state=journey.itinerary.prove(ctx.state, step, facts))
    return ctx


def _address(ctx: Context, journey: Journey, step: Step) -> str:
    if step.name == "account":
        return f"/{ctx.portal.slug}/login?then={ctx.handle}"
    return ctx.link(journey.paths[step.name])


def _step_at(ctx: Context, journey: Journey, path: str) -> Step | None:
    """The step of this address that is open: the current one or one before it."""
    for step in journey.itinerary.steps:
        if journey.paths[step.name] == path and journey.itinerary.is_open(step, ctx.state) and step.name != "account":
            return step
    return None


def _words(ctx: Context, errors: dict[str, Any]) -> dict[str, str]:
    return {name: ctx.text(key, **(values or {})) for name, (key, values) in errors.items() if name}


def _show(journey: Journey, slug: str, path: str) -> Response:
    portal = _portal(slug)
    first = next(iter(journey.paths.values()))
    if "f" not in request.args and path == first:
        return _start(journey, portal, path)
    loaded = _load(journey, portal, path)
    if isinstance(loaded, Response):
        return loaded
    run, handle = loaded
    ctx = _context(journey, run, portal, handle)
    if lost := _lost_code(ctx, journey):
        return _back_to_code(ctx, journey, lost)
    before = ctx.state
    ctx = _settle_automatic(ctx, journey)
    if ctx.state != before:
        run.state = runs.freeze(ctx.state)
    step = _step_at(ctx, journey, path)
    if step is None:
        current = journey.itinerary.current(ctx.state)
        return _see(_address(ctx, journey, current)) if current else _finish(ctx, journey)
    return _render(ctx, journey, step, step.show(ctx))


def _render(ctx: Context, journey: Journey, step: Step, screen: Screen) -> Response:
    run = ctx.run
    values = {**screen.values, **ctx.entries(step.name)}
    notice = run.notice.get(step.name)
    form = FormView(
        {name: value for name, value in values.items() if name in step.keeps or name in screen.values},
        _words(ctx, run.errors.get(step.name, {})),
        token(services().random)[:22],
    )
    frame = Frame(
        screen.title,
        portal=ctx.portal,
        form=form,
        step=screen.step,
        back=screen.back,
        status=ctx.text(notice[0], **(notice[1] or {})) if notice else screen.status,
    )
    return page(screen.template, frame, screen.view)


def _back_to_code(ctx: Context, journey: Journey, message: Message) -> Response:
    first = journey.itinerary.steps[0]
    state = journey.itinerary.back(ctx.state, first)
    _save(ctx, journey, state, errors={first.name: {"code": [message.key, None]}})
    return _see(_address(ctx, journey, first) + "#e")


def _save(ctx: Context, journey: Journey, state: Any, **values: Any) -> bool:
    bundle = ctx.services
    return runs.save(
        ctx.run_id, ctx.version, now=ctx.now, idle_for=journey.idle_for(bundle.settings), state=runs.freeze(state),
        **{"errors": {}, "notice": {}, **values},
    )  # fmt: skip


def _submit(journey: Journey, slug: str, path: str, action: str | None = None) -> Response:
    portal = _portal(slug)
    loaded = _load(journey, portal, path)
    if isinstance(loaded, Response):
        return loaded
    run, handle = loaded
    nonce = request.form.get("nonce", "")
    if not runs.claim(run, nonce):
        return _see(f"/{portal.slug}/{path}?f={handle}")
    run_id = run.id
    try:
        return _judge(journey, _context(journey, run, portal, handle), path, action)
    finally:
        runs.settle(run_id, nonce, services().clock.now())


def _judge(journey: Journey, ctx: Context, path: str, action: str | None) -> Response:
    if lost := _lost_code(ctx, journey):
        return _back_to_code(ctx, journey, lost)
    ctx = _settle_automatic(ctx, journey)
    step = _step_at(ctx, journey, path)
    if step is None:
        current = journey.itinerary.current(ctx.state)
        return _see(_address(ctx, journey, current)) if current else _finish(ctx, journey)
    # Of a name that stands twice the later counts: the button that was pressed, after the field (r2.typo).
    answer = {name: values[-1] for name, values in request.form.lists() if name not in {"csrf_token", "nonce"}}
    if action == "switch":
        return _switch(ctx, journey)
    if action is not None:
        acted = step.act(ctx, action)
        if acted is None:
            abort(404)
        if isinstance(acted, str):
            return _see(acted)
        return _conclude(ctx, journey, step, acted, ctx.entries(step.name))
    entries = {name: answer.get(name, "")[:KEPT_LENGTH] for name in step.keeps}
    return _conclude(ctx, journey, step, step.judge(ctx, answer), entries)


def _conclude(ctx: Context, journey: Journey, step: Step, outcome: Outcome, entries: dict[str, str]) -> Response:
    """Keep what was typed, store the outcome, send what the next step needs, and lead on."""
    kept = {**ctx.run.entries, step.name: {**ctx.run.entries.get(step.name, {}), **entries}}
    if isinstance(outcome, Retry):
        errors = {name: [message.key, message.values] for name, message in outcome.errors.items() if name}
        status = outcome.errors.get("")
        notice = {step.name: [status.key, status.values]} if status else {}
        _save(ctx, journey, ctx.state, entries=kept, errors={step.name: errors} if errors else {}, notice=notice)
        return _see(_address(ctx, journey, step) + ("#e" if errors else ""))
    if not isinstance(outcome, Proved):
        raise TypeError("an outcome is Proved or Retry")
    ctx = replace(ctx, state=journey.itinerary.prove(ctx.state, step, outcome.facts))
    ctx = _settle_automatic(ctx, journey)
    following = journey.itinerary.current(ctx.state)
    if following is not None:
        kept = {**kept, following.name: {**kept.get(following.name, {}), **following.prepare(ctx)}}
    if not _save(ctx, journey, ctx.state, entries=kept):
        return _see(ctx.link(journey.paths[step.name]))
    return _see(_address(ctx, journey, following)) if following is not None else _finish(ctx, journey)


def _switch(ctx: Context, journey: Journey) -> Response:
    """The other factor of R5 and R6. Without a number yet, SMS leads back to the details."""
    if journey is not REGISTRATION or ctx.state.factor not in {"sms", "app"}:
        abort(404)
    details = journey.itinerary.find("details")
    target = "app" if ctx.state.factor == "sms" else "sms"
    entries = {**ctx.run.entries, "details": {**ctx.run.entries.get("details", {}), "factor": target}}
    if target not in ctx.portal.factors or (target == "sms" and not ctx.state.mobile):
        _save(ctx, journey, ctx.state, entries=entries)
        return _see(ctx.link("register/details") + "#f-mobile")
    facts = {name: getattr(ctx.state, name) for name in details.proves} | {"factor": target}
    return _conclude(ctx, journey, details, Proved(facts), entries["details"])


def _finish(ctx: Context, journey: Journey) -> Response:
    """Nothing is left to prove: end the journey, once; a slower click is led to what the faster one reached."""
    address = journey.finish(ctx)
    if address is not None:
        return _see(address)
    run = db.session.get(FlowRun, ctx.run_id, populate_existing=True)
    if run is not None and run.consumed_at is not None:
        return _finished(journey, run, ctx.portal, ctx.handle)
    if journey is LOGIN:
        return _see(f"/{ctx.portal.slug}/login")
    return _back_to_code(
        replace(ctx, run=run) if run else ctx, journey, _lost_code(ctx, journey) or Message("e.code.used")
    )


@blueprint.get("/<slug>/r")
def letter_qr(slug: str) -> Response:
    """The address in the letter's QR; the code stands in the fragment, which the browser keeps over the redirect."""
    return _see(f"/{_portal(slug).slug}/register/code")


@blueprint.get("/<slug>/register/done")
def done(slug: str) -> Response:
    """R7. Reload and Back are safe: it only reads."""
    portal = _portal(slug)
    run = runs.find(request.args.get("f", ""))
    if run is None or run.consumed_at is None or run.journey != "registration" or run.browser_hash != browser_hash():
        return _see(f"/{portal.slug}/login")
    name = portal.name(language())
    ctx = _context(REGISTRATION, run, portal, request.args["f"])
    view = DoneView(text("r7.body", portal=name, email=ctx.state.email), text("r7.go", portal=name), onward(ctx))
    return page("flows/done.html", Frame(text("r7.title"), portal=portal), view)


@blueprint.get("/<slug>/login/help")
def login_help(slug: str) -> Response:
    """H1: who to call when the telephone is lost."""
    portal = _portal(slug)
    frame = Frame(text("rec.title"), portal=portal, back=f"/{portal.slug}/login")
    return page("flows/login_help.html", frame, HelpView(text("rec.call", phone=portal.phone)))


def _mount() -> None:
    """One GET and one POST per address, and a POST for each second button."""
    for journey in JOURNEYS.values():
        for path in dict.fromkeys(journey.paths.values()):
            name = f"{journey.name}_{path.replace('/', '_').replace('-', '_')}"
            given = {"journey": journey, "path": path}
            rule = f"/<slug>/{path}"
            blueprint.add_url_rule(rule, f"show_{name}", _show, methods=["GET"], defaults=given)
            blueprint.add_url_rule(rule, f"submit_{name}", _submit, methods=["POST"], defaults=given)
            blueprint.add_url_rule(f"{rule}/do/<action>", f"act_{name}", _submit, methods=["POST"], defaults=given)


_mount()
