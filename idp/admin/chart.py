"""Bars as SVG, made here: a few series by day, told apart by pattern as well as by colour (ux.md §9.1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT, GAP = 640, 160, 2


@dataclass(frozen=True)
class Bar:
    x: float
    y: float
    width: float
    height: float
    series: int


@dataclass(frozen=True)
class Chart:
    bars: tuple[Bar, ...]
    highest: int
    width: int = WIDTH
    height: int = HEIGHT


def chart(rows: Sequence[Sequence[int]]) -> Chart:
    """One group of bars for each row, one bar for each value of it."""
    highest = max((value for row in rows for value in row), default=0)
    room = WIDTH / max(1, len(rows))
    bars = []
    for at, row in enumerate(rows):
        width = (room - GAP) / len(row)
        for series, value in enumerate(row):
            height = round(HEIGHT * value / highest, 1) if highest else 0.0
            bars.append(Bar(round(at * room + series * width, 1), HEIGHT - height, round(width, 1), height, series))
    return Chart(tuple(bars), highest)
