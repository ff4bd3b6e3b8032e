"""So many may hash, so many may wait, no network takes all, and whoever must leave leaves nothing behind."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import pytest

from idp.services import hash_queue
from idp.services.hash_queue import KEPT_FREE, HashQueue, TooBusy
from idp.services.metrics import Metrics

AT_ONCE, WAITING = 2, 4
PLACES = AT_ONCE + WAITING


@pytest.fixture
def queue() -> HashQueue:
    return HashQueue(AT_ONCE, WAITING, Metrics(None))


@contextmanager
def hashing(queue: HashQueue, count: int) -> Iterator[None]:
    """So many are being hashed, until this ends."""
    begun, is_over = threading.Barrier(count + 1), threading.Event()

    def hash_long() -> None:
        begun.wait(5)
        is_over.wait(5)

    for _ in range(count):
        queue._hashers.submit(hash_long)
    begun.wait(5)
    try:
        yield
    finally:
        is_over.set()


def test_one_more_than_all_places_is_refused_at_once_until_one_is_free(queue: HashQueue) -> None:
    with ExitStack() as held:
        for at in range(PLACES - 1):
            held.enter_context(queue.place(f"network {at}"))
        with queue.place("the last"), pytest.raises(TooBusy) as refused, queue.place("one too many"):
            pass
        assert not refused.value.is_own_flood
        with queue.place("one too many"):
            pass
    assert queue._held.total() == 0


def test_one_network_leaves_places_to_the_others(queue: HashQueue) -> None:
    with ExitStack() as held:
        for _ in range(PLACES - KEPT_FREE):
            held.enter_context(queue.place("the flood"))
        with pytest.raises(TooBusy) as refused, queue.place("the flood"):
            pass
        assert refused.value.is_own_flood
        for at in range(KEPT_FREE):
            held.enter_context(queue.place(f"network {at}"))
        with pytest.raises(TooBusy) as refused, queue.place("another"):
            pass
        assert not refused.value.is_own_flood


def test_the_smallest_queue_still_lets_a_network_in() -> None:
    queue = HashQueue(1, 1, Metrics(None))
    with queue.place("one"), pytest.raises(TooBusy), queue.place("one"):
        pass


def test_a_place_is_given_back_whatever_happens(queue: HashQueue) -> None:
    for _ in range(PLACES + 1):
        with pytest.raises(ZeroDivisionError), queue.place("one"):
            queue.run(lambda: 1 // 0)
    assert not queue._held


def test_no_more_than_allowed_hash_at_once_and_nobody_waits_longer_than_allowed(
    queue: HashQueue, monkeypatch: pytest.MonkeyPatch
) -> None:
    with hashing(queue, AT_ONCE):
        monkeypatch.setattr(hash_queue, "LONGEST_WAIT_S", 0.02)
        late: list[str] = []
        with pytest.raises(TooBusy) as refused:
            queue.run(lambda: late.append("after nobody waited any more"))
        assert not refused.value.is_own_flood
    monkeypatch.undo()
    assert queue.run(lambda: "done") == "done"
    assert late == []


def test_who_waits_gets_the_turn_that_comes_free(queue: HashQueue) -> None:
    had = threading.Event()
    with hashing(queue, AT_ONCE):
        waiting = threading.Thread(target=lambda: queue.run(had.set))
        waiting.start()
        assert not had.wait(0.05)
    waiting.join(5)
    assert had.is_set()
