"""What may be done for one person: each deed on a page of its own that names the person and the effect (ux.md §9.1)."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, redirect
from sqlalchemy.exc import IntegrityError
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, worker
from idp.admin.person import HELP, LETTER, NEEDED, PAGE, load, title
from idp.admin.persons import LIST
from idp.models.base import db
from idp.services.bundle import services
from idp.services.desk import Deed
from idp.web.forms import FormView
from idp.web.i18n import language, text

blueprint = Blueprint("admin_person_deeds", __name__)


@dataclass(frozen=True, repr=False)
class DeedView:
    """`refusal` says why it cannot be done now; then there is no button."""

    person: str
    effect: str
    label: str
    refusal: str


@blueprint.get(f"{PAGE}/unlock")
@requires(HELP)
def unlock(person_id: UUID) -> Response:
    return _ask(Deed.UNLOCK, person_id)


@blueprint.post(f"{PAGE}/unlock")
@requires(HELP)
def do_unlock(person_id: UUID) -> Response:
    return _do(Deed.UNLOCK, person_id)


@blueprint.get(f"{PAGE}/sessions")
@requires(HELP)
def sessions(person_id: UUID) -> Response:
    return _ask(Deed.END_SESSIONS, person_id)


@blueprint.post(f"{PAGE}/sessions")
@requires(HELP)
def end_sessions(person_id: UUID) -> Response:
    return _do(Deed.END_SESSIONS, person_id)


@blueprint.get(f"{PAGE}/void")
@requires(LETTER)
def void(person_id: UUID) -> Response:
    return _ask(Deed.VOID_LETTER, person_id)


@blueprint.post(f"{PAGE}/void")
@requires(LETTER)
def void_letter(person_id: UUID) -> Response:
    return _do(Deed.VOID_LETTER, person_id)


@blueprint.get(f"{PAGE}/letter")
@requires(LETTER)
def letter(person_id: UUID) -> Response:
    return _ask(Deed.ORDER_LETTER, person_id)


@blueprint.post(f"{PAGE}/letter")
@requires(LETTER)
def order_letter(person_id: UUID) -> Response:
    return _do(Deed.ORDER_LETTER, person_id)


def _ask(deed: Deed, person_id: UUID) -> Response:
    """What would be done, to whom, and the button; or why not."""
    found, account = load(person_id, NEEDED[deed])
    refusal = services().desk.refusal(deed, found, account, worker().account.id)
    view = DeedView(
        person=f"{title(found, account)} – {found.portal.name(language())}",
        effect=text(f"per.do.{deed}.text"),
        label=text(f"per.do.{deed}"),
        refusal=text(refusal) if refusal else "",
    )
    return console(
        "admin/person_deed.html", view.label, view, needs=NEEDED[deed], form=FormView(), back=f"{LIST}/{found.id}"
    )


def _do(deed: Deed, person_id: UUID) -> Response:
    """Judged anew: one operator's clicks take turns, so that no limit is passed by two at once."""
    found, account = load(person_id, NEEDED[deed])
    bundle, by = services(), worker().account.id
    bundle.attempts.queue(f"desk|{by}")
    if bundle.desk.refusal(deed, found, account, by):
        return redirect(f"{LIST}/{found.id}/{deed}", 303)
    try:
        bundle.desk.do(deed, found, account, by)
    except IntegrityError:  # a colleague ordered the same letter this very moment
        db.session.rollback()
        return redirect(f"{LIST}/{person_id}/{deed}", 303)
    return redirect(f"{LIST}/{found.id}?done={deed}", 303)
