"""What the process's C library does with memory (malloc(3) of glibc)."""

from __future__ import annotations

import ctypes
from contextlib import suppress

M_ARENA_MAX = -8  # malloc.h


def share_one() -> None:
    """One heap for all threads, which take turns at the interpreter anyway: what a thread gives back, above all the
    19 MiB of a password's hash, is there for the next one instead of lying idle in a heap of its own. Before the first
    thread is begun; where another C library is, nothing happens.
    """
    with suppress(OSError, AttributeError):
        ctypes.CDLL(None).mallopt(M_ARENA_MAX, 1)
