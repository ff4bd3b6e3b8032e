"""XLSX workbooks for tests, written part by part, so that each part may be as wrong as a test wants it."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Mapping, Sequence
from io import BytesIO
from xml.sax.saxutils import escape

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
RELATIONS = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
WORKBOOK = (
    f'<workbook xmlns="{MAIN}" xmlns:r="{RELATIONS}"><sheets>'
    '<sheet name="hidden" sheetId="1" state="hidden" r:id="r1"/>'
    '<sheet name="Persons" sheetId="2" r:id="r2"/></sheets></workbook>'
)
RELATED = (
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Id="r1" Target="worksheets/sheet1.xml"/><Relationship Id="r2" Target="worksheets/sheet2.xml"/>'
    "</Relationships>"
)
STYLES = (
    f'<styleSheet xmlns="{MAIN}"><numFmts><numFmt numFmtId="164" formatCode="dd\\.mm\\.yyyy"/>'
    '<numFmt numFmtId="165" formatCode="0 &quot;day&quot;"/></numFmts><cellStyleXfs><xf numFmtId="14"/></cellStyleXfs>'
    '<cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/></cellXfs></styleSheet>'
)
SHEET = "xl/worksheets/sheet2.xml"


def letters(at: int) -> str:
    """A, B, …, Z, AA, … for a column counted from 0."""
    return (letters(at // 26 - 1) if at >= 26 else "") + chr(65 + at % 26)


def text(value: str) -> str:
    """A cell whose text stands in it; `sheet` puts in where the cell stands, at the first pair of braces."""
    return f'<c {{}} t="inlineStr"><is><t xml:space="preserve">{escape(value)}</t></is></c>'


def number(value: str, style: int = 0) -> str:
    return f'<c {{}} s="{style}"><v>{value}</v></c>'


def shared(at: int) -> str:
    return f'<c {{}} t="s"><v>{at}</v></c>'


def formula(written: str, value: str | None) -> str:
    kept = "" if value is None else f"<v>{escape(value)}</v>"
    return f'<c {{}} t="str"><f>{escape(written)}</f>{kept}</c>'


def sheet(rows: Iterable[Sequence[str]]) -> str:
    """The part of these rows of cells, each at its place."""
    shown = []
    for line, cells in enumerate(rows, 1):
        placed = "".join(cell.replace("{}", f'r="{letters(at)}{line}"', 1) for at, cell in enumerate(cells) if cell)
        shown.append(f'<row r="{line}">{placed}</row>')
    return f'<worksheet xmlns="{MAIN}"><sheetData>{"".join(shown)}</sheetData></worksheet>'


def strings(*values: str) -> str:
    return f'<sst xmlns="{MAIN}">{"".join(f"<si><t>{escape(one)}</t></si>" for one in values)}</sst>'


def packed(parts: Mapping[str, str | bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    """A ZIP file of these parts."""
    made = BytesIO()
    with zipfile.ZipFile(made, "w", compression) as file:
        for name, content in parts.items():
            file.writestr(name, content)
    return made.getvalue()


def parts(rows: Iterable[Sequence[str]], **more: str | bytes) -> dict[str, str | bytes]:
    """The parts of a workbook with this sheet; `more` replaces or adds some, by name without folder and ending."""
    made: dict[str, str | bytes] = {
        "[Content_Types].xml": "<Types/>", "xl/workbook.xml": WORKBOOK, "xl/_rels/workbook.xml.rels": RELATED,
        "xl/styles.xml": STYLES, "xl/worksheets/sheet1.xml": sheet([[text("not here")]]), SHEET: sheet(rows),
    }  # fmt: skip
    return made | {f"xl/{name}.xml": content for name, content in more.items()}


def table(lines: str, separator: str = ";") -> bytes:
    """The workbook of a CSV, every cell a text."""
    return packed(parts([[text(cell) for cell in line.split(separator)] for line in lines.splitlines()]))
