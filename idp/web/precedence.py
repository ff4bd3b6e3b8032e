"""Who goes first on a core: the threads that make answers, before the server's own that carry them.

A thread that slept interrupts the one that computes (sched(7)). Those that carry sleep until a socket has something to
say, so they would interrupt every request twice, and answer no sooner for it. As SCHED_BATCH they let it compute until
it waits for something itself. It costs nothing where a core is free.
"""

from __future__ import annotations

import os
import sys
import threading
from contextlib import suppress

_here = threading.local()


def behind() -> None:
    """This thread gives way, and so do those that it begins from here on, until they are found to make answers."""
    if sys.platform == "linux":
        _choose(os.SCHED_BATCH)


def in_front() -> None:
    """This thread makes an answer. Looked at once in its life."""
    if not hasattr(_here, "is_in_front"):
        _here.is_in_front = True
        if sys.platform == "linux":
            _choose(os.SCHED_OTHER)


def _choose(policy: int) -> None:
    with suppress(OSError):  # a container may forbid it: slower then, but not otherwise
        os.sched_setscheduler(0, policy, os.sched_param(0))
