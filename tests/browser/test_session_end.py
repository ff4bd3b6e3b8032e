"""The end of a session in a real Chromium: told in time, put off by one press, true in every tab (ux.md §10, U25)."""

from __future__ import annotations

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Opener
from tests.browser.inspect_page import keep_picture
from tests.browser.states import EMAIL, MOBILE
from tests.browser.walk import PASSWORD, Walk
from tests.browser.world import World

MINUTE_MS = 60_000


@pytest.fixture
def walk(world: World, open_page: Opener) -> Walk:
    """A person who is signed in, and at whose page the time can be turned."""
    page = open_page()
    page.clock.install()
    walk = Walk(page, world.home, world)
    walk.open("/cpx/register/code")
    walk.register_by_sms(world.letter(), EMAIL, MOBILE)
    return walk


def pass_by(world: World, page: Page, minutes: float) -> None:
    """For the server and for the script of this page."""
    world.later(minutes=minutes)
    page.clock.run_for(int(minutes * MINUTE_MS))


def dialog(page: Page) -> Locator:
    return page.get_by_role("alertdialog")


def extend(walk: Walk, page: Page | None = None) -> Locator:
    return dialog(page or walk.page).get_by_role("button", name=walk.text("acc.extend"), exact=True)


def test_two_minutes_before_the_end_it_is_told_and_one_press_puts_it_off(world: World, walk: Walk) -> None:
    walk.open("/account/security")
    pass_by(world, walk.page, 27.9)
    expect(dialog(walk.page)).to_be_hidden()
    pass_by(world, walk.page, 0.2)
    expect(dialog(walk.page)).to_be_visible()
    expect(dialog(walk.page)).to_have_accessible_name(walk.text("acc.timeout", time="15:00"))
    expect(extend(walk)).to_be_focused()
    pass_by(world, walk.page, 1.5)
    expect(extend(walk)).to_be_focused()
    walk.page.keyboard.press("Enter")
    expect(dialog(walk.page)).to_be_hidden()
    assert walk.page.url.endswith("/account/security")
    pass_by(world, walk.page, 27)
    expect(dialog(walk.page)).to_be_hidden()
    pass_by(world, walk.page, 1.1)
    expect(dialog(walk.page)).to_be_visible()
    for _ in range(9):  # as often as one likes (WCAG 2.2.1)
        extend(walk).click()
        expect(dialog(walk.page)).to_be_hidden()
        pass_by(world, walk.page, 28.1)
        expect(dialog(walk.page)).to_be_visible()


def test_what_another_tab_does_is_known_before_anything_is_said(world: World, walk: Walk) -> None:
    walk.open("/account/security")
    other = walk.page.context.new_page()
    pass_by(world, walk.page, 20)
    other.goto(world.home + "/account")
    pass_by(world, walk.page, 8.1)
    walk.page.wait_for_timeout(200)  # for an answer that must not come
    expect(dialog(walk.page)).to_be_hidden()
    pass_by(world, walk.page, 20)
    expect(dialog(walk.page)).to_be_visible()
    other.goto(world.home + "/account")
    pass_by(world, walk.page, 0.2)
    expect(dialog(walk.page)).to_be_hidden()


def test_after_the_end_the_page_says_so_hides_itself_and_leads_to_the_sign_in(world: World, walk: Walk) -> None:
    walk.open("/account/security")
    pass_by(world, walk.page, 28.1)
    expect(dialog(walk.page)).to_be_visible()
    pass_by(world, walk.page, 2)
    expect(dialog(walk.page)).to_have_accessible_name(walk.text("acc.timeout.over"))
    expect(extend(walk)).to_be_hidden()
    link = dialog(walk.page).get_by_role("link", name=walk.text("l.signin"), exact=True)
    expect(link).to_be_focused()
    walk.page.keyboard.press("Escape")
    expect(dialog(walk.page)).to_be_visible()
    behind = "getComputedStyle(document.getElementById('timeout'), '::backdrop').backgroundColor"
    assert walk.page.evaluate(behind) == walk.page.evaluate("getComputedStyle(document.body).backgroundColor")
    with walk.page.expect_navigation():
        link.click()
    assert walk.heading == walk.text("p.title")
    walk.press(walk.page.locator(".portals a").filter(has_text="Caisse CPX"))
    walk.sign_in_by_sms(EMAIL, MOBILE)
    assert walk.page.url.endswith("/account/security")


