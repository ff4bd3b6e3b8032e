"""What scripts add: a list that shortens, a key that is copied, a texted code that is offered."""

from __future__ import annotations

from idp.models.base import db
from tests.browser.conftest import Opener
from tests.browser.states import EMAIL, MOBILE
from tests.browser.walk import Walk
from tests.browser.world import World


def portals(walk: Walk) -> list[str]:
    return [card.inner_text().split("\n")[0] for card in walk.page.locator(".portals a:visible").all()]


def test_a_long_list_of_portals_shortens_while_one_types(world: World, open_page: Opener) -> None:
    world.portals[1].names = dict.fromkeys(("fr", "de", "it", "en"), "Pensionskasse Zürich")
    walk = Walk(open_page(), world.home, world)
    db.session.commit()
    walk.open("/")
    assert len(portals(walk)) == len(world.portals)
    field, status = walk.page.get_by_label(walk.text("p.search")), walk.page.locator("#status")
    field.press_sequentially("ZURI")
    assert portals(walk) == ["Pensionskasse Zürich"]
    assert status.inner_text() == ""
    field.press_sequentially("x")
    assert portals(walk) == []
    assert status.inner_text() == walk.text("p.none", q="ZURIx")
    field.fill("")
    assert len(portals(walk)) == len(world.portals)


def test_the_portal_last_used_stands_first(world: World, open_page: Opener) -> None:
    walk = Walk(open_page(), world.home, world)
    walk.open("/")
    assert portals(walk) == sorted(portals(walk))
    walk.press(walk.page.locator(".portals a").filter(has_text="Caisse MNO"))
    walk.open("/")
    rest = portals(walk)
    assert rest.pop(0) == "Caisse MNO"
    assert rest == sorted(rest)


def test_the_customer_service_is_one_touch_away(world: World, open_page: Opener) -> None:
    walk = Walk(open_page(), world.home, world)
    for path, parts in {"/cpx/register/code": ("main", "footer"), "/cpx/login/help": ("main", "footer")}.items():
        walk.open(path)
        for part in parts:
            assert walk.page.locator(part).locator("a[href='tel:0581234567']").count() == 1, (path, part)
    assert walk.says("rec.call", phone="058 123 45 67")
    assert walk.says("rec.hours", hours="8–17")


def test_the_key_of_the_app_is_copied_and_said(world: World, open_page: Opener) -> None:
    walk, letter = Walk(open_page(), world.home, world), world.letter()
    walk.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    walk.open("/cpx/register/code")
    walk.enter_code(letter)
    walk.enter_email(EMAIL)
    walk.enter_details(letter, "app")
    app = walk.scan()
    walk.page.locator("summary").click()
    walk.page.get_by_role("button", name=walk.text("c.copy")).click()
    assert walk.page.evaluate("navigator.clipboard.readText()") == app.secret
    assert walk.page.locator("#status").inner_text() == walk.text("c.copied")


TELEPHONE = """
  window.OTPCredential = class {};
  navigator.credentials.get = asked => {
    window.asked = JSON.stringify(asked.otp);
    return new Promise(give => { window.arrive = code => give({ code }); });
  };
"""


def test_a_texted_code_is_offered_but_never_sent_by_itself(world: World, open_page: Opener) -> None:
    """WebOTP: this Chromium has no telephone, so the test plays it."""
    walk, letter = Walk(open_page(), world.home, world), world.letter()
    walk.page.add_init_script(TELEPHONE)
    walk.open("/cpx/register/code")
    walk.enter_code(letter)
    walk.enter_email(EMAIL)
    assert walk.page.evaluate("window.asked") is None
    walk.enter_details(letter, "sms", MOBILE)
    assert walk.page.evaluate("window.asked") == '{"transport":["sms"]}'
    walk.page.evaluate("window.arrive('123456')")
    assert walk.page.locator("input[name=otp]").input_value() == "123456"
    assert walk.heading == walk.text("r5.title")


def test_only_the_sign_in_puts_the_cursor_into_the_code(world: World, open_page: Opener) -> None:
    """Elsewhere there is something to read first."""
    walk = Walk(open_page(), world.home, world)
    walk.open("/cpx/register/code")
    walk.register_by_sms(world.letter(), EMAIL, MOBILE)
    walk.page.context.clear_cookies()
    walk.open("/cpx/login")
    assert walk.page.evaluate("document.activeElement.localName") == "body"
    walk.sign_in(EMAIL)
    assert walk.page.evaluate("document.activeElement.name") == "otp"
