"""H1 and H2: the ways of somebody who lost the second factor, and the letter that is asked for there (ux.md §4.3).

Beside the steps, not among them: nothing here proves anything. A GET asks for no letter and sends nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, abort, request
from werkzeug.wrappers import Response

from flows import arrival
from flows.arrival import see
from flows.context import Context
from flows.journeys import LOGIN, RESET, Journey
from flows.walk import Walk
from idp.chance import token
from idp.models.account import load_account
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.portal import Portal, find_portal
from idp.services import recovery_letters as letters
from idp.services.bundle import services
from idp.services.throttle import Volume
from idp.texts import format_date, format_day
from idp.web.forms import FormView
from idp.web.i18n import language, text
from idp.web.network import limit
from idp.web.render import Frame, page

blueprint = Blueprint("way_back", __name__)
JOURNEYS = {"login": LOGIN, "reset": RESET}


@dataclass(frozen=True)
class OwnWays:
    """What a person has. `methods_url` is where a recovery code or the letter's code is chosen; the other addresses are
    empty where there is no such way.
    """

    methods_url: str
    has_codes: bool
    has_letter: bool
    other_url: str
    letter_url: str


@dataclass(frozen=True)
class HelpView:
    call: str
    number: str
    hours: str
    own: OwnWays | None


@dataclass(frozen=True)
class LetterView:
    """`expected` says of a letter that was asked for when it comes; `may_ask` whether one can be asked for now, else
    `next` says from when on.
    """

    address: str
    expected: str
    may_ask: bool
    next: str
    methods_url: str


@blueprint.get("/<slug>/login/help", defaults={"journey": "login"})
@blueprint.get("/<slug>/reset/help", defaults={"journey": "reset"})
def help_page(slug: str, journey: str) -> Response:
    """H1. The way back keeps the walk one comes from."""
    portal, chosen = _portal(slug), JOURNEYS[journey]
    handle = request.args.get("f", "")
    first = f"/{portal.slug}/{chosen.first_path}"
    back = first + (f"?f={handle}" if arrival.HANDLE.fullmatch(handle) else "")
    hours = portal.opening_hours(language())
    found = arrival.enter(chosen, portal) if handle else None
    ctx = Walk.stand(chosen, found).ctx if isinstance(found, Context) else None
    view = HelpView(
        call=text("rec.call", phone=portal.phone),
        number="".join(portal.phone.split()),
        hours=text("rec.hours", hours=hours) if hours else "",
        own=_own_ways(chosen, ctx) if ctx and _account(ctx) else None,
    )
    form = FormView(nonce=token(services().random)[:22])
    return page("flows/login_help.html", Frame(text("rec.title"), portal=portal, form=form, back=back), view)


def _own_ways(journey: Journey, ctx: Context) -> OwnWays:
    """Once the password or the address is proved."""
    bundle, account_id = ctx.services, ctx.state.account()
    methods = ctx.link(journey.paths["choose_method"])
    return OwnWays(
        methods_url=methods,
        has_codes=bundle.recovery_codes.left(account_id) > 0,
        has_letter=bundle.recovery_letters.open_at(account_id, ctx.portal) is not None,
        other_url=methods if len(ctx.factors().names) > 1 else "",
        letter_url=ctx.link(f"{journey.name}/letter") if _record(ctx) else "",
    )


@blueprint.get("/<slug>/login/letter", defaults={"journey": "login"})
@blueprint.get("/<slug>/reset/letter", defaults={"journey": "reset"})
def letter_page(slug: str, journey: str) -> Response:
    """H2: what a letter is good for, when it comes, and the button that asks for it."""
    chosen, portal = JOURNEYS[journey], _portal(slug)
    ctx = _proved(chosen, portal)
    if isinstance(ctx, Response):
        return ctx
    account_id, bundle = ctx.state.account(), ctx.services
    letter, next_at = bundle.recovery_letters.open_at(account_id, portal), bundle.recovery_letters.next_at(account_id)
    is_waiting = letter is not None and letter.printed_at is None
    day = format_day(letter.requested_at) if letter else ""
    until = format_date(letters.expected_by(letter.requested_at)) if letter else ""
    view = LetterView(
        address=ctx.text("rec.sent" if letter else "lt.address"),
        expected=ctx.text("lt.expected", date=day, until=until) if letter else "",
        may_ask=not is_waiting and next_at is None,
        next=ctx.text("lt.next", time=ctx.moment(next_at)) if next_at else "",
        methods_url=ctx.link(chosen.paths["choose_method"]),
    )
    status = ctx.text("lt.asked") if letter and request.args.get("asked") else None
    form = FormView(nonce=token(bundle.random)[:22])
    back = ctx.link(f"{chosen.name}/help")
    return page(
        "flows/letter.html", Frame(ctx.text("lt.title"), portal=portal, form=form, back=back, status=status), view
    )


@blueprint.post("/<slug>/login/letter", defaults={"journey": "login"})
@blueprint.post("/<slug>/reset/letter", defaults={"journey": "reset"})
def ask_for_letter(slug: str, journey: str) -> Response:
    """Ask for a letter. A second click or tab finds that one was asked for."""
    chosen, portal = JOURNEYS[journey], _portal(slug)
    ctx = _proved(chosen, portal)
    if isinstance(ctx, Response):
        return ctx
    address = ctx.link(f"{chosen.name}/letter")
    person = _record(ctx)
    if request.form.get("letter") != "wanted" or person is None:
        return see(address)
    limit(Volume.SENDS)
    account = load_account(ctx.state.account())
    asked = ctx.services.recovery_letters.request(
        letters.Request(account, person, portal, device=ctx.device, place=ctx.network)
    )
    db.session.commit()
    return see(address if isinstance(asked, letters.TooSoon) else f"{address}&asked=yes")


def _portal(slug: str) -> Portal:
    return find_portal(slug) or abort(404)


def _proved(journey: Journey, portal: Portal) -> Context | Response:
    """The walk of somebody who proved the password or the address and has a record here; else where they belong."""
    found = arrival.enter(journey, portal)
    if isinstance(found, Response):
        return found
    walk = Walk.stand(journey, found)
    return walk.ctx if _account(walk.ctx) and _record(walk.ctx) else see(walk.here())


def _account(ctx: Context) -> UUID | None:
    return ctx.state.account() if ctx.state.account_id else None


def _record(ctx: Context) -> InsuredPerson | None:
    return ctx.services.accounts.record_of(ctx.state.account(), ctx.portal.id)
