"""What the ordinary run takes in turns, and the long run (`--every-engine`) altogether.

Whose turn it is hangs on names alone, so every run and every worker of a run chooses alike. What is left to the other
engine of the two is taken there, where a test runs on both.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import TypeVar
from zlib import crc32

One = TypeVar("One")

_takes_all = [False]


def take_all() -> None:
    """From now on nothing waits for its turn."""
    _takes_all[0] = True


def takes_all() -> bool:
    return _takes_all[0]


def one_of_each(named: Iterable[tuple[Hashable, One]], what: str, after: int = 0) -> list[One]:
    """Of those that bear the same name one, by turns: another one for another `what`, and the one `after` it."""
    groups: dict[Hashable, list[One]] = {}
    for name, one in named:
        groups.setdefault(name, []).append(one)
    if takes_all():
        return [one for group in groups.values() for one in group]
    return [group[(crc32(f"{what} {name}".encode()) + after) % len(group)] for name, group in groups.items()]
