"""Back, reload, double click, second tab and another language lose nothing and send nothing twice (ux.md §3.3)."""

from __future__ import annotations

from collections.abc import Iterator

from playwright.sync_api import Page

from tests.browser.conftest import Opener
from tests.browser.states import EMAIL, MOBILE
from tests.browser.walk import PASSWORD, Letter, Walk, international
from tests.browser.world import World


def steps(walk: Walk, world: World, letter: Letter) -> Iterator[tuple[str, dict[str, str]]]:
    """Each step of a registration, filled in but not sent: its heading's key, and what may not get lost.

    Whoever walks on presses the main button.
    """
    walk.open("/cpx/register/code")
    walk.fill("code", letter.code)
    yield "r1.title", {}
    walk.fill("email", EMAIL)
    yield "r2.title", {"email": EMAIL}
    walk.fill("otp", world.code("mail", EMAIL, 0))
    yield "r3.title", {}
    walk.fill("birth_date", letter.birth_date)
    walk.fill("password", PASSWORD)
    walk.choose("factor", "sms")
    walk.fill("mobile", MOBILE)
    walk.choose("terms", "yes")
    yield "r4.title", {"birth_date": letter.birth_date, "mobile": MOBILE, "factor": "sms", "terms": "yes"}
    walk.fill("otp", world.code("sms", international(MOBILE), 1))
    yield "r5.title", {}


def kept(page: Page, entries: dict[str, str]) -> dict[str, str]:
    """What stands in these fields now."""
    found: dict[str, str] = page.evaluate(
        "() => Object.fromEntries(new FormData(document.querySelector('main form[method=post]')))"
    )
    return {name: found.get(name, "") for name in entries}


# A browser may drop the first of two quick clicks; here both reach the server.
SEND_TOO = """() => {
  const form = document.querySelector("main form[method=post]");
  fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)), redirect: "manual" });
}"""


ARRIVED = "before => document.readyState === 'complete' && document.querySelector('h1')?.innerText !== before"


def test_a_double_click_counts_once_at_every_step(world: World, open_page: Opener) -> None:
    walk, letter = Walk(open_page(), world.home, world), world.letter()
    for at, (title, _) in enumerate(steps(walk, world, letter)):
        assert walk.heading == walk.text(title)
        walk.page.evaluate(SEND_TOO)
        walk.main_button.dblclick()
        walk.page.wait_for_function(ARRIVED, arg=walk.text(title))
        walk.page.reload()  # what the slower one has done would show now
        assert walk.errors() == []
        assert world.count() == (0, 1, 1, 2, 3)[at]  # the mail, the SMS, the welcome
    assert walk.heading == walk.text("r7.title")


def test_reload_shows_the_same_and_sends_nothing(world: World, open_page: Opener) -> None:
    walk, letter = Walk(open_page(), world.home, world), world.letter()
    walk.open("/cpx/register/code")
    walk.enter_code(letter)
    walk.enter_email(EMAIL)
    walk.fill("birth_date", "28.3.1958")  # not the record's
    walk.fill("password", PASSWORD)
    walk.choose("factor", "sms")
    walk.fill("mobile", MOBILE)
    walk.choose("terms", "yes")
    walk.press()
    entries = {"birth_date": "28.3.1958", "mobile": MOBILE, "factor": "sms", "terms": "yes", "password": ""}
    for _ in range(3):
        walk.page.reload()
        assert kept(walk.page, entries) == entries
        assert len(walk.errors()) == 1
    walk.enter_details(letter, "sms", MOBILE)
    for _ in range(3):
        walk.page.reload()
        assert walk.heading == walk.text("r5.title")
    assert world.count() == 2


def test_back_shows_what_was_entered_and_needs_no_new_code(world: World, open_page: Opener) -> None:
    walk, letter = Walk(open_page(), world.home, world), world.letter()
    for title, _ in steps(walk, world, letter):
        if title == "r5.title":
            break
        walk.press()
    world.later(minutes=2)  # another code might be sent now
    walk.page.go_back()
    assert walk.heading == walk.text("r4.title")
    entries = {"birth_date": letter.birth_date, "mobile": MOBILE, "factor": "sms", "terms": "yes"}
    assert kept(walk.page, entries) == entries
    assert walk.says("r4.pw.keep")
    walk.press()  # the password stands
    assert walk.heading == walk.text("r5.title")
    walk.press(walk.text("c.back"))
    walk.press(walk.text("c.back"))
    assert walk.heading == walk.text("r2.title")
    assert walk.says("r3.confirmed", email=EMAIL)
    assert kept(walk.page, {"email": EMAIL}) == {"email": EMAIL}
    assert world.count() == 2
    walk.page.go_back()
    walk.page.go_back()
    assert walk.heading == walk.text("r5.title")
    walk.fill("otp", world.code("sms", international(MOBILE), 1))
    walk.press()
    assert walk.heading == walk.text("r7.title")
    walk.page.go_back()  # the end is final: Back leads to the end again
    assert walk.heading == walk.text("r7.title")
    walk.page.reload()
    assert walk.heading == walk.text("r7.title")


