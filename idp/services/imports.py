"""Insured persons from a CSV file: read as a stream, every wrong row told with its reason, all or nothing.

A row is found again by its `external_id`, so importing the same file twice changes nothing.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TextIO
from uuid import UUID

from sqlalchemy import insert, select, update

from idp.chance import Random, new_id
from idp.clock import Clock, swiss
from idp.errors import BadInput
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.audit import Audit, AuditTag
from idp.texts import LANGUAGES

REQUIRED = ("external_id", "insured_number", "birth_date", "language", "address_1", "address_2")
OPTIONAL = ("given_name", "family_name", "address_3", "address_4", "address_5")
COLUMNS = (*REQUIRED, *OPTIONAL)
ADDRESS = tuple(f"address_{number}" for number in range(1, 6))
LONGEST = {"external_id": 64, "insured_number": 40, "given_name": 100, "family_name": 100} | dict.fromkeys(ADDRESS, 60)
LONGEST_FILE = 200 * 1024 * 1024
LONGEST_ROW = 4096
MOST_ERRORS = 1000
BATCH = 500
AHV = re.compile(r"756\.?\d{4}\.?\d{4}\.?\d{2}")
SWISS_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})")

Row = dict[str, Any]


@dataclass(frozen=True)
class RowError:
    line: int
    field: str
    reason: str
    value: str


@dataclass
class Report:
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
        for a file that is no table at all. `watch` is told how many characters were read. The caller commits.
        """
        report, rows = self._read(path, watch)
        if report.errors:
            return report
        known = {
            row.external_id: row
            for row in db.session.execute(
                select(
                    InsuredPerson.id, *(getattr(InsuredPerson, name) for name in FIELDS)
                ).where(InsuredPerson.portal_id == portal.id)
            )
        }  # fmt: skip
        added: list[Row] = []
        changed: list[Row] = []
        for row in rows:
            before = known.get(row["external_id"])
            if before is None:
                added.append(row)
            elif any(getattr(before, name) != row[name] for name in FIELDS):
                changed.append({"id": before.id, **row})
            else:
                report.unchanged += 1
        report.new, report.changed = len(added), len(changed)
        if not is_dry:
            self._write(portal.id, added, changed)
            self._audit.record(
                AuditTag.PERSONS_IMPORTED, portal=portal.id, new=str(report.new), changed=str(report.changed)
            )
        return report

    def _read(self, path: Path, watch: Callable[[int], None]) -> tuple[Report, list[Row]]:
        report, rows, seen = Report(), [], dict[str, int]()
        today = swiss(self._clock.now()).date()
        for line, cells in _cells(path, watch):
            row, errors = _judge(line, cells, today)
            first = seen.setdefault(str(row.get("external_id")), line)
            if first != line:
                errors.append(RowError(line, "external_id", f"stands already on line {first}", row["external_id"]))
            rows.append(row)
            report.errors += errors
            if len(report.errors) >= MOST_ERRORS:
                break
        if not rows:
            raise BadInput("the file has a header and no row")
        return report, rows

    def _write(self, portal_id: UUID, added: list[Row], changed: list[Row]) -> None:
        now = self._clock.now()
        for batch in _batches(added):
            fresh = [
                {"id": new_id(self._random, now), "portal_id": portal_id, "created_at": now, "changed_at": now, **row}
                for row in batch
            ]
            db.session.execute(insert(InsuredPerson), fresh)
        for batch in _batches(changed):
            db.session.execute(update(InsuredPerson), [{"changed_at": now, **row} for row in batch])


FIELDS = ("external_id", "insured_number", "given_name", "family_name", "birth_date", "language", "address")


