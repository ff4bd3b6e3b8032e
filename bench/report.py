"""Figures as a table on the terminal and as JSON in bench/results/, with all that a reader needs to judge them."""

from __future__ import annotations

import json
import os
import platform
import shutil
import statistics
import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RESULTS = Path(__file__).parent / "results"
RATIO = "×"
WHOLE_ROUNDS = 5  # fewer show that a measurement works, and measure nothing


@dataclass(frozen=True)
class Figure:
    """One measured thing, one value a round. The target bounds the median of the rounds: from above, or from below
    where more is better.

    `processor` is what the server computed meanwhile, in the same unit: a busy machine blurs it least.
    """

    what: str
    unit: str
    rounds: list[float]
    target: float | None = None
    count: int = 1  # samples a round
    processor: float | None = None
    more_is_better: bool = False

    @property
    def median(self) -> float:
        return statistics.median(self.rounds)

    @property
    def verdict(self) -> str:
        if self.target is None:
            return ""
        is_met = self.median >= self.target if self.more_is_better else self.median <= self.target
        return "met" if is_met else "MISSED"


@dataclass
class Report:
    name: str
    circumstances: dict[str, Any]
    figures: list[Figure] = field(default_factory=list)

    def show(self) -> None:
        width = max(len(figure.what) for figure in self.figures)
        print(f"\n{self.name}: " + ", ".join(f"{name} {value}" for name, value in self.circumstances.items()))
        print(f"  {'':{width}}  {'median':>9}  {'min–max':>15}  {'processor':>9}  {'target':>8}")
        for one in self.figures:
            digits = 2 if one.unit == RATIO else 1
            spread = f"{min(one.rounds):.{digits}f}–{max(one.rounds):.{digits}f}"
            target = "" if one.target is None else f"{'≥' if one.more_is_better else '≤'} {one.target:g}"
            computed = "" if one.processor is None else f"{one.processor:.1f} {one.unit}"
            median = f"{one.median:>6.{digits}f} {one.unit:2}"
            print(f"  {one.what:{width}}  {median}  {spread:>15}  {computed:>9}  {target:>8}  {one.verdict}")

    def keep(self) -> Path:
        """Write the JSON; returns where."""
        now = datetime.now(UTC)
        figures = [{**asdict(one), "median": one.median, "verdict": one.verdict} for one in self.figures]
        document = {"name": self.name, "at": now.isoformat(), **self.circumstances, "figures": figures}
        RESULTS.mkdir(exist_ok=True)
        path = RESULTS / f"{self.name}-{now:%Y%m%dT%H%M%S}.json"
        path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
        return path


def circumstances(*, rounds: int, **more: Any) -> dict[str, Any]:
    """What the figures depend on. Absolute times of a shared machine are a hint, not a promise."""
    return {
        "rounds": rounds, "server": "granian, 1 process", "database": "SQLite, WAL, synchronous=FULL", **more,
        "python": platform.python_version(), "cores": os.cpu_count(), "load": round(os.getloadavg()[0], 1),
    }  # fmt: skip


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that `share` of all do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * int(share * 100) // 100) - 1)]


def processor_ms(pid: int) -> float:
    """What the living threads of a process have computed so far, in milliseconds."""
    return sum(int(path.read_text().split()[0]) for path in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e6


def computed_s(pid: int) -> float:
    """What a process has computed so far, and those that it began and has waited for, in seconds."""
    after_name = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return sum(map(int, after_name[11:15])) / os.sysconf("SC_CLK_TCK")


def pin(pid: int, core: int) -> None:
    """Keep a process, with every thread it has, on one core where there are several, so that server and load do not
    push each other about. A thread that is begun later stays where the one is that began it.
    """
    if not _has_cores():
        return
    pinned: set[str] = set()
    while rest := {task.name for task in Path(f"/proc/{pid}/task").iterdir()} - pinned:
        for thread in rest:
            with suppress(ProcessLookupError):
                os.sched_setaffinity(int(thread), {core})
        pinned |= rest


def on_core(core: int) -> list[str]:
    """What stands before a command so that all of it runs on one core."""
    return ["taskset", "-c", str(core)] if _has_cores() and shutil.which("taskset") else []


def _has_cores() -> bool:
    return sys.platform == "linux" and (os.cpu_count() or 1) > 1
