"""One row of a fund's insured persons, judged: what is stored of it, and every fault with its line and field.

Cells are data whatever they look like; docs/import.md describes the fields to operators. A fault is told by its kind,
so that the console says it in the operator's language and the command line in English.
"""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from idp.errors import BadInput
from idp.texts import LANGUAGES, Texts

REQUIRED = ("external_id", "insured_number", "birth_date", "language", "address_1", "address_2")
OPTIONAL = ("given_name", "family_name", "address_3", "address_4", "address_5")
COLUMNS = (*REQUIRED, *OPTIONAL)
ADDRESS = tuple(f"address_{number}" for number in range(1, 6))
LONGEST = {"external_id": 64, "insured_number": 40, "given_name": 100, "family_name": 100} | dict.fromkeys(ADDRESS, 60)
LONGEST_CELL = 4096
LONGEST_VALUE = 40  # of what is told of a wrong cell
MOST_ROWS = 500_000
MOST_COLUMNS = 60
BORN_FROM = date(1900, 1, 1)
AHV = re.compile(r"756\.?\d{4}\.?\d{4}\.?\d{2}", re.ASCII)
SWISS_DATE = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})", re.ASCII)
ISO_DATE = re.compile(r"(\d{4})-(\d{2})-(\d{2})", re.ASCII)
SPOKEN = {  # as offices write the language of a letter
    "f": "fr", "français": "fr", "franzoesisch": "fr", "französisch": "fr", "francese": "fr", "french": "fr",
    "d": "de", "deutsch": "de", "allemand": "de", "tedesco": "de", "german": "de",
    "i": "it", "italiano": "it", "italienisch": "it", "italien": "it", "italian": "it",
    "e": "en", "english": "en", "englisch": "en", "anglais": "en", "inglese": "en",
}  # fmt: skip
LINE_BREAKING = {"Cc", "Zl", "Zp"}  # control characters, line and paragraph separators

Row = dict[str, Any]


class BadTable(BadInput):
    """A file that is no table of persons at all; `kind` is the key of the text that says why."""

    def __init__(self, kind: str, **named: object) -> None:
        self.kind = kind
        self.named = {name: str(value) for name, value in named.items()}
        super().__init__(Texts.load().get("en", f"imp.f.{kind}", **self.named))


@dataclass(frozen=True, repr=False)
class Table:
    """The names of the columns as they stand in the file, and each record with the line that it begins on."""

    headings: tuple[str, ...]
    records: Iterator[tuple[int, list[str]]]


@dataclass(frozen=True, repr=False)
class RowError:
    line: int
    field: str
    kind: str
    value: str
    named: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def reason(self) -> str:
        """In English, as the command line tells it."""
        return Texts.load().get("en", f"imp.e.{self.kind}", **self.named)


def judge(line: int, cells: Sequence[str], fields: Sequence[str], today: date) -> tuple[Row, list[RowError]]:
    """The row as it is stored, and what is wrong with it. `fields` names what each column holds, empty for nothing;
    columns of one field are joined, so that postcode and town may stand apart.
    """
    if len(cells) != len(fields):
        named = {"n": str(len(cells)), "wanted": str(len(fields))}
        return {}, [RowError(line, "row", "cells", " | ".join(cells)[:LONGEST_VALUE], named)]
    joined: dict[str, str] = {}
    for name, cell in zip(fields, cells, strict=True):
        if name:
            joined[name] = f"{joined.get(name, '')} {cell.strip()}".strip()
    return judge_fields(line, joined, today)


def judge_fields(line: int, cells: Mapping[str, str], today: date) -> tuple[Row, list[RowError]]:
    """The same of cells by the name of their field; one that is not there is empty."""
    text = {name: unicodedata.normalize("NFC", cells.get(name, "")).strip() for name in COLUMNS}
    born, language, number = _read_date(text["birth_date"]), text["language"].lower(), text["insured_number"]
    language = SPOKEN.get(language, language)
    found = {name: "empty" for name in REQUIRED if not text[name]}
    found |= {name: "long" for name, most in LONGEST.items() if len(text[name]) > most}
    found |= {name: "control" for name in COLUMNS if _breaks_lines(text[name])}
    if text["birth_date"] and (born is None or not BORN_FROM <= born <= today):
        found["birth_date"] = "date"
    if language and language not in LANGUAGES:
        found["language"] = "language"
    if number.startswith("756") and not _is_ahv(number):
        found["insured_number"] = "ahv"
    row: Row = {name: text[name] for name in ("external_id", "insured_number", "given_name", "family_name")}
    row |= {"birth_date": born, "language": language, "address": [text[name] for name in ADDRESS if text[name]]}
    return row, [_error(line, name, kind, text[name]) for name, kind in found.items()]


def _error(line: int, name: str, kind: str, value: str) -> RowError:
    named = {"most": str(LONGEST[name])} if kind == "long" else {}
    return RowError(line, name, kind, value[:LONGEST_VALUE], named)


def _breaks_lines(text: str) -> bool:
    return not text.isprintable() and any(unicodedata.category(character) in LINE_BREAKING for character in text)


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
