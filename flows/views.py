"""The routes of the journeys' steps: show a step, judge an answer, act on a second button, and the page at the end.

Every POST is answered by 303 to a GET; entries and errors wait in the run. A GET consumes and sends nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flask import Blueprint, abort, request
from flask.blueprints import BlueprintSetupState
from werkzeug.wrappers import Response

from flows import arrival
from flows import run as runs
from flows.arrival import see
from flows.busy import busy_page, hashing_step
from flows.context import Context, Step
from flows.finish import onward
from flows.journeys import CLOSING, CODES, CONSENT, JOURNEYS, REGISTRATION, RESET, Journey
from flows.walk import Walk, answer
from idp.chance import token
from idp.endpoints.authorize import SIGN_IN
from idp.models.base import db
from idp.models.disk import wait_for_no_disk
from idp.models.known_portals import known_slug
from idp.models.passkey import passkeys_of
from idp.models.portal import Portal
from idp.models.units import assure_transaction, each_alone
from idp.services.bundle import services
from idp.services.hash_queue import TooBusy
from idp.web import after_sign_in
from idp.web.browser import browser_hash
from idp.web.forms import FormView
from idp.web.network import client_network
from idp.web.render import Frame, page
from idp.web.session import clear_session
from idp.web.unavailable import keep_in_outage

blueprint = Blueprint("journeys", __name__)


@dataclass(frozen=True, repr=False)
class DoneView:
    """`codes_url` is where recovery codes are made, for somebody who has none yet; `offer_url` where a passkey is made,
    for whose browser can; `check_url` where the passkeys are, for whoever takes an account back (security.md F-40).
    """

    body: str
    go_label: str
    go_url: str
    codes_url: str = ""
    offer_url: str = ""
    check_url: str = ""


def _portal(slug: str) -> Portal:
    portal = known_slug(slug)
    if portal is None:
        abort(404)
    return portal


def _show(journey: Journey, slug: str, path: str) -> Response:
    if not journey.is_own:  # what is written here is a walk that begins, by one statement
        each_alone()
    portal = _portal(slug)
    if "f" not in request.args and path == journey.first_path:
        return arrival.start(journey, portal)
    found = arrival.enter(journey, portal)
    if isinstance(found, Response):
        return found
    walk = Walk.stand(journey, found)
    if journey is CONSENT and walk.current is None:  # answered in another tab: nothing is left to ask
        return see(onward(found))
    step = walk.step_at(path)
    return _render(walk, step) if step is not None else see(walk.way_back(path))


def _render(walk: Walk, step: Step) -> Response:
    ctx, run = walk.ctx, walk.ctx.run
    screen = step.show(ctx)
    values = {**screen.values, **ctx.entries(step.name)}
    notice = run.notice.get(step.name)
    form = FormView(
        {name: value for name, value in values.items() if name in step.keeps or name in screen.values},
        _errors(walk, step),
        token(services().random)[:22],
    )
    frame = Frame(
        screen.title,
        portal=ctx.portal,
        form=form,
        step=screen.step,
        back=screen.back,
        is_own=walk.journey.is_own,
        status=ctx.text(notice[0], **(notice[1] or {})) if notice else screen.status,
    )
    return page(screen.template, frame, screen.view)


def _errors(walk: Walk, step: Step) -> dict[str, str]:
    """Field → words: what was wrong with the last answer, or why the person is back at this step."""
    ctx, lost = walk.ctx, walk.lost
    if lost is not None and lost.step == step.name and lost.message is not None:
        return {lost.field: ctx.text(lost.message.key, **(lost.message.values or {}))}
    stored: dict[str, Any] = ctx.run.errors.get(step.name, {})
    return {name: ctx.text(key, **(values or {})) for name, (key, values) in stored.items()}


def _submit(journey: Journey, slug: str, path: str, action: str | None = None) -> Response:
    keep_in_outage(journey.keeps(path) if action is None else ())
    hashing = hashing_step(journey, path, action)
    if hashing is None:
        return _take(journey, slug, path, action)
    try:
        with services().passwords.queue.place(client_network()):
            return _take(journey, slug, path, action)
    except TooBusy as busy:
        return busy_page(slug, hashing, busy)


def _take(journey: Journey, slug: str, path: str, action: str | None) -> Response:
    """Judge the form, the first time it is sent."""
    is_guess = action is None and journey.guesses(path) and not request.form.get("passkey")
    if is_guess:  # until it is paid for, what is written is the form's claim and the price
        assure_transaction()
        each_alone()
    portal = _portal(slug)
    found = arrival.enter(journey, portal)
    if isinstance(found, Response):
        return found
    if any(len(values) > 1 for _, values in request.form.lists()):
        abort(400)
    nonce = request.form.get("nonce", "")
    if is_guess:
        wait_for_no_disk()  # settling the form does, before its answer
    if not runs.claim(found.run, nonce):
        return _result_of_first_click(journey, portal, path)
    return see(_judge(journey, found, path, action, nonce))


def _result_of_first_click(journey: Journey, portal: Portal, path: str) -> Response:
    """Where the same form led when it was judged: on, or back to its step with what was wrong."""
    found = arrival.enter(journey, portal)
    if isinstance(found, Response):
        return found
    walk = Walk.stand(journey, found)
    step = walk.step_at(path)
    if step is not None and (step.name in found.run.errors or step.name in found.run.notice):
        return see(found.link(path) + "#e")
    return see(walk.here())


def _judge(journey: Journey, ctx: Context, path: str, action: str | None, nonce: str) -> str:
    typed = {name: value for name, value in request.form.items() if name not in {"csrf_token", "nonce"}}
    run_id = ctx.run_id
    try:
        address = answer(Walk.stand(journey, ctx), path, action, typed)
        runs.settle(run_id, nonce, services().clock.now())
    except BaseException:
        db.session.rollback()  # before the form is settled: half of what was begun must not stay
        runs.settle(run_id, nonce, services().clock.now())
        raise
    return address if address is not None else abort(404)


@blueprint.get("/<slug>/r")
def letter_qr(slug: str) -> Response:
    """The address in the letter's QR; the code stands in the fragment, which the browser keeps over the redirect."""
    return see(f"/{_portal(slug).slug}/{REGISTRATION.first_path}")


