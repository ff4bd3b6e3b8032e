"""A reset that the desk agreed on, in a real browser: the owner sees it in the account and stops it there."""

from __future__ import annotations

from tests.browser.conftest import Opener
from tests.browser.inspect_page import inspect
from tests.browser.walk import Walk
from tests.browser.world import World

EMAIL = "helene@example.ch"


def test_the_owner_finds_it_on_the_first_page_of_the_account_and_stops_it(world: World, open_page: Opener) -> None:
    walk = Walk(open_page(), world.home, world)
    walk.open("/cpx/register/code")
    walk.register_by_sms(world.letter(), EMAIL, "079 123 45 67")
    world.later(minutes=1)
    world.agree_on_reset(EMAIL)
    walk.open("/account")
    assert inspect(walk.page, "account, with a reset", walk.language, ("light", "dark")) == []
    walk.press(walk.text("res.stop"))
    assert walk.says("res.stopped")
    walk.open("/account/reset/stop?reset=nothing")
    assert walk.heading == walk.text("x.reset.title")
    assert inspect(walk.page, "x.reset", walk.language, ("light", "dark")) == []
