"""The console in a real Chromium: every screen, and the whole of it by keyboard and without JavaScript."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Opener
from tests.browser.console import console_states
from tests.browser.inspect_page import inspect
from tests.browser.walk import Walk
from tests.browser.world import World

SCHEMES = {"fr": ("light", "dark"), "de": ("dark",), "it": (), "en": ()}


@pytest.mark.parametrize("language", SCHEMES)
def test_every_screen_of_the_console(world: World, open_page: Opener, language: str) -> None:
    walk = Walk(open_page(language), world.home, world, language)
    seen, faults = list[str](), list[str]()
    for name in console_states(walk, world):
        seen.append(name)
        faults += inspect(walk.page, name, language, SCHEMES[language])
    assert faults == []
    assert len(seen) == len(set(seen)) > 15
