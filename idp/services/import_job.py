"""One import in the hands of a worker: dry run, writing and undoing, each step one transaction with its position.

A worker that dies loses the step it was at: its lease ends, and another reads the file again, passes over the steps
that were written and goes on. Whoever pauses or cancels wins before the next step.
"""

from __future__ import annotations

import threading
from collections import Counter
from contextlib import suppress
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from idp.clock import swiss
from idp.models.base import db
from idp.models.outage import retry_after
from idp.models.person import InsuredPerson
from idp.models.person_import import (
    CHECKED,
    CHECKING,
    DONE,
    FAILED,
    RUNNING,
    UNDOING,
    UNDONE,
    ImportBatch,
    PersonImport,
    forget_file,
    keep_hold,
)
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from idp.services.import_file import SealedFile
from idp.services.import_jobs import FROM_ZERO, seal_errors
from idp.services.import_reading import Reading, Step
from idp.services.import_undo import seal_batch, undo_batch
from idp.services.imports import MOST_ERRORS
from idp.services.person_records import Difference, compare, write_changed, write_new
from idp.services.person_rows import BadTable, RowError
from idp.services.person_tables import open_table

LEASE = timedelta(seconds=60)
BREATH_S = 0.02  # between two steps, so that others may write too
MOST_LEFT = 1000  # persons who are not in the file, as far as they are listed
PAGE = 5000
AGAIN, MOST_TRIES = 3, 50

log = structlog.get_logger(__name__)


class LostHold(Exception):
    """Somebody paused or cancelled, or another worker took over: nothing of this step counts."""


