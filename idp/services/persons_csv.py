"""The CSV file of a fund's insured persons: read as a stream, every row judged, every fault told with its line.

Cells are data whatever they look like; docs/import.md describes the columns to operators.
"""

from __future__ import annotations

import csv
import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, TextIO

from idp.errors import BadInput
from idp.texts import LANGUAGES

REQUIRED = ("external_id", "insured_number", "birth_date", "language", "address_1", "address_2")
OPTIONAL = ("given_name", "family_name", "address_3", "address_4", "address_5")
COLUMNS = (*REQUIRED, *OPTIONAL)
ADDRESS = tuple(f"address_{number}" for number in range(1, 6))
LONGEST = {"external_id": 64, "insured_number": 40, "given_name": 100, "family_name": 100} | dict.fromkeys(ADDRESS, 60)
LARGEST_FILE = 200 * 1024 * 1024
LONGEST_LINE = 4096
BORN_FROM = date(1900, 1, 1)
AHV = re.compile(r"756\.?\d{4}\.?\d{4}\.?\d{2}", re.ASCII)
SWISS_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
LINE_BREAKING = {"Cc", "Zl", "Zp"}  # control characters, line and paragraph separators

Row = dict[str, Any]


@dataclass(frozen=True, repr=False)
class RowError:
    line: int
    field: str
    reason: str
    value: str


def read(path: Path, today: date, watch: Callable[[int], None]) -> Iterator[tuple[int, Row, list[RowError]]]:
    """Line number, the row as it is stored, and what is wrong with it, for every row that is not empty.

    Raises `BadInput` for a file that is no table at all. `watch` is told how many bytes were read.
    """
    if not path.is_file():
        raise BadInput(f"{path} is no file")
    if path.stat().st_size > LARGEST_FILE:
        raise BadInput(f"the file is larger than {LARGEST_FILE // 1024 // 1024} MB")
    with path.open("rb") as stream:
        if stream.read(2) in {b"\xff\xfe", b"\xfe\xff"}:
            raise BadInput('the file is UTF-16; save it as "CSV UTF-8"')
    # A byte that is no UTF-8 becomes a surrogate, so that the line it stands on can be told.
    with path.open(encoding="utf-8-sig", errors="surrogateescape", newline="") as text:
        lines = _lines(text, watch)
        names, separator = _read_header(next(lines, ""))
        for line, cells in _records(lines, separator):
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(names):
                fault = f"has {len(cells)} cells where the header has {len(names)}"
                yield line, {}, [RowError(line, "row", fault, separator.join(cells)[:40])]
            else:
                yield line, *_judge(line, dict(zip(names, cells, strict=True)), today)


def _lines(stream: TextIO, watch: Callable[[int], None]) -> Iterator[str]:
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise BadInput(f"line {number} is longer than {LONGEST_LINE} characters")
        if "\0" in line:
            raise BadInput(f"line {number} has a NUL character: this is no text file")
        try:
            watch(len(line.encode()))
        except UnicodeEncodeError:
            raise BadInput(f'line {number} is not UTF-8; save the file as "CSV UTF-8"') from None
        yield line


def _read_header(header: str) -> tuple[list[str], str]:
    """The names of the columns and what separates them."""
    if not header.strip():
        raise BadInput("the first line must name the columns")
    separator = max(";,\t", key=header.count)
    names = [name.strip().strip('"').lower() for name in header.rstrip("\r\n").split(separator)]
    faults = [f"column {name} is missing" for name in REQUIRED if name not in names]
    faults += [f"column {name[:40]!r} is unknown" for name in names if name not in COLUMNS]
    faults += [f"column {name} stands twice" for name in COLUMNS if names.count(name) > 1]
    if faults:
        raise BadInput("\n".join([*faults[:20], f"the columns are: {', '.join(COLUMNS)}"]))
    return names, separator


def _records(lines: Iterator[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """The line each record begins on, and its cells; a quoted cell may run over several lines."""
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        begins = reader.line_num + 2  # the header was read before
        try:
            cells = next(reader, None)
        except csv.Error:
            raise BadInput(f"line {begins}: a quotation mark opens a cell that nothing closes properly") from None
        if cells is None:
            return
        yield begins, cells


def _judge(line: int, cells: dict[str, str], today: date) -> tuple[Row, list[RowError]]:
    text = {name: unicodedata.normalize("NFC", cells.get(name, "")).strip() for name in COLUMNS}
    born, language, number = _read_date(text["birth_date"]), text["language"].lower(), text["insured_number"]
    found = {name: "is empty" for name in REQUIRED if not text[name]}
    found |= {name: f"is longer than {most} characters" for name, most in LONGEST.items() if len(text[name]) > most}
    found |= {name: "has a line break or control character" for name in COLUMNS if _breaks_lines(text[name])}
    if text["birth_date"] and (born is None or not BORN_FROM <= born <= today):
        found["birth_date"] = "is no date like 27.3.1958 or 1958-03-27"
    if language and language not in LANGUAGES:
        found["language"] = "is none of fr, de, it, en"
    if number.startswith("756") and not _is_ahv(number):
        found["insured_number"] = "is no valid AHV number"
    row: Row = {name: text[name] for name in ("external_id", "insured_number", "given_name", "family_name")}
    row |= {"birth_date": born, "language": language, "address": [text[name] for name in ADDRESS if text[name]]}
    return row, [RowError(line, name, reason, text[name][:40]) for name, reason in found.items()]


def _breaks_lines(text: str) -> bool:
    return any(unicodedata.category(character) in LINE_BREAKING for character in text)


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
