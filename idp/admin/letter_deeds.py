"""Moving a batch of letters on: each deed on a page of its own that names the batch and the effect (ux.md §9.1)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from uuid import UUID

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, whose, worker
from idp.admin.letter_batch import PAGE, load, name_of
from idp.admin.letters import LIST, PRINT
from idp.clock import swiss
from idp.models.letter_batch import LetterBatch
from idp.services.bundle import services
from idp.services.letter_batches import BatchDeed
from idp.texts import format_date
from idp.web import kept
from idp.web.forms import FormView, line, read_date
from idp.web.i18n import text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_letter_deeds", __name__)


@dataclass(frozen=True, repr=False)
class DeedView:
    """`refusal` says why it cannot be done now; then there is no button."""

    batch: str
    letters: str
    effect: str
    label: str
    refusal: str
    asks_day: bool


@requires(PRINT)
def ask(batch_id: UUID, deed: BatchDeed) -> Response:
    """What would be done, to what, and the button; or why not."""
    found = load(batch_id, PRINT)
    refusal = services().letter_batches.refusal(deed, found, worker().account.id)
    view = DeedView(
        batch=name_of(found),
        letters=text("bat.letters", n=found.count),
        effect=text(f"bat.do.{deed}.text"),
        label=text(f"bat.do.{deed}"),
        refusal=text(refusal) if refusal else "",
        asks_day=deed is BatchDeed.POST,
    )
    form = kept.find(whose()) or FormView({"day": format_date(swiss(services().clock.now()).date())})
    back = f"{LIST}/{found.id}"
    return console("admin/letter_deed.html", view.label, view, needs=PRINT, form=form, back=back)


@requires(PRINT)
def do(batch_id: UUID, deed: BatchDeed) -> Response:
    """One conditional write judges it anew: whoever was slower reads why it cannot be done any more."""
    found = load(batch_id, PRINT)
    here = f"{LIST}/{found.id}/{deed}"
    if services().letter_batches.refusal(deed, found, worker().account.id):
        return redirect(here, 303)
    day = typed_day(found) if deed is BatchDeed.POST else None
    if deed is BatchDeed.POST and day is None:
        return kept.lead(here, whose(), {"day": line(request.form.get("day"))}, {"day": Wrong("bat.e.day")})
    if not done(deed, found, day):
        return redirect(here, 303)
    return redirect(f"{LIST}/{found.id}?done={deed}", 303)


for _deed in BatchDeed:
    _address, _of = f"{PAGE}/{_deed}", {"deed": _deed}
    blueprint.add_url_rule(_address, f"ask_{_deed}", ask, methods=["GET"], defaults=_of)
    blueprint.add_url_rule(_address, f"do_{_deed}", do, methods=["POST"], defaults=_of)


def done(deed: BatchDeed, found: LetterBatch, day: date | None) -> bool:
    """Do it; False where somebody else was faster."""
    batches, by = services().letter_batches, worker().account.id
    if deed is BatchDeed.APPROVE:
        return batches.approve(found, by)
    if deed is BatchDeed.PRINT:
        return batches.confirm_printed(found, by)
    return batches.cancel(found, by) if day is None else batches.post(found, by, day)


def typed_day(found: LetterBatch) -> date | None:
    """The day of posting as it was typed; None where it cannot be that of this batch."""
    read = read_date(line(request.form.get("day")), swiss(services().clock.now()).date())
    return read if isinstance(read, date) and services().letter_batches.may_be_posted_on(read, found) else None
