"""Lines of a file for a spreadsheet (RFC 4180), in which no cell computes anything (OWASP: CSV injection).

Semicolons, for Excel in Switzerland splits at them and not at commas; and a mark of UTF-8 in front, without which it
takes accents for Windows-1252.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

BOM = "\ufeff"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "\uff1d", "\uff0b", "\uff0d", "\uff20")  # also full-width ones


def neutral(cell: str) -> str:
    """As text for any spreadsheet."""
    return f"'{cell}" if cell.startswith(FORMULA) else cell


def lines(rows: Iterable[Iterable[str]], delimiter: str = ";") -> str:
    """These rows as lines, every cell made harmless."""
    written = io.StringIO()
    csv.writer(written, delimiter=delimiter).writerows([neutral(cell) for cell in row] for row in rows)
    return written.getvalue()
