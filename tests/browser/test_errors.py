"""Every error page can be reached, says what happened, and its one button leads on (ux.md §4.7, §10 U28)."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from flask import Flask, abort, current_app
from playwright.sync_api import Browser, Page
from werkzeug.exceptions import TooManyRequests

from idp.models.base import db
from tests.browser.conftest import Opener
from tests.browser.inspect_page import inspect
from tests.browser.states import EMAIL, MOBILE
from tests.browser.walk import TEXTS, Walk
from tests.browser.world import World
from tests.support.turns import one_of_each

REFERENCE = r"[0-9A-Z]{4}-[0-9A-Z]{4}"


@pytest.fixture
def web(web: Flask) -> Flask:
    """With addresses that refuse for reasons no page of ours has yet, and one that breaks."""

    def refuse(slug: str, status: int) -> str:
        if status == 429:
            raise TooManyRequests(retry_after=120)
        if status == 500:
            raise ZeroDivisionError
        abort(status)

    web.add_url_rule("/<slug>/refused/<int:status>", "refused", refuse)
    return web


@pytest.fixture
def walk(world: World, open_page: Opener) -> Walk:
    return Walk(open_page(), world.home, world)


def expect(walk: Walk, key: str, button: str = "x.retry") -> None:
    """The page of this key as it must be, in light or dark by turns."""
    assert walk.heading == walk.text(f"{key}.title")
    schemes = one_of_each([(key, "light"), (key, "dark")], "scheme")
    assert inspect(walk.page, key, walk.language, tuple(schemes)) == []
    assert walk.page.locator("main .button").inner_text() == walk.text(button)
    assert re.search(walk.text("x.ref", ref=REFERENCE, time=r"\d\d:\d\d"), walk.body)
    assert "058 123 45 67" in walk.page.locator("footer").inner_text() or "lettre" in walk.body


def leave(walk: Walk, heading: str) -> None:
    """The one button leads to a page that works."""
    with walk.page.expect_response(lambda answer: answer.request.is_navigation_request() and answer.status == 200):
        walk.press(walk.page.locator("main .button"))
    assert walk.heading == heading


def test_an_unknown_address(walk: Walk) -> None:
    walk.open("/nix")
    expect(walk, "x.404")
    leave(walk, walk.text("p.title"))
    walk.open("/cpx/nix")  # at a portal, its own people are named, and its sign-in is the way out
    expect(walk, "x.404")
    assert "help@cpx.example.ch" in walk.body
    leave(walk, walk.text("l.title", portal="Caisse CPX"))


def test_an_address_that_only_forms_may_ask(walk: Walk) -> None:
    walk.open("/logout/confirm")
    expect(walk, "x.405")
    leave(walk, walk.text("p.title"))


def test_a_registration_left_open_too_long(walk: Walk, world: World) -> None:
    walk.open("/cpx/register/code")
    walk.enter_code(world.letter())
    world.later(hours=25)
    walk.fill("email", EMAIL)
    walk.press()
    expect(walk, "x.flow")
    leave(walk, walk.text("r1.title"))


def test_a_sign_in_left_open_too_long(walk: Walk, world: World) -> None:
    walk.open("/cpx/login")
    world.later(minutes=31)
    walk.sign_in(EMAIL)
    expect(walk, "x.login")
    leave(walk, walk.text("l.title", portal="Caisse CPX"))


def test_a_form_whose_cookie_is_gone(walk: Walk, world: World) -> None:
    walk.open("/cpx/register/code")
    walk.page.context.clear_cookies()
    walk.enter_code(world.letter())
    expect(walk, "x.cookie")
    leave(walk, walk.text("l.title", portal="Caisse CPX"))


def test_a_form_that_is_no_longer_ours_leads_back_to_its_page(walk: Walk, world: World) -> None:
    walk.open("/cpx/register/code")
    walk.enter_code(world.letter())
    walk.page.evaluate("document.querySelector('[name=csrf_token]').value = 'old'")
    walk.fill("email", EMAIL)
    walk.press()
    expect(walk, "x.csrf")
    leave(walk, walk.text("r2.title"))


def test_a_portal_that_asks_wrongly(walk: Walk) -> None:
    walk.open("/authorize?client_id=client-cpx&redirect_uri=https://elsewhere.example.ch/")
    expect(walk, "x.client", "x.back")
    assert walk.says("x.developer")
    leave(walk, "Portal")
    walk.open("/authorize?client_id=nobody")
    expect(walk, "x.client")
    leave(walk, walk.text("p.title"))


def test_a_page_one_may_not_see_and_a_rush(walk: Walk) -> None:
    walk.open("/cpx/refused/403")
    expect(walk, "x.denied")
    leave(walk, walk.text("l.title", portal="Caisse CPX"))
    walk.open("/cpx/refused/429")
    expect(walk, "x.429")
    assert walk.says("x.429.text", time="14:32")  # two minutes after the test's 14:30
    leave(walk, walk.text("l.title", portal="Caisse CPX"))


def test_a_letter_that_can_no_longer_be_cancelled(walk: Walk) -> None:
    walk.open(f"/account/letter/cancel?letter=cc_lt_{'A' * 43}")
    expect(walk, "x.letter", "acc.title")
    leave(walk, walk.text("p.title"))


def test_a_fault_of_ours(walk: Walk) -> None:
    walk.open("/cpx/refused/500")
    expect(walk, "x.500")
    leave(walk, walk.text("p.title"))


def test_the_reference_can_be_copied(walk: Walk) -> None:
    walk.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    walk.open("/nix")
    walk.page.get_by_role("button", name=walk.text("c.copy")).click()
    copied = walk.page.evaluate("navigator.clipboard.readText()")
    assert re.search(REFERENCE, copied)
    assert copied in walk.body.replace(" :", "\u00a0:")
    assert walk.page.locator("#status").inner_text() == walk.text("c.copied")


@contextmanager
def outage(web: Flask, folder: Path) -> Iterator[None]:
    """The database cannot be opened."""
    file, away = folder / "connect.db", folder / "away.db"
    db.session.rollback()
    for app in (web, current_app):
        with app.app_context():
            db.engine.dispose()
    file.rename(away)
    file.mkdir()
    yield
    file.rmdir()
    away.rename(file)


def test_without_a_database_a_page_in_the_persons_language_comes(walk: Walk, web: Flask, tmp_path: Path) -> None:
    walk.open("/cpx/login")
    with outage(web, tmp_path):
        with walk.page.expect_response(lambda answer: answer.request.is_navigation_request()) as answer:
            walk.page.reload()
        assert (answer.value.status, answer.value.headers["retry-after"]) == (503, "10")
        assert walk.heading == walk.text("x.outage.title")
        assert inspect(walk.page, "x.outage", walk.language, ("light", "dark")) == []
        walk.open("/nix")  # other error pages come all the same
        assert walk.heading == walk.text("x.404.title")
        walk.page.go_back()
        assert walk.page.locator("main .button").inner_text() == walk.text("x.outage.again")
    leave(walk, walk.text("l.title", portal="Caisse CPX"))


def test_what_was_entered_when_the_database_went_away_is_still_there(walk: Walk, web: Flask, tmp_path: Path) -> None:
    walk.open("/cpx/login")
    walk.page.get_by_label(walk.text("l.email")).fill(EMAIL)
    walk.page.get_by_label(walk.text("l.pw")).first.fill("something long")
    with outage(web, tmp_path):
        walk.page.get_by_role("button", name=walk.text("c.continue")).click()
        assert walk.says("x.outage.kept")
        assert inspect(walk.page, "x.outage.kept", walk.language, ("light", "dark")) == []
    walk.page.get_by_role("button", name=walk.text("x.outage.again")).click()
    assert walk.page.get_by_label(walk.text("l.email")).input_value() == EMAIL


def test_where_no_page_can_be_made_one_in_four_languages_comes(
    walk: Walk, web: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(web.jinja_env.globals, "footer")
    with outage(web, tmp_path):
        walk.open("/cpx/login")
        for language in ("fr", "de", "it", "en"):
            part = walk.page.locator(f"section[lang={language}]").inner_text().replace("’", "'")
            for key in ("x.503.text", "x.500.text", "c.contact.letter"):
                assert TEXTS.get(language, key).replace("’", "'") in " ".join(part.split()), (language, key)
        found = inspect(walk.page, "x.503", "fr", ("light", "dark"))
        assert [fault for fault in found if "landmarks" not in fault] == []


@pytest.fixture(scope="module")
def without_cookies(tmp_path_factory: pytest.TempPathFactory, chromium: Browser) -> Iterator[Page]:
    """A browser set to block every cookie."""
    profile: Path = tmp_path_factory.mktemp("profile")
    (profile / "Default").mkdir()
    blocked = {"profile": {"default_content_setting_values": {"cookies": 2}}}
    (profile / "Default" / "Preferences").write_text(json.dumps(blocked))
    context = chromium.browser_type.launch_persistent_context(
        profile, executable_path="/usr/bin/chromium", args=["--no-sandbox"], locale="fr-CH"
    )
    yield context.pages[0]
    context.close()


def test_a_browser_that_blocks_cookies_is_told_so(world: World, without_cookies: Page) -> None:
    walk = Walk(without_cookies, world.home, world)
    for path in ("/cpx/login", "/cpx/register/code"):
        walk.open(path)
        if walk.heading != walk.text("x.cookie.title"):
            walk.press()
        expect(walk, "x.cookie")
        assert walk.says("x.cookie.text", host=world.services.settings.host)


def test_registered_already_is_no_error(walk: Walk, world: World) -> None:
    walk.open("/cpx/register/code")
    address = walk.page.url
    walk.register_by_sms(world.letter(), EMAIL, MOBILE)
    walk.open(address)
    assert walk.heading == walk.text("r7.title")
