"""Letters that the post brought back: read from what is typed or scanned, and their codes made void."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select

from idp.clock import Clock
from idp.models.base import db
from idp.models.letter_batch import BatchLetter, BatchState, LetterBatch, Outcome, mark_returned
from idp.models.person import RegistrationCode, revoke_code
from idp.services.audit import Audit, AuditTag
from idp.services.letter_references import read_reference
from idp.services.registration_codes import RegistrationCodes, normalise, problem

LONGEST_LIST = 200  # letters that are marked as returned at once
LONGEST_NUMBER = 5  # digits of the number of a letter in its batch
RETURNABLE = (BatchState.PRINTED, BatchState.POSTED)


class Reason(StrEnum):
    """Why the post brought a letter back."""

    MOVED = "moved"
    UNKNOWN = "unknown"
    REFUSED = "refused"
    DIED = "died"
    OTHER = "other"


@dataclass(frozen=True, repr=False)
class CameBack:
    """What a list of returned letters says: the letters, those known as returned before, and what is none.

    `unknown` holds no whole code: what was scanned from a letter and is none of ours is told by its end alone.
    """

    letters: tuple[BatchLetter, ...]
    before: tuple[BatchLetter, ...]
    unknown: tuple[str, ...]


class ReturnedLetters:
    def __init__(self, clock: Clock, codes: RegistrationCodes, audit: Audit) -> None:
        self._clock = clock
        self._codes = codes
        self._audit = audit

    def read(self, typed: str, portals: Iterable[UUID] | None, batch: LetterBatch | None = None) -> CameBack:
        """Read a list of returned letters: references, or what the QR of a letter says; numbers too, for one batch.

        Of the portals that one may act for alone; None stands for all of them.
        """
        found: dict[UUID, BatchLetter] = {}
        unknown = []
        for word in typed.replace(",", " ").replace(";", " ").split()[:LONGEST_LIST]:
            letter = self._letter(word, batch)
            is_mine = letter is not None and letter.batch.state in RETURNABLE and letter.outcome == Outcome.VALID
            if letter is None or not is_mine or (portals is not None and letter.batch.portal_id not in portals):
                unknown.append(_told(word))
            else:
                found[letter.id] = letter
        letters = tuple(found.values())
        return CameBack(
            tuple(one for one in letters if one.returned_at is None),
            tuple(one for one in letters if one.returned_at is not None),
            tuple(dict.fromkeys(unknown)),
        )

    def take_back(self, letters: Sequence[BatchLetter], reason: Reason, by: UUID | None) -> int:
        """Void the codes of letters that came back; how many were new. A code that was used stays used."""
        now, done = self._clock.now(), 0
        for letter in letters:
            if not mark_returned(letter.id, reason.value, by, now):
                continue
            done += 1
            if letter.code_id is not None:
                revoke_code(letter.code_id, now)
            self._audit.record(
                AuditTag.LETTER_RETURNED, person=letter.insured_person_id, portal=letter.batch.portal_id,
                reason=reason.value, reference=letter.reference,
            )  # fmt: skip
        return done

    def _letter(self, word: str, batch: LetterBatch | None) -> BatchLetter | None:
        """By a number within its batch, by its reference, or by what a scanner reads from it."""
        found = select(BatchLetter)
        number = word.partition("/")[0]
        if batch is not None and number.isdecimal() and len(number) <= LONGEST_NUMBER:
            return db.session.scalar(found.where(BatchLetter.batch_id == batch.id, BatchLetter.number == int(number)))
        if reference := read_reference(word):
            return db.session.scalar(found.where(BatchLetter.reference == reference))
        code = normalise(word.rpartition("#")[2])
        if problem(code) is not None:
            return None
        with_code = found.join(RegistrationCode, RegistrationCode.id == BatchLetter.code_id)
        return db.session.scalar(with_code.where(RegistrationCode.code_hash == self._codes.hash(code)))


def _told(word: str) -> str:
    """What was typed and is no letter of ours, as it may be shown: never as long as a code."""
    return re.sub(r"[^0-9A-Za-z/-]", "", word)[-6:]
