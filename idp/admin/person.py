"""One person, for one phone call: where they stand, what happened, and what may be done about it (ux.md §9.1).

Everything personal is hidden until an operator reveals it with a reason. Who may not see a person gets the answer for
somebody who does not exist.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from flask import Blueprint, abort, request
from werkzeug.wrappers import Response

from idp.admin.entrance import NotAllowed, console, may_words, requires, whose, worker
from idp.admin.person_words import FactView, LetterView, facts, history, letters, situation, things
from idp.admin.persons import LIST, SEE, covered
from idp.models.account import Account
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.desk import Deed
from idp.services.permissions import Permission
from idp.services.persons import mask_name, mask_number
from idp.web import kept
from idp.web.forms import FormView, line
from idp.web.i18n import language, text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_person", __name__)
PAGE = "/admin/persons/<uuid:person_id>"
REVEAL = Permission.REVEAL_PERSON
SHOWN_FOR = timedelta(minutes=10)
REASONS = ("call", "post", "fund", "check")
HELP, LETTER = Permission.HELP_PERSON, Permission.ORDER_LETTER
NEEDED = {
    Deed.UNLOCK: HELP, Deed.END_SESSIONS: HELP, Deed.VOID_LETTER: LETTER, Deed.ORDER_LETTER: LETTER,
}  # fmt: skip
TOLD = ("name", "birth", "number", "more")  # what a caller says to show who they are


@dataclass(frozen=True, repr=False)
class PersonView:
    """`facts` is empty until they are revealed; `told` are the boxes of the check list."""

    id: UUID
    portal: str
    number: str
    situation: tuple[str, ...]
    facts: tuple[FactView, ...]
    told: tuple[tuple[str, str], ...]
    reasons: tuple[tuple[str, str], ...]
    may_reveal: bool
    deeds: tuple[tuple[str, str, str], ...]
    letters: tuple[LetterView, ...]
    things: tuple[tuple[str, tuple[str, ...]], ...]
    history: tuple[tuple[str, str, str], ...]


@blueprint.get(PAGE)
@requires(SEE)
def person(person_id: UUID) -> Response:
    """Every look at it is recorded (DPO art. 4)."""
    found, account = load(person_id)
    bundle, portals = services(), covered()
    bundle.audit.record(AuditTag.PERSON_OPENED, person=found.id, account=found.account_id, portal=found.portal_id)
    form = kept.find(whose()) or FormView()
    is_revealed = _is_fresh(form.values.get("revealed", ""))
    told = tuple(one for one in TOLD if form.values.get(one))
    view = PersonView(
        id=found.id,
        portal=portals[found.portal_id].name(language()),
        number=mask_number(found.insured_number),
        situation=situation(found, account, portals),
        facts=facts(found, account, told) if is_revealed else (),
        told=tuple((one, text(f"per.told.{one}")) for one in TOLD),
        reasons=tuple((one, text(f"per.reason.{one}")) for one in REASONS),
        may_reveal=worker().rights.may(REVEAL, found.portal_id),
        deeds=deeds(found),
        letters=letters(found),
        things=things(account, portals),
        history=history(found, account, portals),
    )
    done = request.args.get("done", "")
    status = text(f"per.done.{done}") if done in set(Deed) else None
    return console("admin/person.html", title(found, account), view, needs=SEE, form=form, back=LIST, status=status)


@blueprint.post(f"{PAGE}/reveal")
@requires(REVEAL)
def reveal(person_id: UUID) -> Response:
    """Show everything for ten minutes in this session; who, why, and what the caller had said is recorded."""
    found, _ = load(person_id, REVEAL)
    reason = line(request.form.get("reason"))
    told = {one: "yes" for one in TOLD if request.form.get(one)}
    path = f"{LIST}/{found.id}"
    if reason not in REASONS:
        return kept.lead(path, whose(), told, {"reason": Wrong("per.e.reason")})
    services().audit.record(
        AuditTag.PERSON_REVEALED, person=found.id, account=found.account_id, portal=found.portal_id, reason=reason,
        told=" ".join(told),
    )  # fmt: skip
    now = services().clock.now()
    return kept.lead(path, whose(), {**told, "reason": reason, "revealed": now.isoformat()})


def deeds(found: InsuredPerson) -> tuple[tuple[str, str, str], ...]:
    """Address, label and, where one's role does not allow it, who may."""
    rights, shown = worker().rights, []
    for deed, need in NEEDED.items():
        reason = "" if rights.may(need, found.portal_id) else may_words(need)
        shown.append((f"{LIST}/{found.id}/{deed}", text(f"per.do.{deed}"), reason))
    reason = "" if rights.may(HELP, found.portal_id) else may_words(HELP)
    shown.append((f"{LIST}/{found.id}/reset", text("per.do.reset"), reason))
    shown.insert(0, (f"{LIST}/{found.id}/call", text("call.title"), reason))
    return tuple(shown)


def load(person_id: UUID, permission: Permission = SEE) -> tuple[InsuredPerson, Account | None]:
    """The person and their account. 404 for somebody whom this operator may not see, as for nobody."""
    found, rights = db.session.get(InsuredPerson, person_id), worker().rights
    if found is None or not rights.may(SEE, found.portal_id):
        abort(404)
    if not rights.may(permission, found.portal_id):
        raise NotAllowed(permission)
    return found, db.session.get(Account, found.account_id) if found.account_id else None


def title(found: InsuredPerson, account: Account | None) -> str:
    """The masked name."""
    given = found.given_name or (account.given_name if account else "")
    family = found.family_name or (account.family_name if account else "")
    return mask_name(given, family) or text("per.noname")


def _is_fresh(revealed: str) -> bool:
    return bool(revealed) and services().clock.now() - datetime.fromisoformat(revealed) < SHOWN_FOR
