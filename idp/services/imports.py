"""Insured persons from a file at once: compared with what is known, then written, all rows or none.

A row is found again by its `external_id`, so importing the same file twice changes nothing. The command line works so;
the console and the nightly feeds work in steps (idp/services/import_jobs.py), with the same rows and records.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from idp.chance import Random
from idp.clock import Clock, swiss
from idp.errors import BadInput
from idp.models.portal import Portal
from idp.services.audit import Audit, AuditTag
from idp.services.person_columns import missing, recognise
from idp.services.person_records import batches, compare, write_changed, write_new
from idp.services.person_rows import COLUMNS, MOST_ROWS, BadTable, Row, RowError, judge
from idp.services.person_tables import open_table

MOST_ERRORS = 1000
LARGEST_FILE = 200 * 1024 * 1024


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
        added, changed = list[Row](), list[Row]()
        for batch in batches(rows):
            found = compare(portal.id, batch)
            added += found.added
            changed += found.changed
        report.new, report.changed = len(added), len(changed)
        report.unchanged = len(rows) - len(added) - len(changed)
        if not is_dry:
            self._write(portal.id, added, changed)
            self._audit.record(
                AuditTag.PERSONS_IMPORTED, portal=portal.id, new=str(report.new), changed=str(report.changed)
            )
        return report

    def take(self, rows: list[Row], portal: Portal) -> Report:
        """Store records that were judged, each of another person. Raises `IntegrityError` where somebody else adds the
        same person at this moment. The caller commits.
        """
        rows = sorted(rows, key=lambda row: str(row["external_id"]))  # two at once wait for each other in one order
        found = compare(portal.id, rows)
        self._write(portal.id, found.added, found.changed)
        report = Report(len(found.added), len(found.changed), found.unchanged)
        if found.added or found.changed:
            self._audit.record(
                AuditTag.PERSONS_IMPORTED, portal=portal.id, new=str(report.new), changed=str(report.changed)
            )
        return report

    def _read(self, path: Path, watch: Callable[[int], None]) -> tuple[Report, list[Row]]:
        if not path.is_file():
            raise BadInput(f"{path} is no file")
        if path.stat().st_size > LARGEST_FILE:
            raise BadInput(f"the file is larger than {LARGEST_FILE // 1024 // 1024} MB")
        report, rows, seen = Report(), [], dict[str, int]()
        with path.open("rb", buffering=0) as file:
            table, today = open_table(file, watch), swiss(self._clock.now()).date()
            fields = _fields(table.headings)
            for line, cells in table.records:
                row, errors = judge(line, cells, fields, today)
                report.errors += errors
                if error := repeated(line, row, seen):
                    report.errors.append(error)
                rows.append(row)
                if len(report.errors) >= MOST_ERRORS:
                    break
                if len(rows) > MOST_ROWS:
                    raise BadTable("rows", most=MOST_ROWS)
        if not rows:
            raise BadTable("empty")
        return report, rows

    def _write(self, portal_id: UUID, added: list[Row], changed: list[Row]) -> None:
        """Quickly, one after the other: on SQLite nobody else writes meanwhile."""
        now = self._clock.now()
        for batch in batches(added):
            write_new(portal_id, batch, self._random, now)
        for batch in batches(changed):
            write_changed(batch, now)


def repeated(line: int, row: Row, seen: dict[str, int]) -> RowError | None:
    """What is wrong when the key of this row stood in the file before; `seen` is kept up."""
    external_id = row.get("external_id")
    if not external_id:
        return None
    first = seen.setdefault(external_id, line)
    return None if first == line else RowError(line, "external_id", "twice", external_id, {"line": str(first)})


def _fields(headings: tuple[str, ...]) -> list[str]:
    """What each column holds; nobody is here to be asked, so every column must be known."""
    fields = recognise(headings)
    faults = [f"column {name} is missing" for name in missing(fields)]
    names = [heading.lower() for heading in headings]
    faults += [f"column {name} stands twice" for name in COLUMNS if names.count(name) > 1]
    faults += [f"column {name[:40]!r} is unknown" for name, known in zip(names, fields, strict=True) if not known]
    if faults:
        raise BadInput("\n".join([*faults[:20], f"the columns are: {', '.join(COLUMNS)}"]))
    return fields
