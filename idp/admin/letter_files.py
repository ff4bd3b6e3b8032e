"""What leaves a batch: PDFs for the printer, addresses for a print shop, and a preview with a code that is none.

Each of them shows names and addresses, so it is recorded; PDFs are there from the approval until the printing.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, abort, make_response, request
from sqlalchemy import select
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, worker
from idp.admin.letter_batch import PAGE, WITH_ADDRESSES, load, name_of
from idp.admin.letters import LIST, PRINT
from idp.models.base import db
from idp.models.letter_batch import BatchLetter, LetterBatch
from idp.models.person import InsuredPerson
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.letter_batches import MOST
from idp.services.letter_references import edge, show_reference
from idp.services.letters import MOST_LINES, Unprintable, address_lines
from idp.services.spreadsheet import BOM, lines
from idp.web.i18n import text

blueprint = Blueprint("admin_letter_files", __name__)


@dataclass(frozen=True, repr=False)
class PreviewView:
    """`others` are address and label of the first, the last and one at random."""

    batch: str
    picture: str
    pdf: str
    alt: str
    others: tuple[tuple[str, str], ...]


@blueprint.get(f"{PAGE}/letters.pdf")
@requires(PRINT)
def pdf(batch_id: UUID) -> Response:
    found, part = load(batch_id, PRINT), request.args.get("part", "")
    opened = None
    if part.isdecimal() and len(part) < 4:
        opened = services().letter_batches.open_file(found, int(part), worker().account.id)
    if opened is None:
        abort(404)
    return _file(opened, "application/pdf", f"{found.portal.slug}-{found.number}-{int(part):02}.pdf")


@blueprint.get(f"{PAGE}/addresses.csv")
@requires(PRINT)
def addresses(batch_id: UUID) -> Response:
    """Number, reference, language and the lines of the window; no code, and nothing that a spreadsheet would run."""
    found = load(batch_id, PRINT)
    if found.state not in WITH_ADDRESSES:
        abort(404)
    rows = [["number", "reference", "language", *(f"line_{at}" for at in range(1, MOST_LINES + 1))]]
    letters = (
        select(BatchLetter.number, BatchLetter.reference, InsuredPerson)
        .join(InsuredPerson, InsuredPerson.id == BatchLetter.insured_person_id)
        .where(BatchLetter.batch_id == found.id, BatchLetter.number.is_not(None))
        .order_by(BatchLetter.number)
    )
    for number, reference, person in db.session.execute(letters):
        rows.append([f"{number:04}", show_reference(reference), person.language, *address_lines(person)])
    services().audit.record(
        AuditTag.ADDRESSES_TAKEN, account=worker().account.id, portal=found.portal_id, batch=str(found.number)
    )
    name = f"{found.portal.slug}-{found.number}.csv"
    return _file((BOM + lines(rows)).encode(), "text/csv; charset=utf-8", name)


@blueprint.get(f"{PAGE}/preview")
@requires(PRINT)
def preview(batch_id: UUID) -> Response:
    """The page around the picture of one letter."""
    found = load(batch_id, PRINT)
    if not found.count:
        abort(404)
    number, home = _number(found), f"{LIST}/{found.id}"
    chance = int.from_bytes(services().random.bytes(4), "big") % found.count + 1
    others = (("first", 1), ("last", found.count), ("random", chance))
    view = PreviewView(
        batch=name_of(found),
        picture=f"{home}/preview.png?n={number}",
        pdf=f"{home}/preview.pdf?n={number}",
        alt=text("bat.preview.alt", number=f"{number:04}"),
        others=tuple((f"{home}/preview?n={at}", text(f"bat.preview.{which}")) for which, at in others),
    )
    title = text("bat.preview", number=f"{number:04}", count=f"{found.count:04}")
    return console("admin/letter_preview.html", title, view, needs=PRINT, back=home)


@blueprint.get(f"{PAGE}/preview.png")
@requires(PRINT)
def picture(batch_id: UUID) -> Response:
    return _drawn(batch_id, "png", "image/png")


@blueprint.get(f"{PAGE}/preview.pdf")
@requires(PRINT)
def document(batch_id: UUID) -> Response:
    return _drawn(batch_id, "pdf", "application/pdf")


def _drawn(batch_id: UUID, kind: str, mimetype: str) -> Response:
    found = load(batch_id, PRINT)
    letter = db.session.scalar(
        select(BatchLetter).where(BatchLetter.batch_id == found.id, BatchLetter.number == _number(found))
    )
    if letter is None:
        abort(404)
    services().audit.record(
        AuditTag.LETTER_PREVIEWED, person=letter.insured_person_id, portal=found.portal_id, batch=str(found.number)
    )
    at_edge = edge(letter.number, found.count, letter.reference)
    try:
        drawn = services().letters.preview(letter.person, found, at_edge, "png" if kind == "png" else "pdf")
    except Unprintable:
        return make_response(text("bat.preview.not"), 422, {"Content-Type": "text/plain; charset=utf-8"})
    return make_response(drawn, 200, {"Content-Type": mimetype})


def _number(found: LetterBatch) -> int:
    """Which letter; the first one where the address names none that there is."""
    asked = request.args.get("n", "")
    is_one = asked.isdecimal() and len(asked) <= len(str(MOST)) and 1 <= int(asked) <= found.count
    return int(asked) if is_one else 1


def _file(content: bytes, mimetype: str, name: str) -> Response:
    headers = {"Content-Type": mimetype, "Content-Disposition": f'attachment; filename="{name}"'}
    return make_response(content, 200, headers)
