"""Everything works with JavaScript switched off, and nobody meets a control that does nothing (ux.md §10, U9)."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Opener
from tests.browser.states import EMAIL, MOBILE
from tests.browser.walk import Walk, international
from tests.browser.world import World


@pytest.fixture
def walk(world: World, open_page: Opener) -> Walk:
    return Walk(open_page(java_script_enabled=False), world.home, world)


def test_registration_and_sign_in_by_sms(walk: Walk, world: World) -> None:
    walk.open("/")
    walk.press(walk.page.locator(".portals a").filter(has_text="Caisse CPX"))
    walk.press(walk.text("l.register"))
    walk.register_by_sms(world.letter(), EMAIL, MOBILE)
    assert walk.heading == walk.text("r7.title")
    walk.press(walk.text("r7.go", portal="Caisse CPX"))
    assert walk.heading == "Portal"
    walk.open("/account")
    walk.press(walk.text("acc.signout"))
    walk.press(walk.text("lo.all"))
    walk.open("/cpx/login")
    walk.sign_in_by_sms(EMAIL, MOBILE)
    assert walk.heading == "Portal"


def test_registration_and_sign_in_by_app(walk: Walk, world: World) -> None:
    walk.open("/cpx/register/code")
    letter = world.letter()
    walk.enter_code(letter)
    walk.enter_email(EMAIL)
    walk.enter_details(letter, "app")
    app = walk.scan()
    walk.page.locator("summary").click()
    assert app.secret in "".join(walk.page.locator(".seed").inner_text().split())
    walk.fill("otp", world.app_code(app))
    walk.press()
    assert walk.heading == walk.text("r7.title")
    walk.page.context.clear_cookies()
    world.later(minutes=1)
    walk.open("/cpx/login")
    walk.sign_in(EMAIL)
    walk.fill("otp", world.app_code(app))
    walk.press()
    assert walk.heading == "Portal"


def test_the_factor_may_change_from_app_to_sms_and_back(walk: Walk, world: World) -> None:
    letter = world.letter()
    walk.open("/cpx/register/code")
    walk.enter_code(letter)
    walk.enter_email(EMAIL)
    walk.enter_details(letter, "app")
    walk.press(walk.text("r6.switch"))
    assert walk.page.url.endswith("#f-mobile")
    walk.fill("mobile", MOBILE)
    before = world.count()
    walk.press()
    walk.press(walk.text("r5.switch"))
    assert walk.heading == walk.text("r6.title")
    walk.press(walk.text("r6.switch"))
    walk.fill("otp", world.code("sms", international(MOBILE), before))
    walk.press()
    assert walk.heading == walk.text("r7.title")


def test_an_error_is_jumped_to_and_entries_stay_in_every_language(walk: Walk, world: World) -> None:
    walk.open("/cpx/register/code")
    walk.enter_code(world.letter())
    walk.fill("email", "helene@")
    walk.press()
    assert walk.page.url.endswith("#e")
    assert walk.errors() == [walk.text("c.err") + " " + walk.text("e.email.format")]
    for name, language in (("Deutsch", "de"), ("Italiano", "it"), ("English", "en"), ("Français", "fr")):
        walk.press(walk.page.locator("nav a").filter(has_text=name))
        walk.language = language
        assert walk.heading == walk.text("r2.title")
        assert walk.errors() == [walk.text("c.err") + " " + walk.text("e.email.format")]
        assert walk.page.locator("input[name=email]").input_value() == "helene@"


def test_there_is_no_control_that_needs_javascript(walk: Walk, world: World) -> None:
    walk.open("/cpx/login")
    assert walk.page.get_by_text(walk.text("c.showPw")).count() == 0
    walk.open("/help")
    assert walk.page.get_by_text(walk.text("c.print"), exact=True).count() == 0
    walk.open("/?q=fon")
    assert walk.page.locator(".portals a").count() == 1
