"""Whether a page is well-formed HTML, before the browser mends it: nesting, closing, attributes that stand twice."""

from __future__ import annotations

from html.parser import HTMLParser

VOID = {"meta", "link", "input", "img", "br", "hr"}
DRAWING = {"rect", "path", "circle"}  # of SVG, closed in themselves
NOT_IN_P = {
    "p",
    "div",
    "ul",
    "ol",
    "dl",
    "li",
    "form",
    "fieldset",
    "table",
    "section",
    "details",
    "h1",
    "h2",
    "h3",
    "pre",
}
ALONE = {"a", "button", "label"}  # none of these stands within itself or another one of them
PARENTS = {"li": {"ul", "ol"}, "dt": {"dl"}, "dd": {"dl"}, "legend": {"fieldset"}, "summary": {"details"}}


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(names) != len(set(names)):
            self.faults.append(f"an attribute twice: {tag} {names}")
        if tag in NOT_IN_P and "p" in self.open:
            self.faults.append(f"{tag} in p")
        if tag in ALONE and ALONE & set(self.open):
            self.faults.append(f"{tag} in {self.open}")
        if tag in PARENTS and (not self.open or self.open[-1] not in PARENTS[tag]) and not self._is_in_group(tag):
            self.faults.append(f"{tag} in {self.open[-1:]}")
        if tag in {"ul", "ol"} and {"ul", "ol"} & set(self.open[-1:]):
            self.faults.append(f"{tag} straight in a list")
        if tag not in VOID | DRAWING:
            self.open.append(tag)

    def _is_in_group(self, tag: str) -> bool:
        """A `dl` may hold its terms in groups (HTML, the dl element)."""
        return tag in {"dt", "dd"} and self.open[-2:] == ["dl", "div"]

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in DRAWING:
            self.faults.append(f"{tag} closes itself")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"/{tag} after {self.open[-3:]}")

    def handle_data(self, data: str) -> None:
        if data.strip() and self.open and self.open[-1] in {"ul", "ol", "dl"}:
            self.faults.append(f"text in {self.open[-1]}")


def faults(html: str) -> list[str]:
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.faults + ([f"never closed: {reader.open}"] if reader.open else [])
