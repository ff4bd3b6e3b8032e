"""XLSX workbooks: what an office saves is read as it is shown, and what is no such workbook is refused in words."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from idp.services.person_rows import LONGEST_CELL, MOST_COLUMNS, BadTable, Table
from idp.services.person_tables import open_table
from tests.support.workbook import (
    MAIN,
    SHEET,
    WORKBOOK,
    formula,
    letters,
    number,
    packed,
    parts,
    shared,
    sheet,
    strings,
    table,
    text,
)

pytestmark = pytest.mark.no_database

HEAD = [text("a"), text("b")]
NOISE = "<>/=\"'&;!abcrtvs0123 \x01é"


def opened(content: bytes) -> Table:
    return open_table(io.BytesIO(content))  # type: ignore[arg-type]


def records(content: bytes) -> list[tuple[int, list[str]]]:
    return list(opened(content).records)


def cells(*rows: Sequence[str], **more: str | bytes) -> list[list[str]]:
    """What is read of these rows below a heading of as many columns."""
    heading = [text(f"h{at}") for at in range(max(len(row) for row in rows))]
    return [found for _, found in records(packed(parts([heading, *rows], **more)))]


def test_texts_wherever_they_stand_are_read() -> None:
    assert opened(table("Name;Vorname\nMüller;Zoé")).headings == ("Name", "Vorname")
    assert records(table("Name;Vorname\nMüller;Zoé\n\n;\nRossi;")) == [(2, ["Müller", "Zoé"]), (5, ["Rossi", ""])]
    rich = (
        f'<sst xmlns="{MAIN}"><si><r><t>Mül</t></r><r><t>ler</t></r><rPh><t>x</t></rPh></si><si><t>=1+1</t></si></sst>'
    )
    assert cells([shared(0), shared(1), shared(9)], sharedStrings=rich) == [["Müller", "=1+1", ""]]
    assert cells([text("<&>"), "", text("c")]) == [["<&>", "", "c"]]


def test_numbers_are_read_as_a_person_writes_them() -> None:
    written = ["1000", "1000.0", "7569217076985", "7.569217076985E12", "0.1", "1000.1000000000001", "1E999999999", "-3"]
    wanted = ["1000", "1000", "7569217076985", "7569217076985", "0.1", "1000.1", "1E999999999", "-3"]
    read = cells([number(value) for value in written])[0]
    assert read[:5] + read[6:] == wanted[:5] + wanted[6:]
    assert read[5].startswith("1000.1")


def test_days_are_read_as_days_and_other_numbers_are_not() -> None:
    assert cells([number("21271", 1), number("21271.75", 2), number("21271", 3), number("21271")]) == [
        ["1958-03-27", "1958-03-27", "21271", "21271"]
    ]
    since_1904 = WORKBOOK.replace("<sheets>", '<workbookPr date1904="1"/><sheets>')
    assert cells([number("19809", 1)], workbook=since_1904) == [["1958-03-27"]]
    assert cells([number("99999999999", 1), number("x", 1)]) == [["99999999999", "x"]]


def test_a_formula_is_the_value_that_was_shown_and_never_computed() -> None:
    assert cells([formula("A1&B1", "Müller"), formula('HYPERLINK("http://x")', None), formula("1+1", "=cmd()")]) == [
        ["Müller", "", "=cmd()"]
    ]


def test_the_first_sheet_that_is_shown_counts() -> None:
    assert opened(packed(parts([[text("shown")], [text("x")]]))).headings == ("shown",)


def test_a_cell_beyond_the_headings_is_not_lost() -> None:
    assert records(packed(parts([HEAD, [text("1"), text("2"), text("3")]]))) == [(2, ["1", "2", "3"])]


def bomb(size: int) -> bytes:
    return f'<worksheet xmlns="{MAIN}"><sheetData>'.encode() + b" " * size + b"</sheetData></worksheet>"


ENTITIES = (
    '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;">]>'
    f'<worksheet xmlns="{MAIN}"><sheetData><row><c t="inlineStr"><is><t>&b;</t></is></c></row></sheetData></worksheet>'
)
OUTSIDE = '<!DOCTYPE x SYSTEM "file:///etc/passwd"><worksheet/>'
GOOD = parts([HEAD, [text("1"), text("2")]])
ASKING = parts([HEAD, [shared(0)]])
HOSTILE = {
    "no ZIP behind its first bytes": (b"PK\x03\x04" + bytes(400), "workbook"),
    "cut short": (packed(GOOD)[:-30], "workbook"),
    "entities": (packed({**GOOD, SHEET: ENTITIES}), "workbook"),
    "an outside entity": (packed({**GOOD, SHEET: OUTSIDE}), "workbook"),
    "no XML": (packed({**GOOD, SHEET: "<worksheet><row>"}), "workbook"),
    "no sheet": (packed({**GOOD, "xl/workbook.xml": "<workbook/>"}), "workbook"),
    "a sheet elsewhere": (packed({**GOOD, "xl/_rels/workbook.xml.rels": '<R><Relationship Id="r2" '
                                  'Target="../../../etc/passwd"/></R>'}), "workbook"),
    "no workbook": (packed({"word/document.xml": "<w/>"}), "workbook"),
    "a bomb": (packed({**GOOD, SHEET: bomb(30_000_000)}), "packed"),
    "a bomb of strings": (packed({**ASKING, "xl/sharedStrings.xml": bomb(30_000_000)}), "packed"),
    "a bomb of one text": (packed({**ASKING, "xl/sharedStrings.xml": strings("x" * 900_000)}), "packed"),
    "a bomb of styles": (packed({**GOOD, "xl/styles.xml": bomb(5_000_000)}, zipfile.ZIP_STORED), "packed"),
    "an attribute without end": (packed({**GOOD, SHEET: f'<a b="{letters(7) * 3_000_000}"/>'}, zipfile.ZIP_STORED),
                                 "packed"),
    "very many parts": (packed({**GOOD, **{f"x{at}": "" for at in range(2100)}}), "workbook"),
    "a cell far to the right": (packed(parts([HEAD, [""] * MOST_COLUMNS + [text("1")]])), "columns"),
    "a long cell": (packed(parts([HEAD, [text("x" * (LONGEST_CELL + 1))]])), "line"),
    "nothing": (packed(parts([])), "header"),
    "an old workbook": (b"\xd0\xcf\x11\xe0" + bytes(600), "old"),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_workbook_of_persons_is_refused_in_words(name: str) -> None:
    content, kind = HOSTILE[name]
    with pytest.raises(BadTable) as caught:
        records(content)
    assert caught.value.kind == kind


def test_a_cell_is_where_it_says_and_never_before_the_last_one() -> None:
    placed = f'<worksheet xmlns="{MAIN}"><row r="1"><c r="A1"><v>1</v></c><c r="B1"><v>2</v></c></row>' \
             '<row r="7"><c r="B7"><v>3</v></c></row><row r="2"><c><v>4</v></c></row></worksheet>'  # fmt: skip
    assert records(packed({**GOOD, SHEET: placed})) == [(7, ["", "3"]), (8, ["4", ""])]


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.integers(0, 5000), st.integers(0, 60))
def test_no_bytes_whatever_end_in_anything_but_words(noise: bytes, at: int, gone: int) -> None:
    good = table("a;b\n1;2")
    at %= len(good)
    with suppress(BadTable):
        records(good[:at] + noise + good[at + gone :])


@settings(max_examples=80, deadline=None)
@given(st.text(alphabet=NOISE, max_size=80), st.sampled_from([SHEET, "xl/styles.xml", "xl/workbook.xml"]))
def test_no_xml_whatever_ends_in_anything_but_words(noise: str, part: str) -> None:
    written = str(GOOD[part])
    with suppress(BadTable):
        records(packed({**GOOD, part: written[: len(written) // 2] + noise + written[len(written) // 2 :]}))


def test_rows_are_read_as_a_stream() -> None:
    """The first row is there before the sheet was unpacked whole, so a job may stop where it likes."""
    many = sheet([HEAD, *[[text("1"), text(str(at))] for at in range(50_000)]])
    assert next(opened(packed({**GOOD, SHEET: many})).records) == (2, ["1", "0"])


def test_strings_are_read_no_further_than_they_are_asked_for() -> None:
    broken = strings("a", "b", "c", *("x" * 1000 for _ in range(500))).replace("</sst>", "<")
    rows = [[shared(0), shared(1)], [shared(2)], *[[text("far away")]] * 3000, [shared(503)]]
    content = packed(parts(rows, sharedStrings=broken))
    found = opened(content)
    assert (found.headings, next(found.records)) == (("a", "b"), (2, ["c", ""]))
    with pytest.raises(BadTable):
        list(found.records)
