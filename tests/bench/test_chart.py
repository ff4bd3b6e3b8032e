"""Chart and table say what was measured: bars as long as their ratios, targets where they are, nothing quick."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from docs import performance

pytestmark = pytest.mark.no_database
SVG = "{http://www.w3.org/2000/svg}"


def figure(what: str, rounds: list[float], target: float | None, verdict: str, **changes: Any) -> dict[str, Any]:
    median = sorted(rounds)[len(rounds) // 2]
    common = {"what": what, "unit": "×", "rounds": rounds, "target": target, "median": median, "verdict": verdict}
    return {**common, "more_is_better": True, **changes}


def document(name: str, at: str, *figures: dict[str, Any], rounds: int = 5) -> dict[str, Any]:
    return {"name": name, "at": at, "rounds": rounds, "cores": 2, "figures": list(figures)}


FAST = figure("against <a peer>", [1.0, 1.5, 2.0], 1.2, "met")
SLOW = figure("against <a peer>", [0.5, 0.75, 1.0], 1.2, "MISSED")
TAIL = figure("p99 against <a peer>", [0.2, 0.25, 0.4], 0.5, "met", more_is_better=False)
SPEED = figure("Connect", [1000.0, 1200.0, 1500.0], None, "", unit="/s")


def test_a_bar_is_as_long_as_its_ratio_and_its_target_stands_where_it_is() -> None:
    documents = [document("exchange", "2026-01-01", SPEED, FAST, TAIL), document("refresh", "2026-01-01", SLOW)]
    drawn = ElementTree.fromstring(performance.chart(documents))  # noqa: S314 - our own
    fast, slow, tail = drawn.findall(f"{SVG}rect")[1:]
    assert (fast.get("class"), slow.get("class"), tail.get("class")) == ("met", "missed", "met")
    assert float(fast.get("width", 0)) == pytest.approx(2 * float(slow.get("width", 0)), abs=0.2)
    targets = [path.get("d", "")[1:].split()[0] for path in drawn.findall(f"{SVG}path[@class='target']")]
    assert targets[0] == targets[1]
    scale = float(fast.get("width", 0)) / 1.5
    assert float(targets[0]) == pytest.approx(performance.LEFT + 1.2 * scale, abs=0.2)
    told = [text.text or "" for text in drawn.findall(f"{SVG}text")]
    assert "exchange: against <a peer>" in told
    assert "0.75, target 1.2: missed" in told


def test_the_page_holds_each_figure_with_its_spread_and_its_target() -> None:
    text = f"before\n{performance.BEGIN}\nold\n{performance.END}\nafter\n"
    page = performance.renewed(text, [document("exchange", "2026-01-01", SPEED, SLOW)])
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert "old" not in page
    assert "| against <a peer> | 0.75 × (0.50–1.00) | ≥ 1.2 | missed |" in page
    assert "| Connect | 1,200.0 /s (1,000.0–1,500.0) |  |  |" in page
    assert "performance.svg" in page


def test_the_newest_whole_run_of_each_name_counts(tmp_path: Path) -> None:
    for number, one in enumerate((
        document("refresh", "2026-01-01", SLOW), document("exchange", "2026-01-02", FAST),
        document("exchange", "2026-01-01", SLOW), document("exchange", "2026-01-03", SLOW, rounds=1),
        document("pages", "2026-01-01"),
    )):  # fmt: skip
        (tmp_path / f"{number}.json").write_text(json.dumps(one))
    assert [(one["name"], one["at"]) for one in performance.newest(tmp_path)] == [
        ("exchange", "2026-01-02"), ("refresh", "2026-01-01"),
    ]  # fmt: skip


def test_the_page_of_the_project_has_the_place_for_them() -> None:
    text = performance.PAGE.read_text(encoding="utf-8")
    assert 0 < text.index(performance.BEGIN) < text.index(performance.END)
