"""Every screen in every state, in four languages: axe-core, structure, names of fields, sizes, reflow."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Opener
from tests.browser.inspect_page import inspect
from tests.browser.states import EVERY_STATE
from tests.browser.walk import Walk
from tests.browser.world import World

SCHEMES = {"fr": ("light",), "de": ("dark",), "it": (), "en": ()}  # where axe looks too: it reads no language


@pytest.mark.parametrize("language", ["fr", "de", *(pytest.param(one, marks=pytest.mark.long) for one in ("it", "en"))])
def test_every_screen(world: World, open_page: Opener, language: str) -> None:
    walk = Walk(open_page(language), world.home, world, language)
    seen, faults = list[str](), list[str]()
    for states in EVERY_STATE:
        for name in states(walk, world):
            seen.append(name)
            faults += inspect(walk.page, name, language, SCHEMES[language])
    assert faults == []
    assert len(seen) == len(set(seen)) > 50