def test_a_form_of_a_change_warns_too_and_escape_is_respected(world: World, walk: Walk) -> None:
    walk.open("/cpx/account/email")
    walk.fill("email", "new@example.ch")
    pass_by(world, walk.page, 28.1)
    expect(dialog(walk.page)).to_be_visible()
    walk.page.keyboard.press("Escape")
    expect(dialog(walk.page)).to_be_hidden()
    pass_by(world, walk.page, 1)
    walk.page.wait_for_timeout(200)  # for an answer that must not open it again
    expect(dialog(walk.page)).to_be_hidden()
    assert walk.page.locator("[name=email]").input_value() == "new@example.ch"
    walk.press()
    assert walk.heading == walk.text("acc.reauth")  # ten minutes are over, the entry is not
    walk.fill("password", PASSWORD)
    walk.press()
    assert walk.page.locator("[name=email]").input_value() == "new@example.ch"


def test_an_end_that_cannot_be_put_off_is_told_without_a_button_that_lies(world: World, walk: Walk) -> None:
    walk.open("/account")
    for _ in range(29):
        world.later(minutes=24)
        walk.page.reload()
    pass_by(world, walk.page, 22.1)
    expect(dialog(walk.page)).to_have_accessible_name(walk.text("acc.timeout.last", time="02:30"))
    expect(extend(walk)).to_be_hidden()
    button = dialog(walk.page).get_by_role("button", name=walk.text("c.continue"), exact=True)
    expect(button).to_be_focused()
    button.click()
    pass_by(world, walk.page, 2)
    expect(dialog(walk.page)).to_have_accessible_name(walk.text("acc.timeout.over"))


def test_other_pages_have_no_such_dialog(walk: Walk) -> None:
    walk.open("/help")
    assert dialog(walk.page).count() == 0
    walk.open("/cpx/login")
    assert walk.page.locator("dialog").count() == 0


def test_a_page_that_only_asks_for_passkeys_does_not_keep_its_session_open(world: World, walk: Walk) -> None:
    walk.open("/account/security/passkeys/new")
    for _ in range(14):
        with walk.page.expect_response("**/passkeys/new"):
            pass_by(world, walk.page, 2.02)
    expect(dialog(walk.page)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_dialog_fits_a_small_screen(world: World, walk: Walk, scheme: str) -> None:
    walk.page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    walk.page.set_viewport_size({"width": 320, "height": 568})
    walk.open("/account/sessions?lang=de")
    walk.language = "de"
    for minutes in (28.1, 2):
        pass_by(world, walk.page, minutes)
        expect(dialog(walk.page)).to_be_visible()
        box = dialog(walk.page).bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 320
        assert walk.page.evaluate("document.documentElement.scrollWidth") == 320
        keep_picture(walk.page, f"session-end-{scheme}-{minutes}")


def test_without_javascript_the_next_form_waits_for_the_sign_in(world: World, open_page: Opener) -> None:
    walk = Walk(open_page(java_script_enabled=False), world.home, world)
    walk.open("/cpx/register/code")
    walk.register_by_sms(world.letter(), EMAIL, MOBILE)
    world.add_passkey(EMAIL)
    walk.open("/account/security/passkeys")
    walk.press(walk.page.locator(".portals a"))
    assert walk.page.locator("dialog").is_hidden()
    walk.fill("name", "Téléphone de Léa")
    world.later(minutes=31)
    walk.press()
    assert walk.says("acc.first")
    walk.press(walk.page.locator(".portals a").filter(has_text="Caisse CPX"))
    walk.sign_in_by_sms(EMAIL, MOBILE)
    assert walk.heading == walk.text("acc.kept")
    assert walk.says("acc.kept.text")
    walk.press()
    assert walk.says("pk.renamed")
    assert walk.page.locator(".portals strong").inner_text() == "Téléphone de Léa"
    walk.open("/cpx/account/email")
    world.later(minutes=31)
    walk.fill("email", "new@example.ch")
    walk.press()
    walk.sign_in_by_sms(EMAIL, MOBILE)
    assert walk.page.locator("[name=email]").input_value() == "new@example.ch"
    walk.press()
    assert walk.heading == walk.text("r3.title")
