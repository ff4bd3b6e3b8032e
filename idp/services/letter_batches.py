"""Batches of letters as operators move them: draft, approved by a second person, printed, posted.

Every move is one conditional write, so of two operators at once one acts and the other is told. The worker sets the PDF
and makes the codes valid (idp/services/press.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Select, func, insert, select
from sqlalchemy.exc import IntegrityError

from idp.chance import Random, new_id, pick
from idp.clock import Clock, swiss
from idp.errors import BadInput
from idp.models.base import db
from idp.models.letter_batch import (
    BatchLetter,
    BatchState,
    LetterBatch,
    LetterFile,
    Outcome,
    approve,
    end_letters,
    move,
    next_number,
    wipe_files,
)
from idp.models.portal import Portal
from idp.services import letter_choice
from idp.services.audit import Audit, AuditTag
from idp.services.letter_choice import Choice
from idp.services.letter_references import MARK, make_reference
from idp.services.registration_codes import ALPHABET
from keys import Vault

MOST = 10_000  # letters of one batch
AT_ONCE = 10  # batches of one choice
ROWS = 500  # of one statement
EARLIEST_POST = timedelta(days=60)  # so long ago may the day of posting be that is typed
OPEN = (BatchState.DRAFT, BatchState.APPROVED, BatchState.SET)


class BatchDeed(StrEnum):
    APPROVE = "approve"
    PRINT = "print"
    POST = "post"
    CANCEL = "cancel"


ALLOWED: Mapping[BatchDeed, tuple[BatchState, ...]] = {
    BatchDeed.APPROVE: (BatchState.DRAFT,),
    BatchDeed.PRINT: (BatchState.SET,),
    BatchDeed.POST: (BatchState.PRINTED,),
    BatchDeed.CANCEL: OPEN,
}


class LetterBatches:
    def __init__(self, clock: Clock, random: Random, vault: Vault, audit: Audit) -> None:
        self._clock = clock
        self._random = random
        self._vault = vault
        self._audit = audit

    def count(self, choice: Choice) -> int:
        """How many persons a batch would be for, were there no most; counted to `COUNTED` and one more."""
        return letter_choice.count(choice, self._clock.now())

    def draft(self, choice: Choice, by: UUID | None) -> LetterBatch:
        """A batch for these persons, `MOST` of them at most; the rest is for the next one. Raises `BadInput`."""
        portal, now = choice.portal, self._clock.now()
        if portal.is_disabled:
            raise BadInput(f"portal {portal.slug} is disabled; nobody could sign in")
        persons = db.session.scalars(letter_choice.chosen(choice, now).limit(MOST)).all()
        if not persons:
            raise BadInput("nobody waits for such a letter")
        batch = LetterBatch(
            id=new_id(self._random, now), portal_id=portal.id, number=next_number(portal.id), mark=self._mark(),
            kind=choice.kind.value,
            language=choice.language, window=portal.letter_window, state=BatchState.DRAFT.value, count=len(persons),
            made_by=by, made_at=now,
        )  # fmt: skip
        try:
            db.session.add(batch)
            db.session.flush()
            for at in range(0, len(persons), ROWS):
                db.session.execute(insert(BatchLetter), self._rows(batch, persons[at : at + ROWS], at))
        except IntegrityError:
            db.session.rollback()
            raise BadInput("somebody else made a batch for one of these persons this very moment; try again") from None
        self._audit.record(
            AuditTag.BATCH_DRAFTED,
            account=by,
            portal=batch.portal_id,
            batch=str(batch.number),
            kind=batch.kind,
            count=str(batch.count),
        )
        return batch

    def draft_all(self, choice: Choice, by: UUID | None) -> list[LetterBatch]:
        """As many batches as these persons need, `AT_ONCE` at most. Each is committed by itself, so that on SQLite
        nobody waits for all of them. Raises `BadInput` where there is none to be made.
        """
        made = [self.draft(choice, by)]
        db.session.commit()
        while made[-1].count == MOST and len(made) < AT_ONCE and letter_choice.is_anybody(choice, self._clock.now()):
            made.append(self.draft(choice, by))
            db.session.commit()
        return made

    def refusal(self, deed: BatchDeed, batch: LetterBatch, by: UUID | None) -> str | None:
        """The message key of why this cannot be done with this batch now, by this operator; None where it can."""
        if batch.state not in ALLOWED[deed]:
            return f"bat.e.{deed}"
        if deed is BatchDeed.APPROVE and batch.made_by is not None and batch.made_by == by:
            return "bat.e.self"
        if deed is BatchDeed.POST and batch.issued_at is None:
            return "bat.e.issuing"
        return None

    def approve(self, batch: LetterBatch, by: UUID) -> bool:
        """From here on the worker sets it. False for whoever made it, and where somebody else was faster."""
        if not approve(batch.id, by, self._clock.now()):
            return False
        self._audit.record(AuditTag.BATCH_APPROVED, account=by, portal=batch.portal_id, batch=str(batch.number))
        return True

    def confirm_printed(self, batch: LetterBatch, by: UUID | None) -> bool:
        """The letters lie on paper: the worker makes their codes valid, and the PDF is wiped at once."""
        values = {"state": BatchState.PRINTED.value, "printed_by": by, "printed_at": self._clock.now()}
        if not move(batch.id, ALLOWED[BatchDeed.PRINT], **values, taken_until=None):
            return False
        wipe_files(batch.id)
        self._audit.record(AuditTag.BATCH_PRINTED, account=by, portal=batch.portal_id, batch=str(batch.number))
        return True

    def post(self, batch: LetterBatch, by: UUID | None, on: date) -> bool:
        """Handed over to the post on this day."""
        if batch.issued_at is None:
            return False
        if not move(batch.id, ALLOWED[BatchDeed.POST], state=BatchState.POSTED.value, posted_on=on):
            return False
        self._audit.record(
            AuditTag.BATCH_POSTED, account=by, portal=batch.portal_id, batch=str(batch.number), on=on.isoformat()
        )
        return True

    def may_be_posted_on(self, day: date, batch: LetterBatch) -> bool:
        """Neither in the future nor before it was printed."""
        today = swiss(self._clock.now()).date()
        printed = swiss(batch.printed_at).date() if batch.printed_at else today
        return max(printed, today - EARLIEST_POST) <= day <= today

    def cancel(self, batch: LetterBatch, by: UUID | None, tag: AuditTag = AuditTag.BATCH_CANCELLED) -> bool:
        """No letter of it will be good; whatever was set is wiped."""
        now = self._clock.now()
        if not move(batch.id, OPEN, state=BatchState.CANCELLED.value, cancelled_by=by, cancelled_at=now):
            return False
        wipe_files(batch.id)
        end_letters(batch.id, now)
        self._audit.record(tag, account=by, portal=batch.portal_id, batch=str(batch.number))
        return True

    def files(self, batch: LetterBatch) -> list[tuple[int, int, int]]:
        """Part, first and last number of each file of a batch that is set."""
        if batch.state != BatchState.SET:
            return []
        found = select(LetterFile.part, LetterFile.first, LetterFile.last).where(LetterFile.batch_id == batch.id)
        return [(row.part, row.first, row.last) for row in db.session.execute(found.order_by(LetterFile.part))]

    def count_set(self, batch: LetterBatch) -> int:
        """How many letters of a batch that the worker is at are set."""
        found = select(func.coalesce(func.sum(LetterFile.last - LetterFile.first + 1), 0))
        return db.session.scalar(found.where(LetterFile.batch_id == batch.id)) or 0

    def open_file(self, batch: LetterBatch, part: int, by: UUID | None) -> bytes | None:
        """The PDF of one part, for the printer's; recorded. None where there is none, or not yet, or no more."""
        pdf = self._opened(batch.id, part) if batch.state == BatchState.SET else None
        if pdf is not None:
            self._note_taken(batch, part, by)
        return pdf

    def open_files(self, batch: LetterBatch, by: UUID | None) -> Iterator[tuple[int, bytes]]:
        """Number and PDF of every part, one at a time; all are recorded at once. It ends early where the printing is
        confirmed meanwhile, for then they are wiped.
        """
        parts, ident = [part for part, _, _ in self.files(batch)], batch.id
        for part in parts:
            self._note_taken(batch, part, by)
        opened = ((part, self._opened(ident, part)) for part in parts)
        return ((part, pdf) for part, pdf in opened if pdf is not None)

    def overtaken(self, batch: LetterBatch, most: int = 200) -> list[BatchLetter]:
        """The letters to be taken out of the pile: their persons need them no more, or got a newer one."""
        mine = (BatchLetter.batch_id == batch.id, BatchLetter.outcome == Outcome.OVERTAKEN.value)
        return list(db.session.scalars(select(BatchLetter).where(*mine).order_by(BatchLetter.number).limit(most)))

    def left_out(self, batch: LetterBatch) -> list[BatchLetter]:
        """The letters that cannot be printed: a name or an address has a character that the typeface lacks."""
        mine = (BatchLetter.batch_id == batch.id, BatchLetter.outcome == Outcome.UNPRINTABLE.value)
        return list(db.session.scalars(select(BatchLetter).where(*mine).order_by(BatchLetter.id)))

    def _opened(self, batch_id: UUID, part: int) -> bytes | None:
        mine = (LetterFile.batch_id == batch_id, LetterFile.part == part)
        sealed = db.session.scalar(select(LetterFile.sealed_pdf).where(*mine))
        return self._vault.open(sealed, file_context(batch_id, part)) if sealed is not None else None

    def _note_taken(self, batch: LetterBatch, part: int, by: UUID | None) -> None:
        self._audit.record(
            AuditTag.LETTERS_TAKEN, account=by, portal=batch.portal_id, batch=str(batch.number), part=str(part)
        )

    def _rows(self, batch: LetterBatch, persons: Sequence[UUID], after: int) -> list[dict[str, object]]:
        now = self._clock.now()
        return [
            {
                "id": new_id(self._random, now), "batch_id": batch.id, "insured_person_id": person,
                "number": after + at, "reference": make_reference(batch.mark, after + at), "earlier": 0,
            }
            for at, person in enumerate(persons, 1)
        ]  # fmt: skip

    def _mark(self) -> str:
        """Four characters that no batch has."""
        while db.session.scalar(select(LetterBatch.id).where(LetterBatch.mark == (mark := self._picked()))):
            pass
        return mark

    def _picked(self) -> str:
        return pick(self._random, ALPHABET, MARK)


def file_context(batch_id: UUID, part: int) -> str:
    return f"letter_file.sealed_pdf.{batch_id}.{part}"


def batches_of(portals: Iterable[UUID] | None, portal: Portal | None, state: str) -> Select[LetterBatch]:
    """The statement of a list of batches."""
    found = select(LetterBatch)
    if portals is not None:
        found = found.where(LetterBatch.portal_id.in_(portals))
    if portal is not None:
        found = found.where(LetterBatch.portal_id == portal.id)
    return found.where(LetterBatch.state == state) if state else found
