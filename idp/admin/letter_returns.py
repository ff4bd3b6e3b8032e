"""Letters that the post brought back: typed or scanned, counted first, and then their codes are void."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, whose, worker
from idp.admin.letter_batch import PAGE, load, name_of
from idp.admin.letters import LIST, PRINT
from idp.models.letter_batch import LetterBatch
from idp.services.bundle import services
from idp.services.returned_letters import LONGEST_LIST, Reason
from idp.web import kept
from idp.web.forms import FormView, line
from idp.web.i18n import text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_letter_returns", __name__)
RETURNED = f"{LIST}/returned"
LONGEST = 20_000  # characters, of a list of what scanners read
TOLD = 40  # words that are no letter


@dataclass(frozen=True, repr=False)
class ReturnsView:
    """`found`, `before` and `unknown` are in words, once the list was read; `references` is what was found in it."""

    batch: str
    hint: str
    reasons: tuple[tuple[str, str], ...]
    found: str
    before: str
    unknown: str
    references: str


@blueprint.get(RETURNED)
@requires(PRINT)
def show() -> Response:
    return _show(None)


@blueprint.post(RETURNED)
@requires(PRINT)
def take() -> Response:
    return _take(None)


@blueprint.get(f"{PAGE}/returned")
@requires(PRINT)
def show_of_batch(batch_id: UUID) -> Response:
    return _show(load(batch_id, PRINT))


@blueprint.post(f"{PAGE}/returned")
@requires(PRINT)
def take_of_batch(batch_id: UUID) -> Response:
    return _take(load(batch_id, PRINT))


def _show(batch: LetterBatch | None) -> Response:
    form = kept.find(whose()) or FormView()
    values = form.values
    view = ReturnsView(
        batch=name_of(batch) if batch else "",
        hint=text("bat.back.hint.batch" if batch else "bat.back.hint", most=LONGEST_LIST),
        reasons=tuple((one.value, text(f"bat.reason.{one}")) for one in Reason),
        found=text("bat.back.found", n=values["found"]) if "found" in values else "",
        before=text("bat.back.before", n=values["before"]) if values.get("before", "0") != "0" else "",
        unknown=text("bat.back.unknown", words=values["unknown"]) if values.get("unknown") else "",
        references=values.get("references", ""),
    )
    done = request.args.get("done", "")[:6]
    status = text("bat.back.done", n=int(done)) if done.isdecimal() else None
    back = f"{LIST}/{batch.id}" if batch else LIST
    return console(
        "admin/letter_returns.html", text("bat.back"), view, needs=PRINT, form=form, back=back, status=status
    )


def _take(batch: LetterBatch | None) -> Response:
    """Read and counted; with the button of the second page their codes are voided. What was scanned holds codes, so
    nothing of it is kept but the references of the letters that were found.
    """
    reason, typed = line(request.form.get("reason")), request.form.get("letters", "")[:LONGEST]
    is_long = len(typed.split()) > LONGEST_LIST
    errors = {"letters": Wrong("bat.e.letters", {"most": str(LONGEST_LIST)})} if not typed.strip() or is_long else {}
    if reason not in set(Reason):
        errors["reason"] = Wrong("bat.e.reason")
    found = services().returned_letters.read("" if is_long else typed, _portals(), batch)
    references = " ".join(one.reference for one in (*found.letters, *found.before))
    if errors:
        return kept.lead(request.path, whose(), {"reason": reason, "letters": references}, errors)
    if request.form.get("do") == "void":
        done = services().returned_letters.take_back(found.letters, Reason(reason), worker().account.id)
        return redirect(f"{request.path}?done={done}", 303)
    read = {
        "reason": reason,
        "found": str(len(found.letters)),
        "before": str(len(found.before)),
        "unknown": ", ".join(f"…{word}" for word in found.unknown[:TOLD]),
        "references": references if found.letters else "",
    }
    return kept.lead(request.path, whose(), read)


def _portals() -> Iterable[UUID] | None:
    return worker().rights.portals(PRINT)
