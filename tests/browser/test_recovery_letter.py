"""From the lost telephone to a new app with a letter: asked for, printed, read off the paper, entered (ux.md §4.3)."""

from __future__ import annotations

import io
import time

import pypdf
import pytest
import requests
from playwright.sync_api import Page

from tests.browser.conftest import Opener
from tests.browser.letters import Letters
from tests.browser.test_guide import CERTIFICATE
from tests.browser.walk import Walk, international
from tests.support import qr
from tests.support.demonstration import Demo

MOBILE = "079 305 00 01"


def printed(demo: Demo, page: Page) -> str:
    """Press the demonstration's button, and read the code off the last page of its PDF."""
    page.goto(f"{demo.home}/demo")
    with page.expect_navigation():
        page.locator("form[action='/demo/letters/print'] button").click()
    paper = pypdf.PdfReader(io.BytesIO(requests.get(f"{demo.home}/demo/recovery-demo-a.pdf", timeout=10).content))
    words = paper.pages[-1].extract_text().split()
    (code,) = [word for word in words if len(word) == 14 and word.count("-") == 2]
    return code


@pytest.mark.parametrize("javascript", [True, False], ids=["with script", "without"])
def test_a_letter_leads_from_a_lost_telephone_to_a_new_app(
    demo: Demo, letters: Letters, open_page: Opener, javascript: bool
) -> None:
    email = f"letter-{javascript}@example.ch".lower()
    mobile = MOBILE[:-1] + ("1" if javascript else "2")
    before = Walk(open_page(), demo.home, demo)
    before.open("/demo-a/register/code")
    before.register_by_sms(letters.one(), email, mobile)

    walk = Walk(open_page(java_script_enabled=javascript), demo.home, demo)
    walk.open("/demo-a/login")
    begun = demo.count()
    walk.sign_in(email)
    walk.press(walk.text("l2.lost"))
    walk.press(walk.text("rec.letter"))
    assert walk.heading == walk.text("lt.title")
    demo.code("sms", international(mobile), begun)  # of the sign-in, which must not be taken for a notice
    sent = demo.count()
    walk.press()
    assert walk.says("lt.asked")
    wait_for(demo, sent + 2)
    told = {message["channel"]: message["text"] for message in demo.inbox()[:2]}
    assert set(told) == {"mail", "sms"}
    assert "/account/letter/cancel?letter=cc_lt_" in told["mail"]

    code = printed(demo, before.page)
    assert demo.letters()[-1]["purpose"] == "recover"
    assert walk.text("lt.title") in before.page.locator(".letters li").first.inner_text()
    walk.page.reload()
    walk.press(walk.text("lt.code"))
    walk.fill("letter_code", code)
    walk.press()
    assert walk.heading == walk.text("rec.factor")
    walk.choose("factor", "app")
    walk.press()
    app = walk.scan()
    walk.fill("otp", app.now())
    walk.press()
    assert walk.heading == CERTIFICATE

    again = Walk(open_page(), demo.home, demo)
    again.open("/demo-a/login")
    again.sign_in(email)
    assert again.heading == again.text("l2.app.title")
    again.fill("otp", app.at(int(time.time()) + app.interval))
    again.press()
    assert again.heading == CERTIFICATE


def wait_for(demo: Demo, count: int) -> None:
    deadline = time.monotonic() + 30
    while demo.count() < count:
        assert time.monotonic() < deadline, "the notices did not come"
        time.sleep(0.05)


def test_the_qr_of_the_letter_opens_the_sign_in_in_its_language(
    demo: Demo, letters: Letters, open_page: Opener
) -> None:
    before = Walk(open_page(), demo.home, demo)
    email = "letter-qr@example.ch"
    before.open("/demo-a/register/code")
    before.register_by_sms(letters.one(), email, "079 305 00 03")
    walk = Walk(open_page(), demo.home, demo)
    walk.open("/demo-a/login")
    walk.sign_in(email)
    walk.press(walk.text("l2.lost"))
    walk.press(walk.text("rec.letter"))
    walk.press()
    printed(demo, before.page)
    first = before.page.locator(".letters li").first
    first.locator("summary").click()
    address = qr.code(first.locator(".qr").screenshot())
    assert address.startswith(f"{demo.home}/demo-a/login?lang=")
    walk.open(address)
    assert "/demo-a/login" in walk.page.url
