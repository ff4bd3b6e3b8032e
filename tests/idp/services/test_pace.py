"""A batch that lasted long makes the next ones smaller, and short ones make them grow back."""

from __future__ import annotations

import pytest

from idp.services.pace import FEWEST, LONG_S, Pace


class Watch:
    """A monotonic time that a test drives."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def batches(pace: Pace, watch: Watch, seconds: float, times: int) -> list[int]:
    """How many rows each of so many batches takes, when each lasts so long."""
    sizes = []
    for _ in range(times):
        with pace.timed() as count:
            watch.at += seconds
        sizes.append(count)
    return sizes


def test_long_batches_are_halved_down_to_a_few_rows() -> None:
    watch = Watch()
    pace = Pace(500, watch)
    assert batches(pace, watch, LONG_S * 2, 8) == [500, 250, 125, 62, 31, 15, FEWEST, FEWEST]


def test_short_batches_grow_back_slowly_and_no_further() -> None:
    watch = Watch()
    pace = Pace(500, watch)
    assert batches(pace, watch, LONG_S, 2) == [500, 500]
    batches(pace, watch, LONG_S * 2, 2)
    assert batches(pace, watch, LONG_S / 2, 10) == [125, 175, 225, 275, 325, 375, 425, 475, 500, 500]


def test_a_batch_that_failed_says_nothing_of_the_next() -> None:
    pace = Pace(50, Watch())
    with pytest.raises(ConnectionError), pace.timed():
        raise ConnectionError
    assert pace.rows == 50
