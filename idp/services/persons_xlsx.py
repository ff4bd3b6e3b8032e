"""The first visible sheet of an XLSX workbook (ECMA-376), read as a stream and trusted with nothing.

Only five parts are unpacked, each up to a bound, by an expat without document types, hence without entities. A formula
counts as the value that the workbook keeps for it: what the fund saw on its screen; nothing is computed here.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from typing import IO
from xml.parsers import expat

from idp.services.person_rows import LONGEST_CELL, MOST_COLUMNS, MOST_ROWS, BadTable, Table

STRINGS = "xl/sharedStrings.xml"
MOST_PARTS = 2000
LARGEST_SHEET, LARGEST_STRINGS, LARGEST_OTHER = 512 * 1024 * 1024, 128 * 1024 * 1024, 4 * 1024 * 1024
DENSEST = 200  # how many times smaller than itself a large part may be packed
SMALL = 1024 * 1024
PIECE = 64 * 1024
QUIET = 1024 * 1024  # bytes of XML in which something must have begun or ended
BUILT_IN_DATES = {*range(14, 18), 22, *range(27, 37), *range(50, 59)}  # ECMA-376 §18.8.30
CELL = re.compile(r"([A-Z]{1,3})([0-9]{1,7})", re.ASCII)
QUOTED = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.')
# What zipfile and expat say of a file that is broken: of an unknown packing NotImplementedError, of a part that is
# locked RuntimeError, of a number that cannot be ValueError, of a part that is missing KeyError.
BROKEN = (
    expat.ExpatError, zipfile.BadZipFile, zlib.error, NotImplementedError, EOFError, RuntimeError, OSError, ValueError,
    KeyError,
)  # fmt: skip


def read_xlsx(stream: IO[bytes]) -> Table:
    """The table of this workbook. Raises `BadTable`, also while it is read."""
    try:
        workbook = zipfile.ZipFile(stream)
        if len(workbook.infolist()) > MOST_PARTS:
            raise BadTable("workbook")
        sheet, is_1904 = _first_sheet(workbook)
        rows = _rows(workbook, sheet, _Strings(workbook), _dates(workbook), is_1904)
        first = next(rows, None)
    except BROKEN as error:
        raise BadTable("workbook") from error
    headings = _trimmed(first[1]) if first else []
    if not headings:
        raise BadTable("header")
    return Table(tuple(headings), _records(rows, len(headings)))


def _records(rows: Iterator[tuple[int, list[str]]], width: int) -> Iterator[tuple[int, list[str]]]:
    """As many cells as there are headings, unless something stands beyond them; rows without anything are left out."""
    try:
        for line, cells in rows:
            if kept := _trimmed(cells):
                yield line, kept + [""] * (width - len(kept))
    except BROKEN as error:
        raise BadTable("workbook") from error


def _trimmed(cells: list[str]) -> list[str]:
    while cells and not cells[-1].strip():
        cells = cells[:-1]
    return cells


Begin = Callable[[str, dict[str, str]], None]


def _parse(
    workbook: zipfile.ZipFile, name: str, largest: int, begin: Begin, end: Callable[[str, str], None]
) -> Iterator[None]:
    """Tell of every element, whatever its namespace, where it begins, and where it ends with its text; hands over after
    every piece. Raises `BadTable` and what stands in `BROKEN`.
    """
    part = workbook.getinfo(name)
    is_dense = part.file_size > SMALL and part.file_size > DENSEST * part.compress_size
    if part.file_size > largest or is_dense or part.flag_bits & 1:
        raise BadTable("packed")
    parser, text, heard = expat.ParserCreate(namespace_separator=" "), [""], [0]
    parser.buffer_text = True

    def refuse(*_: object) -> None:
        raise BadTable("workbook")

    def begun(element: str, attributes: dict[str, str]) -> None:
        text[0], heard[0] = "", parser.CurrentByteIndex
        begin(element.rpartition(" ")[2], attributes)

    def ended(element: str) -> None:
        heard[0] = parser.CurrentByteIndex
        end(element.rpartition(" ")[2], text[0])
        text[0] = ""

    def said(piece: str) -> None:
        text[0] += piece
        if len(text[0]) > LONGEST_CELL * 8:
            raise BadTable("packed")

    parser.StartDoctypeDeclHandler = parser.EntityDeclHandler = refuse
    parser.StartElementHandler, parser.EndElementHandler, parser.CharacterDataHandler = begun, ended, said
    fed = 0
    with workbook.open(part) as unpacked:
        while piece := unpacked.read(PIECE):
            parser.Parse(piece, False)
            fed += len(piece)
            if fed - heard[0] > QUIET:
                raise BadTable("packed")
            yield
    parser.Parse(b"", True)
    yield


def _read(workbook: zipfile.ZipFile, name: str, largest: int, begin: Begin, end: Callable[[str, str], None]) -> None:
    for _ in _parse(workbook, name, largest, begin, end):
        pass


def _first_sheet(workbook: zipfile.ZipFile) -> tuple[str, bool]:
    """The part of the first sheet that is not hidden, and whether days are counted from 1904."""
    sheets, targets, is_1904 = list[str](), dict[str, str](), [False]

    def workbook_begins(element: str, attributes: dict[str, str]) -> None:
        if element == "workbookPr":
            is_1904[0] = attributes.get("date1904", "") in {"1", "true"}
        if element == "sheet" and attributes.get("state", "visible") == "visible":
            sheets.extend(value for name, value in attributes.items() if name.endswith(" id"))

    def relation_begins(element: str, attributes: dict[str, str]) -> None:
        if element == "Relationship" and attributes.get("TargetMode") != "External":
            targets[attributes.get("Id", "")] = attributes.get("Target", "")

    _read(workbook, "xl/workbook.xml", LARGEST_OTHER, workbook_begins, _nothing)
    _read(workbook, "xl/_rels/workbook.xml.rels", LARGEST_OTHER, relation_begins, _nothing)
    target = targets.get(sheets[0], "") if sheets else ""
    name = posixpath.normpath(posixpath.join("/xl", target)).lstrip("/")
    if name not in workbook.namelist():
        raise BadTable("workbook")
    return name, is_1904[0]


def _nothing(*_: object) -> None:
    return


class _Strings:
    """The shared strings in their order, read no further than they are asked for; how one is pronounced is left out."""

    def __init__(self, workbook: zipfile.ZipFile) -> None:
        self._found, self._pieces, self._sounds = list[str](), list[str](), 0
        is_there = STRINGS in workbook.namelist()
        self._rest = _parse(workbook, STRINGS, LARGEST_STRINGS, self._begin, self._end) if is_there else iter(())

    def get(self, at: int) -> str:
        """The string of this number; empty where there is none."""
        if at >= len(self._found):
            for _ in self._rest:
                if at < len(self._found):
                    break
        return self._found[at] if 0 <= at < len(self._found) else ""

    def _begin(self, element: str, _attributes: dict[str, str]) -> None:
        if element == "si":
            self._pieces.clear()
        self._sounds += element == "rPh"

    def _end(self, element: str, text: str) -> None:
        if element == "t" and not self._sounds:
            self._pieces.append(text)
        elif element == "rPh":
            self._sounds -= 1
        elif element == "si":
            self._found.append("".join(self._pieces))


def _dates(workbook: zipfile.ZipFile) -> frozenset[str]:
    """The numbers of the cell formats that show a number as a day."""
    if "xl/styles.xml" not in workbook.namelist():
        return frozenset()
    own, formats, is_inside = dict[int, str](), list[int](), [False]

    def begin(element: str, attributes: dict[str, str]) -> None:
        if element == "numFmt":
            own[int(attributes.get("numFmtId", "-1"))] = attributes.get("formatCode", "")
        elif element == "cellXfs":
            is_inside[0] = True
        elif element == "xf" and is_inside[0]:
            formats.append(int(attributes.get("numFmtId", "0")))

    def end(element: str, _text: str) -> None:
        if element == "cellXfs":
            is_inside[0] = False

    _read(workbook, "xl/styles.xml", LARGEST_OTHER, begin, end)
    return frozenset(
        str(at) for at, number in enumerate(formats) if number in BUILT_IN_DATES or _is_day(own.get(number))
    )


def _is_day(code: str | None) -> bool:
    bare = QUOTED.sub("", code or "").lower()
    return "y" in bare or "d" in bare


class _Sheet:
    """The rows of a sheet as its elements are heard."""

    def __init__(self, strings: _Strings, dates: frozenset[str], is_1904: bool) -> None:
        self.done = list[tuple[int, list[str]]]()
        self._strings, self._dates = strings, dates
        self._epoch = date(1904, 1, 1) if is_1904 else date(1899, 12, 30)
        self._line, self._cells = 0, list[str]()
        self._kind = self._style = self._value = ""
        self._at = -1

    def begin(self, element: str, attributes: dict[str, str]) -> None:
        if element == "row":
            given = attributes.get("r", "")
            self._line = max(self._line + 1, int(given) if given.isdecimal() and len(given) < 9 else 0)
            self._cells, self._at = [], -1
        elif element == "c":
            self._at = _column(attributes.get("r", ""), self._at + 1)
            self._kind, self._style, self._value = attributes.get("t", "n"), attributes.get("s", "0"), ""

    def end(self, element: str, text: str) -> None:
        if element == "v" or (element == "t" and self._kind == "inlineStr"):
            self._value += text
        elif element == "c" and (value := self._read()):
            if self._at >= MOST_COLUMNS:
                raise BadTable("columns", most=MOST_COLUMNS)
            self._cells += [""] * (self._at + 1 - len(self._cells))
            self._cells[self._at] = value
        elif element == "row":
            self.done.append((self._line, self._cells))

    def _read(self) -> str:
        value = self._value
        if self._kind == "s":
            value = self._strings.get(int(value or "-1"))
        elif self._kind == "n" and value:
            value = _day(value, self._epoch) if self._style in self._dates else _number(value)
        elif self._kind == "d":
            value = value[:10]
        if len(value) > LONGEST_CELL:
            raise BadTable("line", line=self._line, most=LONGEST_CELL)
        if "\0" in value:
            raise BadTable("nul", line=self._line)
        return value


def _rows(
    workbook: zipfile.ZipFile, name: str, strings: _Strings, dates: frozenset[str], is_1904: bool
) -> Iterator[tuple[int, list[str]]]:
    sheet, count = _Sheet(strings, dates, is_1904), 0
    for _ in _parse(workbook, name, LARGEST_SHEET, sheet.begin, sheet.end):
        yield from sheet.done
        count += len(sheet.done)
        if count > 3 * MOST_ROWS:  # with the empty ones
            raise BadTable("rows", most=MOST_ROWS)
        sheet.done.clear()


def _column(reference: str, following: int) -> int:
    """The number of the column, from 0, of a cell like C5."""
    found = CELL.fullmatch(reference)
    if not found:
        return following
    at = 0
    for letter in found[1]:
        at = at * 26 + ord(letter) - 64
    return at - 1


def _number(text: str) -> str:
    """As a person writes it: without exponent, and without the digits that a binary fraction cannot hold."""
    try:
        number = Decimal(text)
    except InvalidOperation:
        return text
    if not number.is_finite() or abs(number.adjusted()) > 20:
        return text
    if number != number.to_integral_value():
        number = Decimal(repr(float(number)))
    shown = f"{number:f}"
    return shown.rstrip("0").rstrip(".") if "." in shown else shown


def _day(text: str, epoch: date) -> str:
    try:
        return (epoch + timedelta(days=int(float(text)))).isoformat()
    except (ValueError, OverflowError):
        return text
