"""Chart and table of docs/performance.md, made from the newest whole runs in bench/results/.

`.venv/bin/python -m docs.performance` writes docs/performance.svg, and docs/performance.md between its marks;
what `--quick` measured is no result and is left out.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

from bench.report import RATIO, RESULTS, WHOLE_ROUNDS
from bench.tasks import CALLS

FOLDER = Path(__file__).resolve().parent
PAGE, CHART = FOLDER / "performance.md", FOLDER / "performance.svg"
BEGIN, END = "<!-- figures: made by docs/performance.py -->", "<!-- end of figures -->"
NAMES = (*CALLS, "signin", "register", "flood", "scale", "start", "memory", "grow")
WIDTH, LEFT, RIGHT, ROW, HEAD = 1060, 392, 862, 26, 64
STYLE = """
.back { fill: #ffffff } .text { fill: #16202a } .muted { fill: #4a5764; font-size: 13px } .head { font-weight: 600 }
.met { fill: #3f8fb3 } .missed { fill: #d07a2c } .spread { stroke: #16202a; stroke-width: 1.5 }
.target { stroke: #16202a; stroke-width: 3 }
@media (prefers-color-scheme: dark) {
.back { fill: #10171e } .text { fill: #e8edf2 } .muted { fill: #a9b6c2 }
.met { fill: #4aa8cc } .missed { fill: #e08a3c }
.spread, .target { stroke: #e8edf2 }
}
""".strip()


@dataclass(frozen=True)
class Bar:
    """One ratio with its target."""

    label: str
    median: float
    least: float
    most: float
    target: float
    verdict: str


def newest(folder: Path = RESULTS) -> list[dict[str, Any]]:
    """The newest whole run of each name, in the order of the specification of the bench."""
    found: dict[str, dict[str, Any]] = {}
    for file in sorted(folder.glob("*.json")):
        document = json.loads(file.read_text(encoding="utf-8"))
        known = found.get(document["name"])
        if document["rounds"] >= WHOLE_ROUNDS and (known is None or known["at"] < document["at"]):
            found[document["name"]] = document
    return [found[name] for name in NAMES if name in found]


def bars(documents: list[dict[str, Any]], *, more_is_better: bool) -> list[Bar]:
    return [
        Bar(
            f"{document['name']}: {one['what']}", one["median"], min(one["rounds"]), max(one["rounds"]),
            one["target"], one["verdict"],
        )
        for document in documents
        for one in document["figures"]
        if one["unit"] == RATIO and one["target"] is not None and one["more_is_better"] == more_is_better
    ]  # fmt: skip


def chart(documents: list[dict[str, Any]]) -> str:
    """Bars of the ratios, each with its spread and the line of its target."""
    parts: list[str] = []
    top = 0
    for title, more_is_better in (
        ("Requests a second, Connect against others: the longer, the better", True),
        ("The slowest hundredth, Connect against others: the shorter, the better", False),
    ):
        rows = bars(documents, more_is_better=more_is_better)
        if rows:
            parts += _panel(title, rows, top)
            top += HEAD + ROW * len(rows)
    height = top + 20
    title = "Connect against other providers"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'font-family="system-ui, sans-serif" font-size="15" role="img" aria-labelledby="t d">\n'
        f'<title id="t">{title}</title>\n<desc id="d">The table beneath says the same in figures.</desc>\n'
        f"<style>\n{STYLE}\n</style>\n"
        f'<rect class="back" width="{WIDTH}" height="{height}"/>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def _panel(title: str, rows: list[Bar], top: int) -> Iterator[str]:
    longest = max(max(row.most, row.target) for row in rows)
    scale = (RIGHT - LEFT) / longest
    yield f'<text class="text head" x="16" y="{top + 30}">{escape(title)}</text>'
    legend = "thin line: least to most of the rounds; thick line: the target"
    yield f'<text class="muted" x="16" y="{top + 50}">{legend}</text>'
    for number, row in enumerate(rows):
        y = top + HEAD + ROW * number
        least, most, target = (round(LEFT + value * scale, 1) for value in (row.least, row.most, row.target))
        label = escape(row.label)
        is_met = "met" if row.verdict == "met" else "missed"
        yield (
            f'<text class="text" x="{LEFT - 10}" y="{y + 14}" text-anchor="end" font-size="13">{label}</text>'
            f'<rect class="{is_met}" x="{LEFT}" y="{y}" width="{round(row.median * scale, 1)}" height="18"/>'
            f'<path class="spread" d="M{least} {y + 9}H{most}"/><path class="target" d="M{target} {y - 3}V{y + 21}"/>'
            f'<text class="text" x="{RIGHT + 14}" y="{y + 14}" font-size="13">{row.median:.2f}, target {row.target:g}: '
            f"{is_met}</text>"
        )


def table(documents: list[dict[str, Any]]) -> str:
    """Every figure, with what it depends on."""
    parts = []
    for document in documents:
        parts += [_circumstances(document), "", "| | median (min–max) | target | |", "|---|---|---|---|"]
        parts += [*map(_row, document["figures"]), ""]
    return "\n".join(parts).rstrip()


def _circumstances(document: dict[str, Any]) -> str:
    told = {name: value for name, value in document.items() if name not in {"name", "at", "figures"}}
    return f"`{document['name']}`, {document['at'][:10]}: " + ", ".join(f"{name} {said}" for name, said in told.items())


def _row(figure: dict[str, Any]) -> str:
    digits = 2 if figure["unit"] == RATIO else 1
    median, least, most = (
        f"{value:,.{digits}f}" for value in (figure["median"], min(figure["rounds"]), max(figure["rounds"]))
    )
    target = "" if figure["target"] is None else f"{'≥' if figure['more_is_better'] else '≤'} {figure['target']:g}"
    return f"| {figure['what']} | {median} {figure['unit']} ({least}–{most}) | {target} | {figure['verdict'].lower()} |"


def renewed(text: str, documents: list[dict[str, Any]]) -> str:
    """The page with chart and table as they should be."""
    before, _, rest = text.partition(BEGIN)
    image = f"![Connect against other providers; the figures stand in the table beneath]({CHART.name})"
    return f"{before}{BEGIN}\n\n{image}\n\n{table(documents)}\n\n{END}{rest.partition(END)[2]}"


if __name__ == "__main__":
    kept = newest()
    if not bars(kept, more_is_better=True):
        sys.exit(
            f"bench/results/ holds no run of {WHOLE_ROUNDS} rounds or more: python3 dev.py bench {' '.join(CALLS)}"
        )
    CHART.write_text(chart(kept), encoding="utf-8")
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8"), kept), encoding="utf-8")