class Job:
    """One import in the hands of this worker."""

    def __init__(self, bundle: Services, import_id: UUID, tries: int, stop: threading.Event) -> None:
        self._bundle = bundle
        self._tries = tries
        self._stop = stop
        self._row = db.session.get_one(PersonImport, import_id, populate_existing=True)
        self._id, self._portal_id, self._state = import_id, self._row.portal_id, self._row.state

    def work(self) -> None:
        """Go on with it to its end, or until it is not ours any more."""
        try:
            {CHECKING: self._check, RUNNING: self._run, UNDOING: self._undo}[self._state]()
        except LostHold:
            db.session.rollback()
        except BadTable as error:
            db.session.rollback()
            self._fail(error.kind, error.named)
        except Exception as error:  # one file that cannot be handled must not stop the others
            db.session.rollback()
            if retry_after(error) is not None and self._tries < MOST_TRIES:
                raise
            log.error("import_fault", message=str(self._id), exc_info=True)
            self._fail("fault", {})

    def _fail(self, kind: str, named: dict[str, str]) -> None:
        now = self._bundle.clock.now()
        with suppress(LostHold):
            self._hold(state=FAILED, fault=kind, fault_named=named, finished_at=now, held_until=None)
            forget_file(self._id)
            db.session.commit()

    def _hold(self, **values: Any) -> None:
        """The first write of a step: it takes its turn among writers, and whatever follows counts only with it."""
        kept = {"held_until": self._bundle.clock.now() + LEASE} | values
        if not keep_hold(self._id, self._tries, self._state, **kept):
            raise LostHold

    def _breathe(self) -> None:
        """Between two steps. A worker that is told to stop gives the import back at once."""
        if self._stop.wait(BREATH_S):
            self._hold(held_until=None)
            db.session.commit()
            raise LostHold

    def _reading(self) -> Reading:
        file = SealedFile(self._bundle.vault, self._id, self._row.size)
        return Reading(open_table(file), list(self._row.fields or []), swiss(self._bundle.clock.now()).date())

    def _check(self) -> None:
        """The dry run: what every row would do, and whom the file leaves out."""
        reading, counts, fields = self._reading(), Counter[str](), Counter[str]()
        errors, count = list[RowError](), 0
        for step in reading.steps():
            found = compare(self._portal_id, step.rows)
            counts.update(new=len(found.added), changed=len(found.changed), unchanged=found.unchanged)
            fields.update(found.fields())
            count += len(step.errors)
            errors += step.errors[: MOST_ERRORS - len(errors)]
            self._hold(position=step.position)
            db.session.commit()
            rows = step.position
            if self._stop.is_set():
                self._breathe()
        if not rows:
            raise BadTable("empty")
        left, ids = self._left(reading.seen)
        is_clean = self._row.starts_itself and not count
        more: dict[str, Any] = dict(counts) | {"changed_fields": dict(fields)}
        if is_clean:
            more = FROM_ZERO | {"confirmed_at": self._bundle.clock.now()}
        self._hold(
            state=RUNNING if is_clean else CHECKED, rows=rows, errors=count, left_out=left, left_ids=ids,
            sealed_errors=seal_errors(self._bundle.vault, self._id, errors), held_until=None, **more,
        )  # fmt: skip
        db.session.commit()

    def _left(self, seen: dict[str, int]) -> tuple[int, list[str]]:
        """How many persons of the portal the file does not name, and the first of them."""
        count, ids, last = 0, list[str](), UUID(int=0)
        page = select(InsuredPerson.id, InsuredPerson.external_id).where(InsuredPerson.portal_id == self._portal_id)
        while found := db.session.execute(
            page.where(InsuredPerson.id > last).order_by(InsuredPerson.id).limit(PAGE)
        ).all():
            missing = [str(one.id) for one in found if one.external_id not in seen]
            count += len(missing)
            ids += missing[: MOST_LEFT - len(ids)]
            last = found[-1].id
        return count, ids

    def _run(self) -> None:
        done = self._row.position
        for step in self._reading().steps():
            if step.position > done:
                self._write(step)
            else:
                self._hold()
                db.session.commit()
            self._breathe()
        now = self._bundle.clock.now()
        self._hold(state=DONE, finished_at=now, held_until=None)
        forget_file(self._id)
        row = db.session.get_one(PersonImport, self._id, populate_existing=True)
        self._bundle.audit.record(
            AuditTag.PERSONS_IMPORTED, portal=self._portal_id, new=str(row.new), changed=str(row.changed),
            file=str(self._id),
        )  # fmt: skip
        db.session.commit()

    def _write(self, step: Step) -> None:
        """One step; anew where somebody else wrote one of its persons at the same moment."""
        for again in range(AGAIN):
            try:
                self._hold(position=step.position)
                self._store(step, compare(self._portal_id, step.rows))
                db.session.commit()
            except IntegrityError:
                db.session.rollback()
                if again == AGAIN - 1:
                    raise
            else:
                return

    def _store(self, step: Step, found: Difference) -> None:
        now, vault = self._bundle.clock.now(), self._bundle.vault
        made = write_new(self._portal_id, found.added, self._bundle.random, now)
        write_changed(found.changed, now)
        fields = Counter(self._fields()) + Counter(found.fields())
        db.session.execute(
            update(PersonImport)
            .where(PersonImport.id == self._id)
            .values(
                new=PersonImport.new + len(made), changed=PersonImport.changed + len(found.changed),
                unchanged=PersonImport.unchanged + found.unchanged, changed_fields=dict(fields),
            )
            .execution_options(synchronize_session=False)
        )  # fmt: skip
        if made or found.before:
            sealed = seal_batch(vault, self._id, step.position, made, found.before)
            batch = ImportBatch(import_id=self._id, position=step.position, written_at=now, sealed_before=sealed)
            db.session.add(batch)

    def _fields(self) -> dict[str, int]:
        return db.session.scalar(select(PersonImport.changed_fields).where(PersonImport.id == self._id)) or {}

    def _undo(self) -> None:
        """Step by step, the last one first."""
        mine = select(ImportBatch).where(ImportBatch.import_id == self._id).order_by(ImportBatch.position.desc())
        while batch := db.session.scalar(mine.limit(1)):
            self._hold()
            kept = undo_batch(self._bundle.vault, batch)
            db.session.delete(batch)
            self._hold(kept=PersonImport.kept + kept)
            db.session.commit()
            self._breathe()
        self._hold(state=UNDONE, finished_at=self._bundle.clock.now(), held_until=None)
        db.session.commit()
