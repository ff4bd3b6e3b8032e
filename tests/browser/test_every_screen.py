"""Every screen in every state, in four languages: axe-core, structure, names of fields, sizes, reflow."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Opener
from tests.browser.inspect_page import inspect
from tests.browser.states import EVERY_STATE
from tests.browser.walk import Walk
from tests.browser.world import World

# Where axe looks too, at every second screen or at every one; it reads no language.
EVEN, ODD, ALL = (0,), (1,), (0, 1)
IN_TURNS = [("fr", "light", EVEN), ("de", "dark", ODD)]
LONG = [("fr", "light", ALL), ("de", "dark", ALL), ("it", "light", ()), ("en", "light", ())]


@pytest.mark.parametrize(
    ("language", "scheme", "turns"), [*IN_TURNS, *(pytest.param(*one, marks=pytest.mark.long) for one in LONG)]
)
def test_every_screen(world: World, open_page: Opener, language: str, scheme: str, turns: tuple[int, ...]) -> None:
    walk = Walk(open_page(language), world.home, world, language)
    seen, faults = list[str](), list[str]()
    for states in EVERY_STATE:
        for name in states(walk, world):
            seen.append(name)
            faults += inspect(walk.page, name, language, (scheme,) if len(seen) % 2 in turns else ())
    assert faults == []
    assert len(seen) == len(set(seen)) > 50
