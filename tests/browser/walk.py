"""What a person does in a browser, in verbs; and the same by keyboard alone."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from datetime import date
from typing import Protocol

import pyotp
from playwright.sync_api import Locator, Page

from idp.texts import Texts
from tests.support import qr

TEXTS = Texts.load()
PASSWORD = "vier pferde im regen"
LONGEST_TAB_WAY = 60


class Inbox(Protocol):
    """Where mails and SMS arrive."""

    def count(self) -> int: ...

    def code(self, channel: str, to: str, after: int) -> str: ...


@dataclass(frozen=True)
class Letter:
    portal: str
    code: str
    born: date
    given_name: str = "Hélène"

    @property
    def birth_date(self) -> str:
        return f"{self.born.day}.{self.born.month}.{self.born.year}"


@dataclass
class Walk:
    """One person at one browser. Counts what it costs: screens seen, fields filled, things activated."""

    page: Page
    home: str
    inbox: Inbox
    language: str = "fr"
    screens: list[str] = field(default_factory=list)
    fields: int = 0
    activations: int = 0

    def text(self, key: str, **values: object) -> str:
        return TEXTS.get(self.language, key, **values)

    def open(self, address: str) -> None:
        self.page.goto(address if address.startswith("http") else self.home + address)
        self.screens.append(self.heading)

    @property
    def heading(self) -> str:
        return self.page.locator("h1").inner_text()

    @property
    def body(self) -> str:
        """All words of the page, spaces made equal."""
        return " ".join(self.page.locator("body").inner_text().split())

    def says(self, key: str, **values: object) -> bool:
        """Whether this text stands on the page."""
        return " ".join(self.text(key, **values).split()) in self.body

    def errors(self) -> list[str]:
        return [error.inner_text() for error in self.page.locator(".error").all()]

    @property
    def main_button(self) -> Locator:
        """The first submit button of the form that holds the step."""
        return self.page.locator("main form[method=post]").first.locator("button[type=submit]").first

    def named(self, words: str) -> Locator:
        """The button or link with exactly these words."""
        whole = re.compile(r"^\s*" + r"\s".join(re.escape(word) for word in words.split()) + r"\s*$")
        return self.page.locator("main").locator("a, button").filter(has_text=whole).first

    def fill(self, name: str, value: str) -> None:
        self.fields += 1
        self.page.locator(f"input[name={name}]").fill(value)

    def choose(self, name: str, value: str) -> None:
        """A radio button or a box to tick."""
        self.activations += 1
        self.page.locator(f"[name={name}][value={value}]").check()

    def press(self, target: Locator | str | None = None) -> None:
        """Activate something that leads to another page; without a target the main button."""
        self.activations += 1
        found = self.main_button if target is None else self.named(target) if isinstance(target, str) else target
        with self.page.expect_navigation():
            self._activate(found)
        self.screens.append(self.heading)

    def _activate(self, target: Locator) -> None:
        target.click()

    # The steps of the guide

    def enter_code(self, letter: Letter) -> None:
        self.fill("code", letter.code)
        self.press()

    def enter_email(self, email: str) -> None:
        """R2 and R3."""
        before = self.inbox.count()
        self.fill("email", email)
        self.press()
        self.fill("otp", self.inbox.code("mail", email, before))
        self.press()

    def enter_details(self, letter: Letter, factor: str, mobile: str = "") -> None:
        for name in ("given_name", "family_name"):
            if self.page.locator(f"[name={name}]").count():
                self.fill(name, "Zoë")
        self.fill("birth_date", letter.birth_date)
        self.fill("password", PASSWORD)
        self.choose("factor", factor)
        if factor == "sms":
            self.fill("mobile", mobile)
        self.choose("terms", "yes")
        self.press()

    def register_by_sms(self, letter: Letter, email: str, mobile: str) -> None:
        """From R1 to R7."""
        self.enter_code(letter)
        self.enter_email(email)
        before = self.inbox.count()
        self.enter_details(letter, "sms", mobile)
        self.fill("otp", self.inbox.code("sms", international(mobile), before))
        self.press()

    def register_by_app(self, letter: Letter, email: str) -> pyotp.TOTP:
        """From R1 to R7; the app that was set up."""
        self.enter_code(letter)
        self.enter_email(email)
        self.enter_details(letter, "app")
        app = self.scan()
        self.fill("otp", app.now())
        self.press()
        return app

    def scan(self) -> pyotp.TOTP:
        """What an app makes of the QR that is on the screen."""
        self.page.locator(".qr").scroll_into_view_if_needed()
        return read_app(self.page.screenshot())

    def sign_in(self, email: str) -> None:
        """L1."""
        self.fill("email", email)
        self.fill("password", PASSWORD)
        self.press()

    def sign_in_by_sms(self, email: str, mobile: str) -> None:
        """L1 and L2."""
        before = self.inbox.count()
        self.sign_in(email)
        self.fill("otp", self.inbox.code("sms", international(mobile), before))
        self.press()

    def sign_in_by_app(self, email: str, app: pyotp.TOTP) -> None:
        """L1 and L2. The app's next code: the present one served for the registration."""
        self.sign_in(email)
        self.fill("otp", app.at(int(time.time()) + app.interval))
        self.press()


def international(mobile: str) -> str:
    return "+41" + "".join(mobile.split())[1:]


def read_app(picture: bytes) -> pyotp.TOTP:
    """Decode the QR in a picture of the screen."""
    app = pyotp.parse_uri(qr.code(picture))
    assert isinstance(app, pyotp.TOTP)
    assert (app.issuer, app.name) == ("Connect", "Connect")
    return app
