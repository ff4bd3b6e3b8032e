"""The pages around Connect in the demonstration: letters and inbox, and the two sample portals."""

from __future__ import annotations

from tests.browser.conftest import Opener
from tests.browser.inspect_page import inspect, violations
from tests.browser.letters import Letters
from tests.browser.test_guide import CERTIFICATE
from tests.browser.walk import Walk
from tests.support.demonstration import Demo


def test_letters_and_inbox_in_four_languages(demo: Demo, open_page: Opener) -> None:
    for language in ("fr", "de", "it", "en"):
        walk = Walk(open_page(language), demo.home, demo, language)
        walk.open("/demo")
        assert walk.heading == walk.text("demo.title")
        assert inspect(walk.page, "demo", language, ("light", "dark")) == []
        walk.page.locator(".letters summary").first.click()
        assert walk.page.locator(".letters .qr").first.is_visible()


def test_a_code_is_read_in_the_inbox_and_the_portals_are_accessible(
    demo: Demo, letters: Letters, open_page: Opener
) -> None:
    letter = letters.one()
    walk = Walk(open_page(), demo.home, demo)
    walk.open(demo.portals[0])
    assert violations(walk.page) == []
    walk.open("/demo-a/register/code")
    walk.enter_code(letter)
    before = demo.count()
    walk.fill("email", "inbox@example.ch")
    walk.press()
    code = demo.code("mail", "inbox@example.ch", before)
    inbox = Walk(walk.page.context.new_page(), demo.home, demo)
    inbox.open("/demo")
    assert code in inbox.page.locator(".messages pre:visible").inner_text()
    walk.fill("otp", code)
    walk.press()
    before = demo.count()
    walk.enter_details(letter, "sms", "079 304 00 01")
    walk.fill("otp", demo.code("sms", "+41793040001", before))
    walk.press()
    walk.press(walk.page.locator("main .button"))
    assert walk.heading == CERTIFICATE
    for scheme in ("light", "dark"):
        walk.page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        for part in walk.page.locator("summary").all():
            part.click()
        assert violations(walk.page) == []
    assert walk.page.evaluate("document.documentElement.scrollWidth") <= 1280
    walk.page.set_viewport_size({"width": 320, "height": 600})
    assert walk.page.evaluate("document.documentElement.scrollWidth") <= 320
