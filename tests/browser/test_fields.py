"""The fields are a contract for password managers, telephones and other tools (ux.md §5, §10 U10)."""

from __future__ import annotations

from playwright.sync_api import Page

from tests.browser.conftest import Opener
from tests.browser.states import EMAIL, MOBILE
from tests.browser.walk import PASSWORD, Walk, international
from tests.browser.world import World

FIELDS = """() => Object.fromEntries([...document.querySelectorAll(
  "main form[method=post] input:not([type=hidden])")].map(one => [
    one.name || one.id, [one.type, one.getAttribute("inputmode"), one.getAttribute("autocomplete")].join(" ")]))"""
PLAIN = """() => [...document.querySelectorAll("input")].filter(one => one.required || one.maxLength >= 0
  || one.placeholder || one.pattern || one.disabled).map(one => one.name)"""
OTP = {"otp": "text numeric one-time-code"}
WIDE_DIGITS = str.maketrans("0123456789", "０１２３４５６７８９")


def fields(page: Page) -> dict[str, str]:
    """Of each visible field of the step: type, inputmode, autocomplete."""
    assert page.evaluate(PLAIN) == []
    assert page.locator("main form[method=post]").first.get_attribute("novalidate") is not None
    found: dict[str, str] = page.evaluate(FIELDS)
    return found


def paste(page: Page, name: str, text: str) -> None:
    """From the clipboard, as a person does."""
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.evaluate("text => navigator.clipboard.writeText(text)", text)
    page.locator(f"input[name={name}]").focus()
    page.keyboard.press("Control+A")
    page.keyboard.press("Control+V")


def test_types_and_names_of_every_field(world: World, open_page: Opener) -> None:
    letter = world.letter(given_name="", family_name="")
    walk = Walk(open_page(), world.home, world)
    walk.open("/cpx/login")
    assert fields(walk.page) == {
        "email": "email email username webauthn", "password": "password  current-password",
    }  # fmt: skip
    walk.press(walk.text("l.register"))
    assert fields(walk.page) == {"code": "text text off"}
    walk.enter_code(letter)
    assert fields(walk.page) == {"email": "email email email"}
    before = world.count()
    walk.fill("email", EMAIL)
    walk.press()
    assert fields(walk.page) == OTP
    walk.fill("otp", world.code("mail", EMAIL, before))
    walk.press()
    assert fields(walk.page) == {
        "f-username": "email  username", "given_name": "text  given-name", "family_name": "text  family-name",
        "birth_date": "text text bday", "password": "password  new-password", "factor": "radio  ",
        "mobile": "tel tel tel", "terms": "checkbox  ",
    }  # fmt: skip
    assert walk.page.locator("#f-username").input_value() == EMAIL
    choices = walk.page.locator("input[name=factor]")
    assert [choice.get_attribute("value") for choice in choices.all()] == ["sms", "app"]
    assert not any(choice.is_checked() for choice in choices.all())
    walk.enter_details(letter, "app")
    assert fields(walk.page) == OTP
    walk.press(walk.text("r6.switch"))
    walk.fill("mobile", MOBILE)
    walk.press()
    assert fields(walk.page) == OTP


def test_the_main_button_is_the_first_submit_button_of_the_step(world: World, open_page: Opener) -> None:
    """So Enter in a field presses it."""
    walk = Walk(open_page(), world.home, world)
    walk.open("/cpx/register/code")
    walk.enter_code(world.letter())
    walk.fill("email", "helene@gmial.com")
    walk.press()
    assert walk.main_button.inner_text() == walk.text("c.continue")
    walk.page.locator("input[name=email]").fill(EMAIL)
    with walk.page.expect_navigation():
        walk.page.keyboard.press("Enter")
    assert walk.heading == walk.text("r3.title")
    assert walk.main_button.inner_text() == walk.text("c.continue")


def test_codes_may_be_pasted_as_they_come(world: World, open_page: Opener) -> None:
    letter = world.letter()
    walk = Walk(open_page(), world.home, world)
    walk.open("/cpx/register/code")
    grouped = "-".join((letter.code[:4], letter.code[4:8], letter.code[8:])).lower()
    paste(walk.page, "code", f" {grouped.replace('-', ' ', 1)}\n")
    walk.press()
    paste(walk.page, "email", f" {EMAIL} ")
    walk.press()
    code = world.code("mail", EMAIL, 0)
    paste(walk.page, "otp", f"{code[:3]} {code[3:]}")
    walk.press()
    assert walk.heading == walk.text("r4.title")
    walk.choose("factor", "sms")
    for name, value in (("birth_date", letter.birth_date), ("password", PASSWORD), ("mobile", MOBILE)):
        paste(walk.page, name, value)
        assert walk.page.locator(f"input[name={name}]").input_value() == value
    walk.choose("terms", "yes")
    walk.press()
    code = world.code("sms", international(MOBILE), 1)
    paste(walk.page, "otp", f"{code[:3]}-{code[3:]}\n".translate(WIDE_DIGITS))
    walk.press()
    assert walk.heading == walk.text("r7.title")


def test_the_choice_of_the_second_factor_is_announced_with_its_hint(world: World, open_page: Opener) -> None:
    walk = Walk(open_page(), world.home, world)
    walk.open("/cpx/register/code")
    walk.enter_code(world.letter())
    walk.enter_email(EMAIL)
    walk.press()
    group = walk.page.get_by_role("radiogroup", name=walk.text("r4.factor"))
    described = " ".join((walk.text("r4.factor.help"), walk.text("c.err"), walk.text("e.factor.empty")))
    ids = (group.get_attribute("aria-describedby") or "").split()
    assert " ".join(walk.page.locator(f"#{one}").inner_text() for one in ids) == described
    assert group.get_attribute("aria-invalid") == "true"
    for key in ("r4.sms", "r4.app"):
        assert group.get_by_role("radio", name=walk.text(key), exact=True).count() == 1


def test_a_password_can_be_looked_at_and_is_hidden_when_sent(world: World, open_page: Opener) -> None:
    walk = Walk(open_page(), world.home, world)
    walk.open("/cpx/login")
    walk.fill("password", PASSWORD)
    field, button = walk.page.locator("input[name=password]"), walk.page.locator("button[aria-pressed]")
    assert (button.inner_text(), button.get_attribute("aria-pressed")) == (walk.text("c.showPw"), "false")
    button.click()
    assert (field.get_attribute("type"), button.inner_text()) == ("text", walk.text("c.hidePw"))
    walk.page.evaluate("document.forms[0].addEventListener('submit', event => event.preventDefault())")
    walk.main_button.click()
    assert field.get_attribute("type") == "password"
