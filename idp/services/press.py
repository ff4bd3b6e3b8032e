"""The worker's part in batches of letters: it sets what was approved, and makes the codes of what was printed valid.

A part of a batch is one transaction, so a worker that is killed leaves whole parts, and the next one goes on; two that
work on one batch by mistake keep one's part. No code is valid before its batch is confirmed as printed (decision 0009).
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from flask import Flask
from sqlalchemy import select, update

from idp.models.base import db, insert_if_absent, write
from idp.models.letter_batch import (
    BatchLetter,
    BatchState,
    LetterBatch,
    LetterFile,
    Outcome,
    leave_out,
    letters_between,
    move,
    take_batch,
    unsettled_letters,
    wipe_files,
)
from idp.models.letter_order import settle_orders
from idp.models.person import InsuredPerson, count_codes, revoke_codes
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.services.bundle import Services, services
from idp.services.duty import keep_at
from idp.services.letter_batches import file_context
from idp.services.letter_choice import BatchKind
from idp.services.letter_references import edge
from idp.services.letters import Letter, Unprintable
from idp.services.registration_codes import generate

EVERY_S = 2.0
LEASE = timedelta(minutes=2)  # of one part; a worker that died gives its batch back after it
PART = 1000  # letters of one file
ROWS = 500  # codes of one transaction
PRINTED_WITHIN = timedelta(days=7)  # a code that waited longer would be good for too few days

log = structlog.get_logger(__name__)


class Press:
    def __init__(self, app: Flask) -> None:
        self._app = app

    def run_forever(self, stop: threading.Event) -> None:
        """A piece of work at a time until told to stop; an unreachable database is waited for."""
        keep_at(
            self._app, "letters", self.run_once, stop, EVERY_S
        )  # of a batch that cannot be set the lease lets it rest

    def run_once(self) -> bool:
        """Whether there was something to do."""
        with self._app.app_context():
            bundle = services()
            end_late(bundle)
            ident = take_batch(bundle.clock.now(), LEASE)
            if ident is None:
                return False
            while work_on(bundle, ident):
                pass
            return True


def end_late(bundle: Services) -> None:
    """End batches that were set and not printed in time, and wipe their codes."""
    late = (LetterBatch.state == BatchState.SET.value, LetterBatch.set_at < bundle.clock.now() - PRINTED_WITHIN)
    for batch in db.session.scalars(select(LetterBatch).where(*late)).all():
        if bundle.letter_batches.cancel(batch, None, AuditTag.BATCH_LAPSED):
            log.warning("letters_lapsed")
    if bundle.recovery_prints.drop_late():
        log.warning("recovery_letters_dropped")
    db.session.commit()


def work_on(bundle: Services, ident: UUID) -> bool:
    """Set one part, or make some codes valid; False when the batch needs nothing more, or was taken away."""
    batch = db.session.get_one(LetterBatch, ident, populate_existing=True)
    if batch.state == BatchState.PRINTED and batch.issued_at is None:
        return _issue(bundle, batch)
    return batch.state == BatchState.APPROVED and _set_part(bundle, batch)


def _set_part(bundle: Services, batch: LetterBatch) -> bool:
    """The letters of the first part that has no file yet."""
    done = set(db.session.scalars(select(LetterFile.part).where(LetterFile.batch_id == batch.id)))
    parts = range(1, -(-batch.count // PART) + 1)
    part = next((one for one in parts if one not in done), None)
    if part is None:
        return _finish_setting(bundle, batch)
    last_day = batch.last_day or bundle.registration_codes.last_day(batch.portal)
    first = (part - 1) * PART + 1
    rows = letters_between(batch.id, first, part * PART)
    earlier = _count_codes([row.insured_person_id for row in rows])
    letters = [
        Letter(
            row.person, batch.portal, generate(bundle.random), last_day, earlier.get(row.insured_person_id, 0),
            window=batch.window, mark=edge(row.number, batch.count, row.reference),
            is_reminder=batch.kind == BatchKind.REMINDER,
        )
        for row in rows
    ]  # fmt: skip
    ident, idents = batch.id, [row.id for row in rows]
    db.session.expunge_all()
    db.session.rollback()  # nothing is held while the letters are set
    try:
        pdf = bundle.letters.render(letters)
    except Unprintable as error:
        return _leave_out(bundle, ident, [first + at for at in error.places])
    return _keep_part(bundle, ident, part, dict(zip(idents, letters, strict=True)), pdf)


def _keep_part(bundle: Services, batch_id: UUID, part: int, letters: dict[UUID, Letter], pdf: bytes) -> bool:
    """The file and the hashes of its codes together, unless the batch was cancelled or another worker was faster."""
    first, last_day = (part - 1) * PART + 1, next(iter(letters.values())).last_day
    sealed = bundle.vault.seal(pdf, file_context(batch_id, part))
    is_ours = move(batch_id, [BatchState.APPROVED], taken_until=bundle.clock.now() + LEASE, last_day=last_day)
    if not is_ours or not insert_if_absent(
        LetterFile, batch_id=batch_id, part=part, first=first, last=first + len(letters) - 1, sealed_pdf=sealed
    ):
        db.session.rollback()
        return False
    hashes = [
        {"id": ident, "code_hash": bundle.registration_codes.hash(letter.code), "earlier": letter.earlier}
        for ident, letter in letters.items()
    ]
    db.session.execute(update(BatchLetter), hashes)
    db.session.commit()
    return True


def _leave_out(bundle: Services, batch_id: UUID, numbers: list[int]) -> bool:
    """Without the letters that cannot be printed the numbers are others: what was set is set anew."""
    if not move(batch_id, [BatchState.APPROVED], taken_until=bundle.clock.now() + LEASE):
        db.session.rollback()
        return False
    leave_out(batch_id, numbers, bundle.clock.now())
    wipe_files(batch_id)
    db.session.commit()
    return True


def _finish_setting(bundle: Services, batch: LetterBatch) -> bool:
    """Everything is set; a batch of which nothing can be printed is over."""
    if not batch.count:
        bundle.letter_batches.cancel(batch, None, AuditTag.BATCH_LAPSED)
    elif move(batch.id, [BatchState.APPROVED], state=BatchState.SET.value, set_at=bundle.clock.now(), taken_until=None):
        bundle.audit.record(AuditTag.BATCH_SET, portal=batch.portal_id, batch=str(batch.number), count=str(batch.count))
    db.session.commit()
    return False


def _issue(bundle: Services, batch: LetterBatch) -> bool:
    """Make some codes valid and void the persons' earlier ones, except of whom another letter or account overtook."""
    now = bundle.clock.now()
    # The first write: from here on no other worker is at this batch, and nobody else issues codes at this portal.
    is_ours = move(batch.id, [BatchState.PRINTED], taken_until=now + LEASE)
    db.session.execute(select(Portal.id).where(Portal.id == batch.portal_id).with_for_update())
    letters = unsettled_letters(batch.id, ROWS)
    if not letters:
        _finish_issuing(batch, now)
    if not is_ours or not letters:
        db.session.rollback()
        return False
    ids = [letter.insured_person_id for letter in letters]
    have, registered = count_codes(ids), _registered(ids)
    good = [
        one for one in letters
        if one.insured_person_id not in registered and have.get(one.insured_person_id, 0) == one.earlier
    ]  # fmt: skip
    _make_valid(bundle, batch, good, now)
    overtaken = {letter.id for letter in letters} - {letter.id for letter in good}
    gone = {"code_hash": None, "settled_at": now, "outcome": Outcome.OVERTAKEN.value}
    write(update(BatchLetter).where(BatchLetter.id.in_(overtaken)).values(**gone))
    db.session.commit()
    return True


