"""One registration code: where it stands, and voiding or extending it, each on a page of its own."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, abort, redirect, request
from werkzeug.wrappers import Response

from idp.admin.codes import LIST, name_of, person_of, references_of
from idp.admin.entrance import console, may_words, requires, worker
from idp.admin.letters import SEE, check_may
from idp.admin.persons import LIST as PERSONS
from idp.models.base import db
from idp.models.person import REGISTER, RegistrationCode
from idp.services.bundle import services
from idp.services.code_changes import EXTENDED_BY, CodeAction
from idp.services.permissions import Permission
from idp.texts import format_date, format_day, format_moment
from idp.web.forms import FormView
from idp.web.i18n import language, text

blueprint = Blueprint("admin_code_deeds", __name__)
PAGE = f"{LIST}/<uuid:code_id>"
CHANGE = Permission.ORDER_LETTER


@dataclass(frozen=True, repr=False)
class CodeView:
    """`deeds` are address, label and why not."""

    person_id: UUID
    person: str
    facts: tuple[tuple[str, str], ...]
    deeds: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, repr=False)
class DeedView:
    """`days` to choose from, where the code is extended; `refusal` says why it cannot be done now."""

    what: str
    effect: str
    label: str
    refusal: str
    days: tuple[tuple[str, str], ...]


@blueprint.get(PAGE)
@requires(SEE)
def code(code_id: UUID) -> Response:
    found = load(code_id)
    facts = (
        ("adm.portal", found.person.portal.name(language())),
        ("adm.state", text(f"cod.state.{found.state(services().clock.now())}")),
        ("cod.printed", format_moment(found.issued_at)),
        ("adm.until", format_day(found.expires_at)),
    )
    view = CodeView(
        person_id=found.insured_person_id,
        person=person_of(found),
        facts=tuple((text(key), value) for key, value in facts),
        deeds=_deeds(found),
    )
    done = request.args.get("done", "")
    status = text(f"cod.done.{done}", date=format_day(found.expires_at)) if done in set(CodeAction) else None
    return console("admin/code.html", title(found), view, needs=SEE, back=LIST, status=status)


@requires(CHANGE)
def ask(code_id: UUID, action: CodeAction) -> Response:
    """What would be done, to whose code, and the button; or why not."""
    found, changes = load(code_id, CHANGE), services().code_changes
    refusal = changes.refusal(action, found)
    view = DeedView(
        what=f"{person_of(found)} – {found.person.portal.name(language())}",
        effect=text(f"cod.do.{action}.text"),
        label=text(f"cod.do.{action}"),
        refusal=text(refusal) if refusal else "",
        days=choices() if action is CodeAction.EXTEND else (),
    )
    form = FormView({"days": str(EXTENDED_BY[0])})
    return console("admin/code_deed.html", view.label, view, needs=CHANGE, form=form, back=f"{LIST}/{found.id}")


@requires(CHANGE)
def do(code_id: UUID, action: CodeAction) -> Response:
    found, changes = load(code_id, CHANGE), services().code_changes
    days = chosen_days()
    if changes.refusal(action, found) or days is None:
        return redirect(f"{LIST}/{found.id}/{action}", 303)
    is_done = changes.void(found) if action is CodeAction.VOID else changes.extend(found, changes.day_in(days))
    return redirect(f"{LIST}/{found.id}{f'?done={action}' if is_done else ''}", 303)


for _action in CodeAction:
    _address, _of = f"{PAGE}/{_action}", {"action": _action}
    blueprint.add_url_rule(_address, f"ask_{_action}", ask, methods=["GET"], defaults=_of)
    blueprint.add_url_rule(_address, f"do_{_action}", do, methods=["POST"], defaults=_of)


def load(code_id: UUID, permission: Permission = SEE) -> RegistrationCode:
    """The code of a letter. 404 for one whose portal this operator may not see, as for none."""
    found = db.session.get(RegistrationCode, code_id)
    if found is None or found.purpose != REGISTER or not worker().rights.may(SEE, found.person.portal_id):
        abort(404)
    check_may(permission, found.person.portal_id)
    return found


def title(found: RegistrationCode) -> str:
    return text("cod.code", letter=name_of(found, references_of([found.id])))


def choices() -> tuple[tuple[str, str], ...]:
    """Spans to extend by, with the day that each ends on."""
    day_in = services().code_changes.day_in
    return tuple((str(days), text("cod.days.n", n=days, date=format_date(day_in(days)))) for days in EXTENDED_BY)


def chosen_days() -> int | None:
    asked = request.form.get("days", str(EXTENDED_BY[0]))
    return int(asked) if asked in {str(days) for days in EXTENDED_BY} else None


def _deeds(found: RegistrationCode) -> tuple[tuple[str, str, str], ...]:
    not_allowed = "" if worker().rights.may(CHANGE, found.person.portal_id) else may_words(CHANGE)
    deeds = [(f"{PERSONS}/{found.insured_person_id}/letter", text("cod.do.letter"), not_allowed)]
    for action in CodeAction:
        refusal = services().code_changes.refusal(action, found)
        reason = not_allowed or (text(refusal) if refusal else "")
        deeds.append((f"{LIST}/{found.id}/{action}", text(f"cod.do.{action}"), reason))
    return tuple(deeds)
