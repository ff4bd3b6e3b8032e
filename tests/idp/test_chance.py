"""Randomness and the ids made of it."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

from idp.chance import SystemRandom, namer, new_id

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


def test_names_are_all_different_also_those_of_another_process() -> None:
    one, other = namer(SystemRandom()), namer(SystemRandom())
    with ThreadPoolExecutor(8) as pool:
        made = set(pool.map(lambda at: (one if at % 2 else other)(), range(8_000)))
    assert len(made) == 8_000
    assert all(re.fullmatch(r"[0-9a-f]{32}", name) for name in made)