def test_a_second_tab_follows_the_first_and_never_meets_an_error(world: World, open_page: Opener) -> None:
    walk, letter = Walk(open_page(), world.home, world), world.letter()
    other = walk.page.context.new_page()
    for title, _ in steps(walk, world, letter):
        if title == "r2.title":
            other.goto(walk.page.url)
            other.locator("input[name=email]").fill("other@example.ch")
        walk.press()
    with other.expect_navigation():
        other.locator("main button[type=submit]").first.click()
    second = Walk(other, world.home, world)
    assert second.heading == walk.text("r7.title")
    assert second.errors() == []
    assert world.count() == 3


def test_an_old_tab_of_a_finished_sign_in_leads_into_the_portal(world: World, open_page: Opener) -> None:
    walk = Walk(open_page(), world.home, world)
    walk.open("/cpx/register/code")
    walk.register_by_sms(world.letter(), EMAIL, MOBILE)
    walk.page.context.clear_cookies(name="connect_session")
    walk.open("/cpx/login")
    other = walk.page.context.new_page()
    other.goto(walk.page.url)
    walk.sign_in_by_sms(EMAIL, MOBILE)
    old = Walk(other, world.home, world)
    old.sign_in(EMAIL)
    assert old.heading == walk.text("l.already")
    old.press(walk.text("r7.go", portal="Caisse CPX"))
    assert old.heading == "Portal"


def test_another_language_keeps_what_was_typed_but_no_secret(world: World, open_page: Opener) -> None:
    walk, letter = Walk(open_page(), world.home, world), world.letter()
    for title, entries in steps(walk, world, letter):
        code = {"r3.title": ("mail", EMAIL), "r5.title": ("sms", international(MOBILE))}.get(title)
        for name, language in (("Deutsch", "de"), ("Français", "fr")):
            with walk.page.expect_navigation():
                walk.page.locator("nav a").filter(has_text=name).click()
            walk.language = language
            assert walk.heading == walk.text(title)
            assert walk.page.locator("html").get_attribute("lang") == language
            assert kept(walk.page, entries) == entries
        if title == "r1.title":
            walk.fill("code", letter.code)
        if title == "r4.title":
            assert kept(walk.page, {"password": ""}) == {"password": ""}
            walk.fill("password", PASSWORD)
        if code:
            walk.fill("otp", world.code(*code, 0))
        walk.press()
    assert walk.heading == walk.text("r7.title")
    assert world.count() == 3


def test_another_language_keeps_an_error_and_the_typed_address_of_the_sign_in(world: World, open_page: Opener) -> None:
    walk = Walk(open_page(), world.home, world)
    walk.open("/cpx/login")
    walk.fill("email", "nobody@example.ch")
    walk.press()
    walk.fill("email", "anybody@example.ch")
    with walk.page.expect_navigation():
        walk.page.locator("nav a").filter(has_text="English").click()
    walk.language = "en"
    assert walk.errors() == [walk.text("c.err") + " " + walk.text("e.pw.cur")]
    assert kept(walk.page, {"email": ""}) == {"email": "anybody@example.ch"}


def test_two_letters_in_two_tabs_of_one_browser_end_with_the_right_person(world: World, open_page: Opener) -> None:
    first = Walk(open_page(), world.home, world)
    second = Walk(first.page.context.new_page(), world.home, world)
    letters, codes = (world.letter(), world.letter()), ["", ""]
    emails, mobiles = ("a@example.ch", "b@example.ch"), ("079 123 45 01", "079 123 45 02")
    for at, walk in enumerate((first, second)):  # side by side, step by step
        walk.open("/cpx/register/code")
        walk.enter_code(letters[at])
        before = world.count()
        walk.fill("email", emails[at])
        walk.press()
        codes[at] = world.code("mail", emails[at], before)
    for at, walk in enumerate((first, second)):
        walk.fill("otp", codes[at])
        walk.press()
        before = world.count()
        walk.enter_details(letters[at], "sms", mobiles[at])
        codes[at] = world.code("sms", international(mobiles[at]), before)
    for at, walk in enumerate((first, second)):
        walk.fill("otp", codes[at])
        walk.press()
        assert walk.heading == walk.text("r7.title")
        assert walk.says("r7.body", portal="Caisse CPX", email=emails[at])
        assert world.owner(letters[at]) == emails[at]
