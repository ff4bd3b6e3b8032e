"""A table as CSV, read as a stream; a byte or a line that cannot be right ends the reading with its line."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from typing import Any, TextIO

from idp.services.person_rows import LONGEST_CELL, MOST_COLUMNS, BadTable, Table

LONGEST_LINE = LONGEST_CELL
BYTES_OF_UTF16 = (b"\xff\xfe", b"\xfe\xff")


def read_csv(stream: io.BufferedReader[Any], beginning: bytes) -> Table:
    """The table of this stream, whose first bytes are known. Raises `BadTable`, also while it is read."""
    if beginning.startswith(BYTES_OF_UTF16):
        raise BadTable("utf16")
    # A byte that is no UTF-8 becomes a surrogate, so that the line it stands on can be told.
    text = io.TextIOWrapper(stream, encoding="utf-8-sig", errors="surrogateescape", newline="")
    lines = _lines(text)
    header = next(lines, "")
    if not header.strip():
        raise BadTable("header")
    separator = max(";,\t", key=header.count)
    headings = tuple(name.strip().strip('"').strip() for name in header.rstrip("\r\n").split(separator))
    if len(headings) > MOST_COLUMNS:
        raise BadTable("columns", most=MOST_COLUMNS)
    return Table(headings, _records(lines, separator))


def _lines(stream: TextIO) -> Iterator[str]:
    number = 0
    while line := stream.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise BadTable("line", line=number, most=LONGEST_LINE)
        if "\0" in line:
            raise BadTable("nul", line=number)
        if not line.isascii() and not _is_unicode(line):
            raise BadTable("utf8", line=number)
        yield line


def _is_unicode(line: str) -> bool:
    try:
        line.encode()
    except UnicodeEncodeError:
        return False
    return True


def _records(lines: Iterator[str], separator: str) -> Iterator[tuple[int, list[str]]]:
    """The line each record begins on, and its cells; a quoted cell may run over several lines. Empty ones are passed
    over.
    """
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        begins = reader.line_num + 2  # the header was read before
        try:
            cells = next(reader, None)
        except csv.Error:
            raise BadTable("quote", line=begins) from None
        if cells is None:
            return
        if any(cell.strip() for cell in cells):
            yield begins, cells
