"""A person's account in a real browser, with the keyboard alone and without JavaScript (ux.md §4.5, §10)."""

from __future__ import annotations

from tests.browser.conftest import Opener
from tests.browser.keyboard import KeyboardWalk
from tests.browser.states import EMAIL, MOBILE
from tests.browser.walk import PASSWORD, Walk, international
from tests.browser.world import World


def registered(walk: Walk, world: World) -> None:
    walk.open("/cpx/register/code")
    walk.register_by_sms(world.letter(), EMAIL, MOBILE)
    world.later(minutes=1)


def test_the_account_is_kept_without_javascript(world: World, open_page: Opener) -> None:
    walk = Walk(open_page(java_script_enabled=False), world.home, world)
    registered(walk, world)
    walk.open("/account")
    before = walk.page.locator(".todo li").count()
    walk.press(walk.page.locator(".todo button").first)
    assert walk.page.locator(".todo li").count() == before - 1
    walk.press(walk.text("c.lang"))
    walk.choose("language", "de")
    walk.press()
    assert walk.heading == "Sprache"
    walk.language = "de"
    walk.press(walk.text("acc.security"))
    walk.press(walk.text("acc.app.add"))
    walk.press()
    app = walk.scan()
    walk.fill("otp", world.app_code(app))
    walk.press()
    walk.press(walk.text("acc.method.remove"))
    walk.choose("factor", "sms")
    walk.press()
    assert walk.says("acc.last")
    world.later(minutes=1)
    walk.open("/cpx/account/close")
    walk.fill("password", PASSWORD)
    walk.press()
    walk.fill("otp", world.app_code(app))
    walk.press()
    walk.press()
    assert walk.errors() == ["Fehler: " + walk.text("e.close.empty")]
    walk.choose("agree", "yes")
    walk.press()
    assert walk.heading == walk.text("close.done")


def test_the_account_is_changed_and_closed_with_the_keyboard_alone(world: World, open_page: Opener) -> None:
    walk = KeyboardWalk(open_page(viewport={"width": 1280, "height": 800}), world.home, world)
    registered(walk, world)
    walk.open("/account")
    walk.press(walk.text("acc.profile"))
    assert walk.page.locator("[aria-current=page]").inner_text() == walk.text("acc.profile")
    walk.press(walk.text("acc.mobile.change"))
    before = world.count()
    walk.fill("mobile", "079 765 43 21")
    walk.press()
    walk.fill("otp", world.code("sms", international("079 765 43 21"), before))
    walk.press()
    assert walk.heading == walk.text("acc.security")
    world.later(minutes=1)
    walk.press(walk.text("acc.profile"))
    walk.press(walk.text("close.title"))
    before = world.count()
    walk.fill("password", PASSWORD)
    walk.press()
    walk.fill("otp", world.code("sms", international("079 765 43 21"), before))
    walk.press()
    walk.choose("agree", "yes")
    walk.press()
    assert walk.heading == walk.text("close.done")
    walk.open("/account")
    assert walk.page.url.startswith(f"{world.home}/?then=account")


def test_the_sections_stand_at_the_left_where_there_is_room_and_below_elsewhere(
    world: World, open_page: Opener
) -> None:
    page = open_page()
    walk = Walk(page, world.home, world)
    registered(walk, world)
    walk.open("/account/profile")
    for width, is_beside in ((320, False), (899, False), (900, True), (1600, True)):
        page.set_viewport_size({"width": width, "height": 800})
        card, list_ = (page.locator(which).bounding_box() for which in (".card", "main nav"))
        assert card
        assert list_
        assert (list_["x"] + list_["width"] <= card["x"]) is is_beside
        assert (list_["y"] >= card["y"] + card["height"]) is not is_beside
        assert page.evaluate("document.documentElement.scrollWidth") <= width
