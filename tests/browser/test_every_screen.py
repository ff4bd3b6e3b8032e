"""Every screen in every state, in four languages: axe-core, structure, names of fields, sizes, reflow."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Opener
from tests.browser.inspect_page import inspect
from tests.browser.states import EVERY_STATE
from tests.browser.walk import Walk
from tests.browser.world import World

# The schemes in which axe looks, by turns where there are two; it reads no language. German words are the widest.
ORDINARY = ("de", ("light", "dark"))
LONG = [("fr", ("light",)), ("de", ("dark",)), ("it", ()), ("en", ())]


@pytest.mark.parametrize(
    ("language", "schemes"), [ORDINARY, *(pytest.param(*one, marks=pytest.mark.long) for one in LONG)]
)
def test_every_screen(world: World, open_page: Opener, language: str, schemes: tuple[str, ...]) -> None:
    walk = Walk(open_page(language), world.home, world, language)
    seen, faults = list[str](), list[str]()
    for states in EVERY_STATE:
        for name in states(walk, world):
            seen.append(name)
            turn = schemes[len(seen) % len(schemes) :][:1] if schemes else ()
            faults += inspect(walk.page, name, language, turn)
    assert faults == []
    assert len(seen) == len(set(seen)) > 50
