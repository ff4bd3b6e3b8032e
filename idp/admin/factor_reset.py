"""A second factor is set up anew by two operators: one asks after the caller's check list, another one approves.

Each page names the person and the effect; whatever changed meanwhile is judged anew (services/factor_resets.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, redirect, request
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response

from idp.admin.audit import actor_names
from idp.admin.entrance import console, requires, whose, worker
from idp.admin.person import HELP, PAGE, TOLD, load, title
from idp.admin.persons import LIST
from idp.models.account import Account
from idp.models.base import db
from idp.models.factor_reset import FactorReset, living_at
from idp.models.person import InsuredPerson
from idp.models.portal import list_portals
from idp.services.bundle import services
from idp.services.factor_resets import BY_OPERATOR
from idp.texts import format_moment
from idp.web import kept
from idp.web.forms import FormView, line
from idp.web.i18n import language, text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_factor_reset", __name__)
EVERY = "/admin/resets"
REASONS = ("lost", "number", "broken")


@dataclass(frozen=True, repr=False)
class ResetLine:
    person_id: UUID
    name: str
    portal: str
    by: str
    asked: str
    state: str


@dataclass(frozen=True, repr=False)
class ResetView:
    """`situation` says how far one is that waits, `reset` names it; `refusal`: why this operator cannot go on."""

    person: str
    situation: tuple[str, ...]
    refusal: str
    told: tuple[tuple[str, str], ...]
    reasons: tuple[tuple[str, str], ...]
    reset: str
    may_ask: bool
    may_approve: bool
    may_stop: bool


@blueprint.get(EVERY)
@requires(HELP)
def resets() -> Response:
    """Those that wait: for a second operator, for their day, or for their owner."""
    may = worker().rights
    portals = {portal.id: portal for portal in list_portals() if may.may(HELP, portal.id)}
    found, now = living_at(portals, services().clock.now()), services().clock.now()
    names = actor_names({one.asked_by for one in found})
    lines = tuple(
        ResetLine(
            one.insured_person_id, title(one.person, db.session.get(Account, one.account_id)),
            portals[one.portal_id].name(language()), names.get(one.asked_by, "–"), format_moment(one.asked_at),
            text(f"res.state.{one.state(now)}"),
        )
        for one in found
    )  # fmt: skip
    return console("admin/resets.html", text("res.every"), lines, needs=HELP)


@blueprint.get(f"{PAGE}/reset")
@requires(HELP)
def show(person_id: UUID) -> Response:
    found, account = load(person_id, HELP)
    reset = services().factor_resets.of(found)
    view = _waiting(found, account, reset) if reset and account else _new(found, account)
    done = request.args.get("done", "")
    status = text(f"res.done.{done}") if done in {"asked", "approved", "stopped"} else None
    form = kept.find(whose()) or FormView()
    back = f"{LIST}/{found.id}"
    return console("admin/reset.html", text("per.do.reset"), view, needs=HELP, form=form, back=back, status=status)


@blueprint.post(f"{PAGE}/reset")
@requires(HELP)
def ask(person_id: UUID) -> Response:
    """Only for a caller who said everything: this is the one thing of the desk that opens an account."""
    found, account = load(person_id, HELP)
    bundle, by, path = services(), worker().account.id, f"{LIST}/{found.id}/reset"
    told = {one: "yes" for one in TOLD if request.form.get(one)}
    reason = line(request.form.get("reason"))
    errors = {} if reason in REASONS else {"reason": Wrong("per.e.reason")}
    if len(told) < len(TOLD):
        errors[next(one for one in TOLD if one not in told)] = Wrong("res.e.told")
    if errors:
        return kept.lead(path, whose(), {**told, "reason": reason if reason in REASONS else ""}, errors)
    bundle.attempts.queue(f"desk|{by}")
    if bundle.factor_resets.refusal_to_ask(found, account, by) or account is None:
        return redirect(path, 303)
    try:
        bundle.factor_resets.ask(found, account, by, reason, " ".join(told))
    except IntegrityError:  # a colleague asked this very moment
        db.session.rollback()
        return redirect(path, 303)
    return redirect(f"{path}?done=asked", 303)


@blueprint.post(f"{PAGE}/reset/approve")
@requires(HELP)
def approve(person_id: UUID) -> Response:
    """By somebody else than who asked; the form names the reset that was looked at."""
    found, account = load(person_id, HELP)
    bundle, by, path = services(), worker().account.id, f"{LIST}/{found.id}/reset"
    bundle.attempts.queue(f"desk|{by}")
    reset = _named(found)
    if reset is None or account is None or bundle.factor_resets.refusal_to_approve(reset, found, account, by):
        return redirect(path, 303)
    is_done = bundle.factor_resets.approve(reset, by)
    return redirect(f"{path}?done=approved" if is_done else path, 303)


@blueprint.post(f"{PAGE}/reset/stop")
@requires(HELP)
def stop(person_id: UUID) -> Response:
    """By any operator, the one who asked too."""
    found, _ = load(person_id, HELP)
    path, reset = f"{LIST}/{found.id}/reset", _named(found)
    is_done = reset is not None and services().factor_resets.stop(reset, BY_OPERATOR)
    return redirect(f"{path}?done=stopped" if is_done else path, 303)


def _named(found: InsuredPerson) -> FactorReset | None:
    """What waits for this person, where it is the one that the page had shown."""
    reset = services().factor_resets.of(found)
    return reset if reset is not None and str(reset.id) == request.form.get("reset") else None


def _new(found: InsuredPerson, account: Account | None) -> ResetView:
    refusal = services().factor_resets.refusal_to_ask(found, account, worker().account.id)
    return ResetView(
        person=_name(found, account), situation=(text("per.do.reset.text"),), refusal=text(refusal) if refusal else "",
        told=tuple((one, text(f"per.told.{one}")) for one in TOLD),
        reasons=tuple((one, text(f"res.reason.{one}")) for one in REASONS),
        reset="", may_ask=not refusal, may_approve=False, may_stop=False,
    )  # fmt: skip


def _waiting(found: InsuredPerson, account: Account, reset: FactorReset) -> ResetView:
    bundle, now = services(), services().clock.now()
    names = actor_names({one for one in (reset.asked_by, reset.approved_by) if one})
    said = [text("res.by", name=names.get(reset.asked_by, "–"), time=format_moment(reset.asked_at),
                 reason=text(f"res.reason.{reset.reason}"))]  # fmt: skip
    if reset.approved_by and reset.approved_at:
        name = names.get(reset.approved_by, "–")
        said.append(text("res.approved", name=name, time=format_moment(reset.approved_at)))
    said.append(situation(reset) or text("res.waits.asked", time=format_moment(reset.lapses_at)))
    is_asked = reset.state(now) == "asked"
    refusal = bundle.factor_resets.refusal_to_approve(reset, found, account, worker().account.id) if is_asked else None
    return ResetView(
        person=_name(found, account), situation=tuple(said), refusal=text(refusal) if refusal else "", told=(),
        reasons=(), reset=str(reset.id), may_ask=False, may_approve=is_asked and not refusal, may_stop=True,
    )  # fmt: skip


def situation(reset: FactorReset) -> str:
    """How far an approved one is, in a sentence."""
    state = reset.state(services().clock.now())
    if reset.ready_at is None or state not in {"cooling", "ready"}:
        return ""
    return text(f"res.waits.{state}", time=format_moment(reset.ready_at if state == "cooling" else reset.lapses_at))


def _name(found: InsuredPerson, account: Account | None) -> str:
    return f"{title(found, account)} – {found.portal.name(language())}"
