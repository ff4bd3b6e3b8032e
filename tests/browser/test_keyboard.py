"""Registration, sign-in and sign-out without a mouse (ux.md §10, U3)."""

from __future__ import annotations

from tests.browser.conftest import Opener
from tests.browser.keyboard import KeyboardWalk
from tests.browser.letters import Letters
from tests.browser.test_guide import CERTIFICATE, SIGNED_OUT, enter
from tests.browser.world import World
from tests.support.demonstration import Demo


def test_registration_by_sms_sign_out_and_sign_in(demo: Demo, letters: Letters, open_page: Opener) -> None:
    walk = KeyboardWalk(open_page("fr"), demo.home, demo)
    enter(walk, "Caisse Démo A")
    walk.register_by_sms(letters.one(), "clavier@example.ch", "079 302 00 01")
    assert walk.heading == walk.text("r7.title")
    walk.press(walk.text("r7.go", portal="Caisse Démo A"))
    assert walk.heading == CERTIFICATE
    walk.press("Sign out")
    assert SIGNED_OUT in walk.body
    walk.open("/demo-a/login")
    walk.sign_in_by_sms("clavier@example.ch", "079 302 00 01")
    assert walk.heading == CERTIFICATE
    walk.open("/account")
    walk.press(walk.text("acc.signout"))
    walk.press(walk.text("lo.all"))
    assert walk.heading == walk.text("lo.done")


def test_registration_by_app_and_sign_in(demo: Demo, letters: Letters, open_page: Opener) -> None:
    walk = KeyboardWalk(open_page("de"), demo.home, demo, "de")
    enter(walk, "Kasse Demo A")
    app = walk.register_by_app(letters.one(), "tastatur@example.ch")
    assert walk.heading == walk.text("r7.title")
    walk.page.context.clear_cookies(name="connect_session")
    walk.open("/demo-a/login")
    walk.sign_in_by_app("tastatur@example.ch", app)
    assert walk.heading == CERTIFICATE


def test_tab_goes_through_the_page_in_reading_order_and_out_again(world: World, open_page: Opener) -> None:
    walk = KeyboardWalk(open_page(viewport={"width": 320, "height": 256}), world.home, world)  # 1280 px at 400 %
    for path in ("/", "/cpx/login", "/cpx/register/code"):
        walk.open(path)
        stops = []
        for _ in range(60):
            walk._tab()
            at = walk.page.evaluate(AT)
            if at < 0:
                break
            stops.append(at)
        assert stops == sorted(set(stops)), path
        assert len(stops) == walk.page.evaluate(ALL), path


STOPS = """[...document.querySelectorAll("a[href],button,input:not([type=hidden]),summary")]
  .filter(one => one.checkVisibility())"""
AT, ALL = f"{STOPS}.indexOf(document.activeElement)", f"{STOPS}.length"


def test_the_skip_link_leads_past_the_header(world: World, open_page: Opener) -> None:
    walk = KeyboardWalk(open_page(), world.home, world)
    walk.open("/cpx/login")
    walk._tab()
    assert walk.page.evaluate("document.activeElement.className") == "skip"
    walk.page.keyboard.press("Enter")
    walk._tab()
    assert walk.page.evaluate("document.activeElement.className") == "back"


def test_a_link_of_the_error_summary_leads_into_the_field(world: World, open_page: Opener) -> None:
    walk = KeyboardWalk(open_page(), world.home, world)
    walk.open("/cpx/login")
    walk.press()
    walk._tab()
    walk.page.keyboard.press("Enter")
    assert walk.page.evaluate("document.activeElement.name") == "email"
    box = walk.page.locator("label[for=f-email]").bounding_box()
    assert box is not None
    assert box["y"] >= 0  # the label is in sight too
