"""A printed page as a reader finds it: every glyph with its place on the paper, the tags, the picture of a scan."""

from __future__ import annotations

import ctypes
import re
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import pypdf
import pypdfium2
import pypdfium2.raw as pdfium
from PIL import Image, ImageFilter

from tests.support import qr

MM = 72 / 25.4  # points
SCAN_DPI = 150
INK = 200  # grey levels below this are printed


@dataclass(frozen=True)
class Box:
    """In millimetres from the upper left corner of the sheet."""

    left: float
    top: float
    right: float
    bottom: float

    def holds(self, other: Box) -> bool:
        return (
            self.left <= other.left
            and self.top <= other.top
            and other.right <= self.right
            and other.bottom <= self.bottom
        )

    def meets(self, other: Box) -> bool:
        across = self.left < other.right and other.left < self.right
        return across and self.top < other.bottom and other.top < self.bottom


@dataclass(frozen=True)
class Glyph:
    character: str
    box: Box
    size: float
    font: str


class Document:
    """One PDF, read by two programs that know nothing of the one that wrote it."""

    def __init__(self, content: bytes) -> None:
        self.tagged = pypdf.PdfReader(BytesIO(content))
        self._drawn = pypdfium2.PdfDocument(content)
        self.count = len(self._drawn)

    def close(self) -> None:
        self._drawn.close()

    def text(self, page: int) -> str:
        return str(self._drawn[page].get_textpage().get_text_range()).replace("\r\n", "\n")

    def glyphs(self, page: int) -> list[Glyph]:
        sheet = self._drawn[page]
        text, height = sheet.get_textpage(), sheet.get_height()
        found = []
        for at in range(text.count_chars()):
            character = text.get_text_range(at, 1)
            if not character.strip():
                continue
            left, bottom, right, top = text.get_charbox(at)
            box = Box(left / MM, (height - top) / MM, right / MM, (height - bottom) / MM)
            found.append(Glyph(character, box, pdfium.FPDFText_GetFontSize(text.raw, at), _font(text.raw, at)))
        return found

    def drawings(self, page: int) -> list[Box]:
        """Lines and pictures: everything on the page that is no text."""
        sheet = self._drawn[page]
        height, found = sheet.get_height(), []
        for drawn in sheet.get_objects(max_depth=5):
            if drawn.type != pdfium.FPDF_PAGEOBJ_TEXT and drawn.level == 0:
                left, bottom, right, top = drawn.get_bounds()
                found.append(Box(left / MM, (height - top) / MM, right / MM, (height - bottom) / MM))
        return found

    def scan(self, page: int, *, dpi: int = SCAN_DPI) -> Image.Image:
        return self._drawn[page].render(scale=dpi / 72).to_pil().convert("L")

    def qr(self, page: int, *, blur: float = 0.0) -> tuple[str, Box]:
        """What a telephone reads, and where the code stands."""
        picture = self.scan(page).filter(ImageFilter.GaussianBlur(blur))
        (found,) = qr.codes(picture)
        corners = [
            found.position.top_left,
            found.position.top_right,
            found.position.bottom_left,
            found.position.bottom_right,
        ]
        mm = 25.4 / SCAN_DPI
        across, down = [corner.x * mm for corner in corners], [corner.y * mm for corner in corners]
        return found.text, Box(min(across), min(down), max(across), max(down))

    def ink(self, page: int, area: Box) -> Box | None:
        """The box around everything printed in an area of the sheet; None when it is blank."""
        dpi = 300
        pixels = dpi / 25.4
        corners = [round(side * pixels) for side in (area.left, area.top, area.right, area.bottom)]
        cut = self.scan(page, dpi=dpi).crop((corners[0], corners[1], corners[2], corners[3]))
        found = cut.point(lambda grey: 255 if grey < INK else 0).getbbox()
        if found is None:
            return None
        left, top, right, bottom = found
        return Box(
            area.left + left / pixels, area.top + top / pixels, area.left + right / pixels, area.top + bottom / pixels
        )

    def tags(self, page: int) -> list[tuple[str, str, str]]:
        """In reading order: the tag, its language and its alternative text for every piece of a page."""
        wanted = self.tagged.pages[page]
        told = {
            int(found[1]): found[2]
            for found in re.finditer(
                r"<</MCID (\d+)/Lang\(([\w-]+)\)", wanted.get_contents().get_data().decode("latin-1")
            )
        }
        pieces: list[tuple[str, str, str]] = []
        order: list[int] = []

        def walk(node: Any, tag: str, language: str, alt: str, sheet: Any) -> None:
            node = node.get_object()
            if isinstance(node, list):
                for part in node:
                    walk(part, tag, language, alt, sheet)
            elif isinstance(node, int):
                if sheet == wanted.indirect_reference:
                    order.append(node)
                    pieces.append((tag, told.get(node, language), alt))
            elif "/K" in node:
                sheet = node.raw_get("/Pg") if "/Pg" in node else sheet
                walk(node["/K"], node.get("/S", tag), node.get("/Lang", language), node.get("/Alt", alt), sheet)
            elif "/MCID" in node:
                walk(pypdf.generic.NumberObject(node["/MCID"]), tag, language, alt, node.raw_get("/Pg"))

        root = self.tagged.trailer["/Root"]
        walk(root["/StructTreeRoot"], "", root["/Lang"], "", None)
        assert order == sorted(order), "the tags are not in the order in which the page is written"
        return pieces


def _font(text: Any, at: int) -> str:
    name = ctypes.create_string_buffer(100)
    flags = ctypes.c_int()
    pdfium.FPDFText_GetFontInfo(text, at, name, 100, flags)
    return name.value.decode()
