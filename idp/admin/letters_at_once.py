"""Several batches of a portal moved on together: a fund of fifty thousand persons has five of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from flask import Blueprint, redirect, request
from sqlalchemy import select
from werkzeug.wrappers import Response

from idp.admin.entrance import console, whose, worker
from idp.admin.letter_deeds import done, typed_day
from idp.admin.letters import LIST, PRINT
from idp.admin.portal_access import at_portal
from idp.clock import swiss
from idp.models.base import db
from idp.models.letter_batch import LetterBatch
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.services.letter_batches import ALLOWED, BatchDeed
from idp.texts import format_date
from idp.web import kept
from idp.web.forms import FormView, line
from idp.web.i18n import language, text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_letters_at_once", __name__)
PAGE = f"{LIST}/at/<slug>"
MOST = 50  # batches of one page


@dataclass(frozen=True, repr=False)
class BatchChoice:
    """`refusal` says why this one cannot be moved on now; `archive` is the address of its PDFs, before the printing."""

    id: UUID
    name: str
    letters: str
    refusal: str
    archive: str
    is_chosen: bool


@dataclass(frozen=True, repr=False)
class SeveralView:
    portal: str
    batches: tuple[BatchChoice, ...]
    effect: str
    label: str
    asks_day: bool


@at_portal(PRINT)
def ask(portal: Portal, deed: BatchDeed) -> Response:
    """The batches that wait for this, each with its box."""
    found, today = waiting(portal, deed), format_date(swiss(services().clock.now()).date())
    form = kept.find(whose()) or FormView({"day": today, "batch": " ".join(str(one.id) for one in found)})
    chosen = set(form.values.get("batch", "").split())
    view = SeveralView(
        portal=portal.name(language()),
        batches=tuple(_choice(one, deed, chosen) for one in found),
        effect=text(f"bat.do.{deed}.text"),
        label=text(f"bat.several.{deed}"),
        asks_day=deed is BatchDeed.POST,
    )
    return console("admin/letters_at_once.html", view.label, view, needs=PRINT, form=form, back=LIST)


@at_portal(PRINT)
def do(portal: Portal, deed: BatchDeed) -> Response:
    """Each by its own conditional write: of what somebody else was faster with nothing is done."""
    ticked, by = set(request.form.getlist("batch")), worker().account.id
    chosen = [
        one for one in waiting(portal, deed)
        if str(one.id) in ticked and services().letter_batches.refusal(deed, one, by) is None
    ]  # fmt: skip
    day, errors = _judged(deed, chosen)
    if errors:
        typed = {"day": line(request.form.get("day")), "batch": " ".join(str(one.id) for one in chosen)}
        return kept.lead(request.path, whose(), typed, errors)
    count = sum(done(deed, one, day) for one in chosen)
    return redirect(f"{LIST}?portal={portal.slug}&done={deed}&n={count}", 303)


for _deed in BatchDeed:
    _address, _of = f"{PAGE}/{_deed}", {"deed": _deed}
    blueprint.add_url_rule(_address, f"ask_{_deed}", ask, methods=["GET"], defaults=_of)
    blueprint.add_url_rule(_address, f"do_{_deed}", do, methods=["POST"], defaults=_of)


def waiting(portal: Portal, deed: BatchDeed) -> Sequence[LetterBatch]:
    """The batches of this portal that are in a state to be moved on so, oldest first."""
    states = [one.value for one in ALLOWED[deed]]
    mine = (LetterBatch.portal_id == portal.id, LetterBatch.state.in_(states))
    return db.session.scalars(select(LetterBatch).where(*mine).order_by(LetterBatch.number).limit(MOST)).all()


def _judged(deed: BatchDeed, chosen: list[LetterBatch]) -> tuple[date | None, dict[str, Wrong]]:
    if not chosen:
        return None, {"batch": Wrong("bat.e.several")}
    if deed is not BatchDeed.POST:
        return None, {}
    days = [typed_day(one) for one in chosen]
    return (days[0], {}) if None not in days else (None, {"day": Wrong("bat.e.day")})


def _choice(batch: LetterBatch, deed: BatchDeed, chosen: set[str]) -> BatchChoice:
    refusal = services().letter_batches.refusal(deed, batch, worker().account.id)
    return BatchChoice(
        id=batch.id,
        name=text("bat.number", number=batch.number),
        letters=text("bat.letters", n=batch.count),
        refusal=text(refusal) if refusal else "",
        archive=f"{LIST}/{batch.id}/letters.zip" if deed is BatchDeed.PRINT else "",
        is_chosen=str(batch.id) in chosen,
    )
