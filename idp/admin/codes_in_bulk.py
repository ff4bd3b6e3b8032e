"""Many registration codes at once: all of a portal in one state, counted first; the worker does it (ux.md §9.1)."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from flask import Blueprint, abort, redirect, request
from sqlalchemy import Select
from werkzeug.wrappers import Response

from idp.admin.code_deeds import choices, chosen_days
from idp.admin.codes import LIST
from idp.admin.entrance import console, requires, worker
from idp.admin.letters import PRINT, SEE, drafted, number, portals_for
from idp.errors import BadInput
from idp.models.base import db
from idp.models.code_change import CodeChange
from idp.models.person import RegistrationCode
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.services.code_changes import CHANGEABLE, EXTENDED_BY, MOST, CodeAction, CodeState
from idp.services.letter_choice import BatchKind, Choice
from idp.web.forms import FormView
from idp.web.i18n import language, text

blueprint = Blueprint("admin_codes_in_bulk", __name__)
NEW_LETTERS = "letter"


@dataclass(frozen=True, repr=False)
class BulkView:
    """`refusal` says why there is no button."""

    what: str
    effect: str
    label: str
    refusal: str
    days: tuple[tuple[str, str], ...]


@dataclass(frozen=True, repr=False)
class ChangeView:
    words: str
    done: int
    count: int
    is_over: bool


@requires(PRINT)
def ask(action: str) -> Response:
    portal, state = _wanted(action)
    persons = services().letter_batches.count(_choice(portal, state)) if action == NEW_LETTERS else 0
    count = persons if action == NEW_LETTERS else services().code_changes.count(portal.id, state)
    words = {"n": number(count, MOST), "portal": portal.name(language()), "state": text(f"cod.state.{state}")}
    is_letter = action == NEW_LETTERS
    is_too_much = not count or (count > MOST and not is_letter)
    view = BulkView(
        what=text("cod.all.persons", n=number(count)) if is_letter else text("cod.all.text", **words),
        effect=text("cod.all.letter.text", most=MOST) if is_letter else text(f"cod.do.{action}.text"),
        label=text(f"cod.all.{action}", n=number(count, MOST)) if not is_letter else text("cod.all.letter"),
        refusal=text("cod.e.all", most=MOST) if is_too_much else "",
        days=choices() if action == CodeAction.EXTEND else (),
    )
    back = f"{LIST}?{urlencode({'portal': portal.slug, 'state': state.value})}"
    form = FormView({"days": str(EXTENDED_BY[0])})
    return console("admin/code_deed.html", text(f"cod.all.{action}.title"), view, needs=PRINT, form=form, back=back)


@requires(PRINT)
def do(action: str) -> Response:
    """Counted anew; new letters become a draft that a second person approves."""
    portal, state = _wanted(action)
    here = f"{LIST}/all-{action}?{urlencode({'portal': portal.slug, 'state': state.value})}"
    by, changes, days = worker().account.id, services().code_changes, chosen_days()
    if action == NEW_LETTERS:
        try:
            return drafted(services().letter_batches.draft_all(_choice(portal, state), by))
        except BadInput:
            return redirect(here, 303)
    if days is None:
        return redirect(here, 303)
    until = changes.day_in(days) if action == CodeAction.EXTEND else None
    change = changes.change_all(portal, CodeAction(action), state, until, by)
    return redirect(here if change is None else f"{LIST}/changes/{change.id}", 303)


for _action in (*(one.value for one in CodeAction), NEW_LETTERS):
    _address, _of = f"{LIST}/all-{_action}", {"action": _action}
    blueprint.add_url_rule(_address, f"ask_{_action}", ask, methods=["GET"], defaults=_of)
    blueprint.add_url_rule(_address, f"do_{_action}", do, methods=["POST"], defaults=_of)


@blueprint.get(f"{LIST}/changes/<uuid:change_id>")
@requires(SEE)
def change(change_id: UUID) -> Response:
    """How far the worker is; leaving the page stops nothing."""
    found = db.session.get(CodeChange, change_id)
    if found is None or not worker().rights.may(SEE, found.portal_id):
        abort(404)
    is_over = found.finished_at is not None
    words = text(f"cod.change.{'over' if is_over else 'progress'}", done=found.done, n=found.count)
    view = ChangeView(words, found.done, found.count, is_over)
    return console("admin/code_change.html", text(f"cod.change.{found.action}"), view, needs=SEE, back=LIST)


def _wanted(action: str) -> tuple[Portal, CodeState]:
    """What the address names. 404 for a portal at which one may not act, and for what cannot be done in this state."""
    portal = next((one for one in portals_for(PRINT) if one.slug == request.args.get("portal")), None)
    asked = request.args.get("state", "")
    state = CodeState(asked) if asked in set(CodeState) else None
    if portal is None or state is None or state is CodeState.REDEEMED:
        abort(404)
    if action != NEW_LETTERS and state not in CHANGEABLE[CodeAction(action)]:
        abort(404)
    return portal, state


def _choice(portal: Portal, state: CodeState) -> Choice:
    listed = services().code_changes.listed(None, portal.id, state)
    persons: Select[UUID] = listed.with_only_columns(RegistrationCode.insured_person_id)
    return Choice(portal, BatchKind.CHOSEN, persons=persons)
