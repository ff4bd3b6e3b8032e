"""The notice of maintenance: four languages, shown from then until then where persons sign in, plain words alone."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.live_settings import Notice
from idp.services.maintenance import plain
from idp.texts import LANGUAGES, Texts
from tests.support.builders import add_portal
from tests.support.console import newest_event, said
from tests.support.operators import add_operator, sign_in
from tests.support.person import Person

pytestmark = pytest.mark.sqlite_only
EMAIL = "olga@fund.example.ch"
FORM, BUTTON, WITHDRAW = 1, 1, 2
NOTICE = {
    "begins_at": "28.3.2026, 08:00", "ends_at": "29.3.2026 04:00", "fr": "Maintenance dimanche.",
    "de": "Wartung am Sonntag.", "it": "Manutenzione domenica.", "en": "Maintenance on Sunday.",
}  # fmt: skip


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_portal("fon")
    add_operator(services, EMAIL, ["security"])
    return sign_in(web, services, EMAIL)


def announce(person: Person, **entries: str) -> None:
    person.open("/admin/settings/notice")
    person.submit(FORM, **{**NOTICE, **entries})
    if not person.errors():
        person.submit(BUTTON)


def test_a_notice_is_shown_from_then_until_then_in_the_language_of_the_page(
    olga: Person, web: Flask, services: Services, clock: FrozenClock
) -> None:
    announce(olga)
    visitor = Person(web)
    seen = []
    for _ in range(48):
        visitor.open("/?lang=de")
        seen.append("Wartung am Sonntag." in visitor.text)
        clock.advance(timedelta(hours=1))
    began = seen.index(True)
    assert (began, seen.count(True), seen[began : began + 19]) == (18, 19, [True] * 19), "13:30 UTC is 14:30 here"


def test_it_stands_on_the_choice_the_sign_in_and_the_registration_and_nowhere_else(
    olga: Person, web: Flask, services: Services
) -> None:
    announce(olga, begins_at="27.3.2026 08:00")
    for language in LANGUAGES:
        for address in ("/", "/cpx/login", "/cpx/register/code"):
            visitor = Person(web)
            visitor.open(f"{address}?lang={language}")
            assert NOTICE[language] in visitor.text, (language, address)
    olga.open("/admin/keys")
    assert "Maintenance dimanche." not in olga.text


def test_every_fault_is_told_and_what_was_typed_is_kept(olga: Person, services: Services) -> None:
    olga.open("/admin/settings/notice")
    olga.submit(FORM, begins_at="morgen", ends_at="28.3.2026, 24:00", fr="x" * 301, de="Wartung", it=" \u202e ")
    assert sorted(olga.errors()) == ["begins_at", "en", "ends_at", "fr", "it"]
    assert 'value="morgen"' in olga.text
    for times, fault in (
        ({"begins_at": "28.3.2026 08:00", "ends_at": "28.3.2026 08:00"}, "order"),
        ({"begins_at": "1.3.2026 08:00", "ends_at": "2.3.2026 08:00"}, "past"),
        ({"begins_at": "28.3.2026 08:00", "ends_at": "29.4.2026 08:00"}, "span"),
    ):
        announce(olga, **times)
        assert olga.errors() == ["ends_at"]
        assert Texts.load().get("fr", f"mnt.e.{fault}") in said(olga)
    assert services.maintenance.stored() is None


def test_it_is_plain_text_whatever_is_typed(olga: Person, web: Flask) -> None:
    announce(olga, begins_at="27.3.2026 08:00", fr="<b>Arrêt</b>\r\n\u202edemain {portal}")
    visitor = Person(web)
    visitor.open("/?lang=fr")
    assert "&lt;b&gt;Arrêt&lt;/b&gt; demain {portal}" in visitor.text
    assert plain(" a\tb\u2028c\u200b\u2066 ") == "a b c"


def test_it_is_withdrawn_and_both_stand_in_the_audit(olga: Person, web: Flask, services: Services) -> None:
    announce(olga, begins_at="27.3.2026 08:00")
    event = newest_event()
    assert (event.tag, event.detail["before"]) == ("operator:maintenance_notice:change", "{}")
    assert "Wartung am Sonntag." in event.detail["after"]
    olga.open("/admin/settings/notice")
    olga.submit(WITHDRAW)
    visitor = Person(web)
    visitor.open("/?lang=de")
    assert "Wartung" not in visitor.text
    assert (newest_event().detail["after"], services.maintenance.stored()) == ("{}", None)


def test_whoever_comes_second_is_told(olga: Person, services: Services) -> None:
    olga.open("/admin/settings/notice")
    olga.submit(FORM, **NOTICE)
    services.setting_changes.apply({"sms_per_day": "7"}, 0)
    olga.submit(BUTTON)
    assert Texts.load().get("fr", "set.meanwhile").replace("\u00a0", " ") in said(olga)
    assert services.maintenance.stored() is None
    olga.submit(FORM, **{name: NOTICE[name] for name in LANGUAGES})
    olga.submit(BUTTON)
    assert services.maintenance.stored() is not None
    assert services.settings.sms_per_day == 7, "the notice is none of the settings"


def test_nothing_to_confirm_leads_to_the_form(olga: Person) -> None:
    olga.open("/admin/settings/notice/confirm")
    assert olga.address == "/admin/settings/notice"


@pytest.mark.no_database
def test_a_notice_of_another_release_is_none() -> None:
    for value in ("", "[]", "{}", "x", '{"begins_at": 1, "ends_at": 2, "texts": {}}', "null"):
        assert Notice.read(value) is None, value
