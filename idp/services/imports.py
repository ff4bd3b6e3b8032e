"""Insured persons from a CSV file: compared with what is known, then written, all rows or none.

A row is found again by its `external_id`, so importing the same file twice changes nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from sqlalchemy import insert, select, update

from idp.chance import Random, new_id
from idp.clock import Clock, swiss
from idp.errors import BadInput
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.audit import Audit, AuditTag
from idp.services.person_words import renew_words, store_words
from idp.services.persons_csv import Row, RowError, read

FIELDS = ("external_id", "insured_number", "given_name", "family_name", "birth_date", "language", "address")
MOST_ERRORS = 1000
BATCH = 500


@dataclass
class Report:
    """What an import did or would do. Reading stops at `MOST_ERRORS` errors."""

    new: int = 0
    changed: int = 0
    unchanged: int = 0
    errors: list[RowError] = field(default_factory=list)


class Imports:
    def __init__(self, clock: Clock, random: Random, audit: Audit) -> None:
        self._clock = clock
        self._random = random
        self._audit = audit

    def run(
        self, path: Path, portal: Portal, *, is_dry: bool = False, watch: Callable[[int], None] = lambda _: None
    ) -> Report:
        """Import a file for a portal; nothing is written when a row is wrong or in a dry run. Raises `BadInput`
        for a file that is no table at all. `watch` is told how many bytes were read. The caller commits.
        """
        report, rows = self._read(path, watch)
        if report.errors:
            return report
        added, changed = self._compare(rows, portal)
        report.new, report.changed = len(added), len(changed)
        report.unchanged = len(rows) - len(added) - len(changed)
        if not is_dry:
            self._write(portal.id, added, changed)
            self._audit.record(
                AuditTag.PERSONS_IMPORTED, portal=portal.id, new=str(report.new), changed=str(report.changed)
            )
        return report

    def _read(self, path: Path, watch: Callable[[int], None]) -> tuple[Report, list[Row]]:
        report, rows, seen = Report(), [], dict[str, int]()
        for line, row, errors in read(path, swiss(self._clock.now()).date(), watch):
            report.errors += errors
            if external_id := row.get("external_id"):
                first = seen.setdefault(external_id, line)
                if first != line:
                    report.errors.append(RowError(line, "external_id", f"stands already on line {first}", external_id))
            rows.append(row)
            if len(report.errors) >= MOST_ERRORS:
                break
        if not rows:
            raise BadInput("the file has a header and no row")
        return report, rows

    def _compare(self, rows: list[Row], portal: Portal) -> tuple[list[Row], list[Row]]:
        """The rows that are new, and those that differ from the record of the same `external_id`."""
        columns = [getattr(InsuredPerson, name) for name in FIELDS]
        added, changed = list[Row](), list[Row]()
        for batch in _batches(rows):
            wanted = InsuredPerson.external_id.in_([row["external_id"] for row in batch])
            found = db.session.execute(
                select(InsuredPerson.id, InsuredPerson.account_id, *columns).where(
                    InsuredPerson.portal_id == portal.id, wanted
                )
            )
            known = {record.external_id: record for record in found}
            for row in batch:
                record = known.get(row["external_id"])
                if record is None:
                    added.append(row)
                    continue
                if record.account_id is not None:  # who has an account chooses the language there
                    row = {**row, "language": record.language}
                if any(getattr(record, name) != row[name] for name in FIELDS):
                    changed.append({"id": record.id, **row})
        return added, changed

    def _write(self, portal_id: UUID, added: list[Row], changed: list[Row]) -> None:
        """Quickly, one after the other: on SQLite nobody else writes meanwhile."""
        now = self._clock.now()
        for batch in _batches(added):
            fresh = [
                {"id": new_id(self._random, now), "portal_id": portal_id, "created_at": now, "changed_at": now, **row}
                for row in batch
            ]
            db.session.execute(insert(InsuredPerson), fresh)
            store_words(fresh)
        for batch in _batches(changed):
            db.session.execute(update(InsuredPerson), [{"changed_at": now, **row} for row in batch])
            renew_words([row["id"] for row in batch])


def _batches(rows: list[Row]) -> Iterator[list[Row]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]