@blueprint.get("/<slug>/register/done")
def registration_done(slug: str) -> Response:
    """R7."""
    each_alone()
    ctx = _finished(REGISTRATION, _portal(slug))
    if ctx is None:
        return see(f"/{slug}/login")
    codes_url = f"/{slug}/{CODES.paths['make_codes']}" if ctx.session else ""
    offer_url = after_sign_in.PAGES["new_passkey"] if ctx.session else ""
    body = ctx.text("r7.body", email=ctx.state.email)
    view = DoneView(body, ctx.text("r7.go"), onward(ctx), codes_url, offer_url)
    return page("flows/done.html", Frame(ctx.text("r7.title"), portal=ctx.portal), view)


@blueprint.get("/<slug>/reset/done")
def reset_done(slug: str) -> Response:
    """The end of W4."""
    ctx = _finished(RESET, _portal(slug))
    if ctx is None or ctx.session is None:
        return see(f"/{slug}/login")
    account_id = ctx.session.account_id
    check_url = after_sign_in.PAGES["passkeys"] if passkeys_of(account_id) else ""
    view = DoneView(ctx.text("pr.done"), ctx.text("r7.go"), onward(ctx, account_id), check_url=check_url)
    return page("flows/done.html", Frame(ctx.text("event.password"), portal=ctx.portal), view)


@blueprint.get("/<slug>/account/closed")
def account_closed(slug: str) -> Response:
    """Nobody's page any more: the session is over, and only this browser's walk is known."""
    ctx = _finished(CLOSING, _portal(slug))
    if ctx is None:
        return see("/")
    clear_session()
    view = DoneView(ctx.text("close.done.body"), ctx.text("close.home"), "/")
    return page("flows/done.html", Frame(ctx.text("close.done"), portal=ctx.portal), view)


def _finished(journey: Journey, portal: Portal) -> Context | None:
    """The walk that this browser finished. Reload and Back are safe: it is only read."""
    handle = request.args.get("f", "")
    run = runs.find(handle)
    if run is None or run.journey != journey.name or run.portal_id != portal.id:
        return None
    if run.browser_hash != browser_hash() or run.consumed_at is None:
        return None
    return arrival.context(journey, run, portal, handle)


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


@blueprint.record_once
def _offer(state: BlueprintSetupState) -> None:
    """The floor below asks for a sign-in by this name."""
    state.app.extensions[SIGN_IN] = arrival.sign_in
