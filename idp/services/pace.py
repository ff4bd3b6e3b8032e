"""How many rows a transaction takes: fewer as soon as one lasted too long, and little by little more again."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

LONG_S = 0.05  # half of how long rows may be held, so that the next batch is smaller before one is too long
FEWEST = 10


class Pace:
    """Slow may be the disk, the rows, or whatever else the database is busy with: only the time of the last tells."""

    def __init__(self, most: int, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.rows = self._most = most
        self._monotonic = monotonic

    @contextmanager
    def timed(self) -> Iterator[int]:
        """One transaction of so many rows, which sets how many the next one takes."""
        began = self._monotonic()
        yield self.rows
        if self._monotonic() - began > LONG_S:
            self.rows = max(FEWEST, self.rows // 2)
        else:
            self.rows = min(self._most, self.rows + self._most // 10)