def _batches(rows: list[Row]) -> Iterator[list[Row]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


def _cells(path: Path, watch: Callable[[int], None]) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and named cells of every row that is not empty."""
    if path.stat().st_size > LONGEST_FILE:
        raise BadInput(f"the file is larger than {LONGEST_FILE // 1024 // 1024} MB")
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            yield from _rows(stream, watch)
    except UnicodeDecodeError as error:
        raise BadInput(f'the file is not UTF-8 (byte {error.start}); save it as "CSV UTF-8"') from None


def _rows(stream: TextIO, watch: Callable[[int], None]) -> Iterator[tuple[int, dict[str, str]]]:
    header = stream.readline(LONGEST_ROW)
    if "\0" in header or not header.strip():
        raise BadInput("the first line must name the columns")
    separator = max(";,\t", key=header.count)
    names = [name.strip().strip('"').lower() for name in header.rstrip("\r\n").split(separator)]
    faults = [f"column {name} is missing" for name in REQUIRED if name not in names]
    faults += [f"column {name[:40]!r} is unknown" for name in names if name not in COLUMNS]
    faults += [f"column {name} stands twice" for name in COLUMNS if names.count(name) > 1]
    if faults:
        raise BadInput("\n".join([*faults[:20], f"the columns are: {', '.join(COLUMNS)}"]))
    reader = csv.reader(_lines(stream, watch), delimiter=separator, strict=True)
    try:
        for cells in reader:
            line = reader.line_num + 1
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(names):
                raise BadInput(f"line {line}: {len(cells)} cells where the header has {len(names)}")
            yield line, dict(zip(names, cells, strict=True))
    except csv.Error as error:
        raise BadInput(f"line {reader.line_num + 1}: {error}") from None


def _lines(stream: TextIO, watch: Callable[[int], None]) -> Iterator[str]:
    number = 1
    while line := stream.readline(LONGEST_ROW + 1):
        number += 1
        if len(line) > LONGEST_ROW or "\0" in line:
            raise BadInput(f"line {number}: longer than {LONGEST_ROW} characters, or not text")
        watch(len(line))
        yield line


def _judge(line: int, cells: dict[str, str], today: date) -> tuple[Row, list[RowError]]:
    """The row as it is stored, and what is wrong with it."""
    text = {name: _clean(cells.get(name, "")) for name in COLUMNS}
    errors = [
        RowError(line, name, "is empty", "") for name in REQUIRED if not text[name]
    ] + [
        RowError(line, name, f"is longer than {longest} characters", text[name][:40])
        for name, longest in LONGEST.items()
        if len(text[name]) > longest
    ]  # fmt: skip
    errors += [
        RowError(line, name, "has a control character", "")
        for name in COLUMNS
        if any(unicodedata.category(character) == "Cc" for character in text[name])
    ]
    born = _read_date(text["birth_date"])
    if text["birth_date"] and (born is None or not date(1900, 1, 1) <= born <= today):
        errors.append(RowError(line, "birth_date", "is no date like 27.3.1958 or 1958-03-27", text["birth_date"][:40]))
    language = text["language"].lower()
    if language and language not in LANGUAGES:
        errors.append(RowError(line, "language", "is none of fr, de, it, en", text["language"][:40]))
    if text["insured_number"].startswith("756") and not _is_ahv(text["insured_number"]):
        errors.append(RowError(line, "insured_number", "is no valid AHV number", text["insured_number"][:40]))
    address = [text[name] for name in ADDRESS if text[name]]
    row = {name: text[name] for name in ("external_id", "insured_number", "given_name", "family_name")}
    return {**row, "birth_date": born, "language": language, "address": address}, errors


def _clean(cell: str) -> str:
    return unicodedata.normalize("NFC", cell).strip()


def _read_date(text: str) -> date | None:
    if found := SWISS_DATE.fullmatch(text):
        day, month, year = (int(part) for part in found.groups())
    elif found := ISO_DATE.fullmatch(text):
        year, month, day = (int(part) for part in found.groups())
    else:
        return None
    try:
        return date(year, month, day)
    except ValueError:
        return None


def _is_ahv(text: str) -> bool:
    """Thirteen digits with the check digit of EAN-13."""
    if not AHV.fullmatch(text):
        return False
    digits = [int(character) for character in text if character.isdigit()]
    total = sum(digit * (3 if at % 2 else 1) for at, digit in enumerate(digits[:12]))
    return (10 - total % 10) % 10 == digits[12]