def _make_valid(bundle: Services, batch: LetterBatch, letters: list[BatchLetter], now: datetime) -> None:
    if batch.last_day is None:
        raise ValueError("a batch that was printed was set before")
    ids = [letter.insured_person_id for letter in letters]
    revoke_codes(ids, now)
    settle_orders(ids, printed_at=now)
    settled = []
    for letter in letters:
        if letter.code_hash is None:
            raise ValueError("a letter that was set has a code")
        code_id = bundle.registration_codes.store_hash(
            letter.code_hash, letter.insured_person_id, batch.portal_id, batch.last_day
        )
        settled.append({"id": letter.id, "code_id": code_id, "code_hash": None, "settled_at": now,
                        "outcome": Outcome.VALID.value})  # fmt: skip
        bundle.audit.record(
            AuditTag.CODE_ISSUED, person=letter.insured_person_id, portal=batch.portal_id, batch=str(batch.number)
        )
    db.session.flush()
    if settled:
        db.session.execute(update(BatchLetter), settled)


def _finish_issuing(batch: LetterBatch, now: datetime) -> None:
    is_done = (LetterBatch.id == batch.id, LetterBatch.state == BatchState.PRINTED.value)
    write(update(LetterBatch).where(*is_done).values(issued_at=now, taken_until=None))
    left = (
        BatchLetter.batch_id == batch.id,
        BatchLetter.code_hash.is_not(None),
    )  # of letters the desk voided meanwhile
    write(update(BatchLetter).where(*left).values(code_hash=None))
    db.session.commit()


def _count_codes(ids: list[UUID]) -> dict[UUID, int]:
    found: dict[UUID, int] = {}
    for at in range(0, len(ids), ROWS):
        found |= count_codes(ids[at : at + ROWS])
    return found


def _registered(ids: list[UUID]) -> set[UUID]:
    found = select(InsuredPerson.id).where(InsuredPerson.id.in_(ids), InsuredPerson.account_id.is_not(None))
    return set(db.session.scalars(found))
