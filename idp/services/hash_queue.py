"""The queue at the processor: few passwords are hashed at once, few requests wait, and nobody waits long.

argon2 takes a whole core, so a flood of guesses would take them all and every thread too (OWASP ASVS 5.0 §15.2.2).
Who finds no place is told so before anything is judged, counted or looked up: the answer says nothing of any account.
"""

from __future__ import annotations

import os
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from typing import TypeVar

from idp.services.metrics import HASH_PLACES, HASH_REFUSED, HASH_TIME, HASH_WAIT, Metrics

KEPT_FREE = 2  # places that no single network can take from all the others
LONGEST_WAIT_S = 5.0
COME_BACK_IN_S = 3
NICE = 5

T = TypeVar("T")


class TooBusy(Exception):
    """No place, or no turn in time. `is_own_flood`: the network that asks holds all that one network may hold."""

    def __init__(self, *, is_own_flood: bool = False) -> None:
        super().__init__("too many passwords at once")
        self.is_own_flood = is_own_flood


def _give_way() -> None:
    """This thread computes when no request needs the core: hashing takes what is left, a quarter of it at least."""
    if sys.platform == "linux":  # where each thread has a priority of its own
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), NICE)


class HashQueue:
    def __init__(self, at_once: int, waiting: int, metrics: Metrics) -> None:
        self._metrics = metrics
        self._places = at_once + waiting
        self._share = max(1, self._places - KEPT_FREE)
        # Threads of their own: what argon2 needed stays with a thread, 19 MiB each, and the server has many threads.
        self._hashers = ThreadPoolExecutor(at_once, thread_name_prefix="hash", initializer=_give_way)
        self._lock = threading.Lock()
        self._held: Counter[str] = Counter()

    @contextmanager
    def place(self, network: str) -> Iterator[None]:
        """Hold one of the places while a request with a password is judged. Raises `TooBusy` at once where none is
        left.
        """
        with self._lock:
            if self._held[network] >= self._share:
                self._metrics.count(HASH_REFUSED, "own_flood")
                raise TooBusy(is_own_flood=True)
            if self._held.total() >= self._places:
                self._metrics.count(HASH_REFUSED, "no_place")
                raise TooBusy
            self._held[network] += 1
            self._metrics.count(HASH_PLACES)
        try:
            yield
        finally:
            with self._lock:
                self._metrics.count(HASH_PLACES, by=-1)
                self._held[network] -= 1
                if not self._held[network]:
                    del self._held[network]

    def run(self, job: Callable[[], T]) -> T:
        """Do this when its turn comes, and return or raise what it does. Raises `TooBusy` where it does not in time."""
        asked_at = time.perf_counter()

        def in_turn() -> T:
            began = time.perf_counter()
            self._metrics.observe(HASH_WAIT, began - asked_at)
            try:
                return job()
            finally:
                self._metrics.observe(HASH_TIME, time.perf_counter() - began)

        turn = self._hashers.submit(in_turn)
        wait([turn], timeout=LONGEST_WAIT_S)
        if not turn.done():
            turn.cancel()
            self._metrics.count(HASH_REFUSED, "no_turn")
            raise TooBusy
        return turn.result()
