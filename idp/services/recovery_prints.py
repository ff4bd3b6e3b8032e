"""Piles of recovery letters in the console: set and sealed, confirmed as printed, posted; or dropped.

No code is valid before somebody says that its letter lies on paper (decisions 0009 and 0021). Whoever a letter of a
pile is for fetches nothing of that pile and moves it nowhere: nobody helps themselves.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import select, update

from idp.chance import Random, new_id
from idp.clock import Clock, swiss
from idp.models.base import db, write
from idp.models.person import RECOVER, revoke_codes
from idp.models.portal import Portal
from idp.models.recovery_letter import RecoveryLetter, mark_printed
from idp.models.recovery_print import (
    PrintState,
    RecoveryPrint,
    empty_print,
    letters_of_print,
    move_print,
    put_in_print,
)
from idp.services.audit import Audit, AuditTag
from idp.services.letters import Letter, Letters, Unprintable
from idp.services.recovery_letters import RecoveryLetters
from idp.services.registration_codes import RegistrationCodes
from keys import Vault

MOST = 100  # letters of one pile: set while somebody waits for the page
PRINTED_WITHIN = timedelta(days=2)  # the readers were promised five working days


class PileDeed(StrEnum):
    PRINT = "print"
    POST = "post"
    DROP = "drop"


ALLOWED = {PileDeed.PRINT: PrintState.SET, PileDeed.POST: PrintState.PRINTED, PileDeed.DROP: PrintState.SET}


class RecoveryPrints:
    def __init__(
        self, clock: Clock, random: Random, vault: Vault, letters: Letters, waiting: RecoveryLetters,
        codes: RegistrationCodes, audit: Audit,
    ) -> None:  # fmt: skip
        self._clock = clock
        self._random = random
        self._vault = vault
        self._letters = letters
        self._waiting = waiting
        self._codes = codes
        self._audit = audit

    def set(self, portal: Portal, by: UUID) -> RecoveryPrint | None:
        """Set what waits, `MOST` letters at most and none of the operator's own, and seal it. What cannot be printed
        waits on. None where nothing can be set, or somebody was faster. It commits.
        """
        now, portal_id = self._clock.now(), portal.id
        letters = self._waiting.compose(portal, by, MOST)
        db.session.commit()  # nothing is held while the letters are set
        letters, pdf = self._render(letters)
        if not letters:
            return None
        count, last_day, ident = len(letters), letters[0].last_day, new_id(self._random, now)
        db.session.add(RecoveryPrint(
            id=ident, portal_id=portal_id, state=PrintState.SET.value, count=count, last_day=last_day,
            sealed_pdf=self._vault.seal(pdf, _context(ident)), made_by=by, made_at=now,
        ))  # fmt: skip
        db.session.flush()
        for number, one in enumerate(letters, 1):
            code_hash = self._codes.hash(one.code)
            if one.recovery_id is None or not put_in_print(one.recovery_id, ident, number, code_hash, now):
                db.session.rollback()
                return None
        self._audit.record(AuditTag.RECOVERY_LETTERS_SET, account=by, portal=portal_id, count=str(count))
        db.session.commit()
        return db.session.get_one(RecoveryPrint, ident)

    def refusal(self, pile: RecoveryPrint, by: UUID, deed: PileDeed | None = None) -> str | None:
        """The message key of why this operator cannot do this with it now, or, without a deed, not see it."""
        if deed is not None and pile.state != ALLOWED[deed]:
            return f"rlt.e.{deed}"
        is_own = any(one.account_id == by for one in letters_of_print(pile.id))
        return "rlt.e.self" if is_own else None

    def open_pdf(self, pile: RecoveryPrint, by: UUID) -> bytes | None:
        """The letters, for the printer; recorded. None where they are wiped, or not for this operator."""
        if pile.state != PrintState.SET or pile.sealed_pdf is None or self.refusal(pile, by):
            return None
        self._audit.record(AuditTag.RECOVERY_LETTERS_TAKEN, account=by, portal=pile.portal_id, count=str(pile.count))
        return self._vault.open(pile.sealed_pdf, _context(pile.id))

    def confirm_printed(self, pile: RecoveryPrint, by: UUID) -> bool:
        """The letters lie on paper: their codes are valid from now on, but of what was cancelled or used meanwhile."""
        now = self._clock.now()
        done = {"state": PrintState.PRINTED.value, "ended_by": by, "ended_at": now, "sealed_pdf": None}
        if not move_print(pile.id, PrintState.SET, **done):
            return False
        for letter in letters_of_print(pile.id):
            self._make_valid(letter, pile)
        return True

    def post(self, pile: RecoveryPrint, by: UUID, on: date) -> bool:
        """Handed over to the post on this day."""
        if not move_print(pile.id, PrintState.PRINTED, state=PrintState.POSTED.value, posted_on=on):
            return False
        self._audit.record(AuditTag.RECOVERY_LETTERS_POSTED, account=by, portal=pile.portal_id, on=on.isoformat())
        return True

    def may_be_posted_on(self, day: date, pile: RecoveryPrint) -> bool:
        """Neither in the future nor before it was printed."""
        today = swiss(self._clock.now()).date()
        return (swiss(pile.ended_at).date() if pile.ended_at else today) <= day <= today

    def drop(self, pile: RecoveryPrint, by: UUID | None) -> bool:
        """Nothing of it is good; its letters wait again, and the PDF is wiped."""
        done = {"state": PrintState.DROPPED.value, "ended_by": by, "ended_at": self._clock.now(), "sealed_pdf": None}
        if not move_print(pile.id, PrintState.SET, **done):
            return False
        empty_print(pile.id)
        self._audit.record(AuditTag.RECOVERY_LETTERS_DROPPED, account=by, portal=pile.portal_id, count=str(pile.count))
        return True

    def drop_late(self) -> int:
        """Drop what nobody printed in time; how many piles that were. The caller commits."""
        late = (
            RecoveryPrint.state == PrintState.SET.value,
            RecoveryPrint.made_at < self._clock.now() - PRINTED_WITHIN,
        )
        return sum(self.drop(pile, None) for pile in db.session.scalars(select(RecoveryPrint).where(*late)).all())

    def _render(self, letters: list[Letter]) -> tuple[list[Letter], bytes]:
        """The letters that can be printed, each with its number at the edge, and their PDF."""
        while letters:
            numbered = [replace(one, mark=f"{number:03}") for number, one in enumerate(letters, 1)]
            try:
                return numbered, self._letters.render(numbered)
            except Unprintable as error:
                letters = [one for at, one in enumerate(letters) if at not in error.places]
        return [], b""

    def _make_valid(self, letter: RecoveryLetter, pile: RecoveryPrint) -> None:
        now, digest = self._clock.now(), letter.code_hash
        letter_id, person_id = letter.id, letter.insured_person_id
        if digest is None:
            raise ValueError("a letter that was set has a code")
        if not mark_printed(letter_id, None, now, pile.id):
            self._write(letter_id, code_hash=None)
            return
        revoke_codes([person_id], now, RECOVER)
        code_id = self._codes.store_hash(digest, person_id, pile.portal_id, pile.last_day, RECOVER)
        db.session.flush()
        self._write(letter_id, code_id=code_id)
        self._audit.record(AuditTag.RECOVERY_LETTER_PRINTED, person=person_id, portal=pile.portal_id)

    @staticmethod
    def _write(letter_id: UUID, **values: UUID | None) -> None:
        changed = update(RecoveryLetter).where(RecoveryLetter.id == letter_id).values(**values)
        write(changed.execution_options(synchronize_session=False))


def _context(print_id: UUID) -> str:
    return f"recovery_print.sealed_pdf.{print_id}"
