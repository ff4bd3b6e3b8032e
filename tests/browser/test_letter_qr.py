"""The QR of the letter fills the code in, shows it to no server, and saves two screens and a field."""

from __future__ import annotations

import re

from tests.browser.conftest import Opener
from tests.browser.letters import Letters
from tests.browser.test_guide import CERTIFICATE
from tests.browser.walk import Walk, international
from tests.support import qr
from tests.support.demonstration import Demo

MOBILE = "079 303 00 01"


def test_registration_with_the_letters_qr(demo: Demo, letters: Letters, open_page: Opener) -> None:
    letter = letters.one()
    walk = Walk(open_page("fr"), demo.home, demo, "de")
    walk.page.goto(f"{demo.home}/demo?q={letter.code}")
    walk.page.locator(".letters summary").click()
    address = qr.code(walk.page.locator(".letters .qr").screenshot())
    assert address.endswith(f"#{letter.code}")
    walk.open(re.sub(r"\blang=\w\w", "lang=de", address))

    assert walk.heading == walk.text("r1.title")  # in the language of the letter, not of the browser
    assert walk.page.locator("input[name=code]").input_value() == letter.code
    assert walk.page.locator("#status").inner_text() == walk.text("r1.prefilled")
    assert walk.page.evaluate("location.hash") == ""
    walk.press()
    walk.enter_email("qr@example.ch")
    before = demo.count()
    walk.enter_details(letter, "sms", MOBILE)
    walk.fill("otp", demo.code("sms", international(MOBILE), before))
    walk.press()
    walk.press(walk.page.locator("main .button"))
    assert walk.heading == CERTIFICATE
    assert (len(walk.screens) - 1, walk.fields, walk.activations) == (6, 6, 8)  # ux.md §10.1

    log = demo.log.read_text(encoding="utf-8")
    secrets = [letter.code, "-".join((letter.code[:4], letter.code[4:8], letter.code[8:])), "qr@example.ch"]
    assert [secret for secret in secrets if secret in log] == []


def test_a_letter_scanned_later_replaces_what_stands_in_the_field(
    demo: Demo, letters: Letters, open_page: Opener
) -> None:
    first, second = letters.one(), letters.one()
    walk = Walk(open_page("fr"), demo.home, demo)
    for letter in (first, second):
        walk.open(f"/demo-a/r?lang=fr#{letter.code}")
        assert walk.page.locator("input[name=code]").input_value() == letter.code
    walk.open("/demo-a/r?lang=fr#<img src=x>")
    assert walk.page.locator("input[name=code]").input_value() == ""
