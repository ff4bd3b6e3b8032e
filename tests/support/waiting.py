"""Waiting for what another process does; what a frozen clock can say is never waited for."""

from __future__ import annotations

import time
from collections.abc import Callable


def wait_until(is_so: Callable[[], bool], within_s: float = 30) -> None:
    """Look again and again until it is so; fails when it is not so in time."""
    deadline = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)
