"""What leaves as a file for a spreadsheet computes nothing there, and is read back as it was written."""

from __future__ import annotations

import csv
import io

from idp.services.spreadsheet import lines, neutral


def test_a_cell_that_a_spreadsheet_would_compute_is_text() -> None:
    """security.md F-32; the full-width signs are computed by spreadsheets in some languages."""
    for value in ("=1+1", "+41", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1", "＝1", "＋1", "－1", "＠A"):
        assert neutral(value) == f"'{value}"
    assert neutral("Müller") == "Müller"
    assert neutral("") == ""


def test_a_cell_stays_one_cell_whatever_stands_in_it() -> None:
    hostile = ["a;b", 'say "yes"', "two\r\nlines", "comma, too", "=1;=2", ""]
    written = lines([hostile, ["next"]])
    read = list(csv.reader(io.StringIO(written, newline=""), delimiter=";"))
    assert read == [[neutral(cell) for cell in hostile], ["next"]]
    assert written.endswith("next\r\n")
