"""Passkeys in a real Chromium with a virtual authenticator (ux.md §10, U13), and a way out of each failure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
from playwright.sync_api import CDPSession, Locator, Page, expect

from tests.browser.conftest import Opener
from tests.browser.states import EMAIL, MOBILE
from tests.browser.walk import PASSWORD, Walk
from tests.browser.world import World

BUTTON_ONLY = "PublicKeyCredential.isConditionalMediationAvailable = () => Promise.resolve(false)"
NEW, LIST = "/account/security/passkeys/new", "/account/security/passkeys"


@dataclass
class Phone:
    """What holds the passkeys of one browser: it asks for a finger, which is there or not."""

    session: CDPSession
    ident: str

    @classmethod
    def at(cls, page: Page, **changes: Any) -> Phone:
        session = page.context.new_cdp_session(page)
        session.send("WebAuthn.enable", {"enableUI": False})
        options = {
            "protocol": "ctap2", "transport": "internal", "hasResidentKey": True, "hasUserVerification": True,
            "isUserVerified": True, "automaticPresenceSimulation": True,
        }  # fmt: skip
        made = session.send("WebAuthn.addVirtualAuthenticator", {"options": {**options, **changes}})
        return cls(session, made["authenticatorId"])

    def send(self, method: str, **given: Any) -> Any:
        return self.session.send(f"WebAuthn.{method}", {"authenticatorId": self.ident, **given})

    def verifies(self, is_right: bool) -> None:
        """Whether the finger is the owner's."""
        self.send("setUserVerified", isUserVerified=is_right)

    def is_touched(self, at_once: bool) -> None:
        self.send("setAutomaticPresenceSimulation", enabled=at_once)

    def credentials(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.send("getCredentials")["credentials"]
        return found


@pytest.fixture
def walk(world: World, open_page: Opener) -> Walk:
    """A person who registered and is signed in."""
    walk = Walk(open_page(), world.home, world)
    walk.open("/cpx/register/code")
    walk.register_by_sms(world.letter(), EMAIL, MOBILE)
    return walk


def button(walk: Walk, key: str) -> Locator:
    return walk.page.get_by_role("button", name=walk.text(key), exact=True)


def create(walk: Walk) -> None:
    walk.open(NEW)
    with walk.page.expect_navigation(url=f"**{LIST}?done=created"):
        button(walk, "pk.create").click()


def sign_out(walk: Walk) -> None:
    walk.page.context.clear_cookies(name="connect_session")


def test_a_passkey_is_made_and_opens_by_the_button(world: World, walk: Walk) -> None:
    phone = Phone.at(walk.page)
    create(walk)
    assert walk.says("pk.done")
    assert len(phone.credentials()) == 1
    sign_out(walk)
    phone.is_touched(False)
    walk.open("/cpx/login")
    phone.is_touched(True)
    with walk.page.expect_navigation(url="**/landing**"):
        button(walk, "l.passkey").click()
    walk.open("/account")
    assert walk.heading == walk.text("acc.title")


def test_the_end_of_the_registration_offers_one(walk: Walk) -> None:
    Phone.at(walk.page)
    assert walk.heading == walk.text("r7.title")
    walk.press(walk.text("r7.passkey"))
    with walk.page.expect_navigation(url=f"**{LIST}?done=created"):
        button(walk, "pk.create").click()


def test_the_email_field_offers_the_passkey_and_nothing_is_typed_or_pressed(walk: Walk) -> None:
    """Conditional mediation: where a person would choose the passkey in the field's list, this authenticator does."""
    phone = Phone.at(walk.page)
    create(walk)
    sign_out(walk)
    phone.is_touched(False)
    walk.open("/cpx/login")
    assert walk.page.locator("[name=email]").get_attribute("autocomplete") == "username webauthn"
    phone.is_touched(True)
    walk.page.reload(wait_until="commit")
    walk.page.wait_for_url("**/landing**")
    walk.open("/account")
    assert walk.heading == walk.text("acc.title")


def test_a_dialog_that_ends_without_a_passkey_is_told_and_nothing_is_lost(walk: Walk) -> None:
    phone = Phone.at(walk.page)
    phone.verifies(False)
    walk.open(NEW)
    status = walk.page.locator("#status")
    button(walk, "pk.create").click()
    expect(status).to_have_text(walk.text("e.passkey"))
    assert phone.credentials() == []
    phone.verifies(True)
    with walk.page.expect_navigation(url=f"**{LIST}?done=created"):
        button(walk, "pk.create").click()
    sign_out(walk)
    phone.is_touched(False)
    walk.open("/cpx/login")
    walk.fill("email", EMAIL)
    walk.fill("password", PASSWORD)
    phone.verifies(False)
    phone.is_touched(True)
    button(walk, "l.passkey").click()
    expect(status).to_have_text(walk.text("e.passkey"))
    assert walk.page.locator("[name=email]").input_value() == EMAIL
    walk.press()  # the password is still there
    assert walk.heading == walk.text("r5.title")


def test_a_device_makes_no_second_passkey_for_the_same_account(walk: Walk) -> None:
    phone = Phone.at(walk.page)
    create(walk)
    walk.open(NEW)
    button(walk, "pk.create").click()
    expect(walk.page.locator("#status")).to_have_text(walk.text("pk.known"))
    assert len(phone.credentials()) == 1


def test_a_passkey_of_another_site_is_not_offered(walk: Walk) -> None:
    phone = Phone.at(walk.page)
    create(walk)
    kept = phone.credentials()[0]
    phone.send("removeCredential", credentialId=kept["credentialId"])
    phone.send("addCredential", credential={**kept, "rpId": "example.test"})
    sign_out(walk)
    walk.open("/cpx/login")
    button(walk, "l.passkey").click()
    expect(walk.page.locator("#status")).to_have_text(walk.text("e.passkey"))
    walk.sign_in(EMAIL)
    assert walk.heading == walk.text("r5.title")


def test_a_passkey_that_was_removed_leads_to_a_page_that_works(walk: Walk) -> None:
    Phone.at(walk.page)
    create(walk)
    walk.press(walk.page.locator(".portals a"))
    walk.press(walk.text("pk.remove"))
    assert walk.says("pk.removed")
    assert walk.says("pk.empty")
    sign_out(walk)
    walk.page.add_init_script(BUTTON_ONLY)
    walk.open("/cpx/login")
    walk.fill("email", EMAIL)
    with walk.page.expect_navigation():
        button(walk, "l.passkey").click()
    assert walk.page.evaluate("document.activeElement.id") == "e"
    walk.page.locator("#e a").click()
    assert walk.page.evaluate("document.activeElement.id") == "f-passkey"
    assert walk.page.locator("[name=email]").input_value() == EMAIL
    walk.fill("password", PASSWORD)
    walk.press()
    assert walk.heading == walk.text("r5.title")


def test_a_passkey_gets_another_name(walk: Walk) -> None:
    Phone.at(walk.page)
    create(walk)
    walk.press(walk.page.locator(".portals a"))
    walk.fill("name", "Téléphone de Léa")
    walk.press()
    assert walk.says("pk.renamed")
    assert walk.page.locator(".portals strong").inner_text() == "Téléphone de Léa"


def test_the_question_is_asked_anew_before_it_is_too_old(world: World, walk: Walk) -> None:
    """People read slowly; the page keeps a question that is good."""
    Phone.at(walk.page)
    create(walk)
    sign_out(walk)
    walk.page.add_init_script(BUTTON_ONLY)
    walk.page.clock.install()
    walk.open("/cpx/login")
    before = walk.page.locator("[data-passkey]").get_attribute("data-options")
    world.later(minutes=4)
    walk.page.clock.run_for(121_000)
    expect(walk.page.locator("[data-passkey]")).not_to_have_attribute("data-options", before or "")
    world.later(minutes=4)
    with walk.page.expect_navigation(url="**/landing**"):
        button(walk, "l.passkey").click()


def test_a_browser_that_knows_no_passkeys_shows_no_button(world: World, open_page: Opener, walk: Walk) -> None:
    walk.page.add_init_script("delete window.PublicKeyCredential")
    walk.page.reload()
    assert walk.heading == walk.text("r7.title")
    assert not walk.says("r7.passkey")
    walk.open(NEW)
    assert walk.says("pk.none")
    assert button(walk, "pk.create").count() == 0
    cookies = walk.page.context.cookies()
    bare = Walk(open_page(java_script_enabled=False), world.home, world)
    bare.page.context.add_cookies(cookies)
    bare.open(NEW)
    assert bare.says("pk.none")
    for one in (walk, bare):
        sign_out(one)
        one.open("/cpx/login")
        assert button(one, "l.passkey").count() == 0
