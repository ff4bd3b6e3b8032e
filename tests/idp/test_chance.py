"""Randomness and the ids made of it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context

import pytest

from idp.chance import SystemRandom, new_id

DRAWN = 500
NOON = datetime(2026, 3, 27, 12, tzinfo=UTC)


def test_ids_sort_in_the_order_they_were_made_even_within_a_millisecond() -> None:
    made = [new_id(SystemRandom(), NOON + timedelta(microseconds=at * 10)) for at in range(10_000)]
    assert made == sorted(made)
    assert {(one.version, one.variant) for one in made} == {(7, "specified in RFC 4122")}
    assert made[0].int >> 80 == int(NOON.timestamp() * 1000)


def test_threads_never_share_an_id() -> None:
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda _: new_id(SystemRandom(), NOON), range(8_000)))
    assert len(made) == 8_000


@pytest.mark.parametrize("count", [1, 16, 17, 64, 65, 500])
def test_threads_and_children_never_share_what_is_drawn(count: int) -> None:
    """Children that are born while there is something drawn, of a parent that goes on."""
    SystemRandom().bytes(count)
    whole = max(1, 16 // count)  # pieces to make something that is not the same by chance
    with get_context("fork").Pool(4) as children, ThreadPoolExecutor(4) as threads:
        drawn = children.starmap_async(_draw, [(count, whole)] * 8)
        made = [one for some in threads.map(_draw, [count] * 8, [whole] * 8) for one in some]
        made += [one for some in drawn.get(60) for one in some]
    assert {len(one) for one in made} == {count * whole}
    assert len(set(made)) == len(made) == 16 * DRAWN


def _draw(count: int, whole: int) -> list[bytes]:
    return [b"".join(SystemRandom().bytes(count) for _ in range(whole)) for _ in range(DRAWN)]
