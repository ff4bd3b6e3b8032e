"""Changing settings in the console: form, difference, confirmation; faults at their field, somebody else told of."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask

from idp.admin.setting_forms import GROUPS
from idp.choices import Choices
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.texts import LANGUAGES, Texts
from tests.support.console import newest_event, said
from tests.support.operators import add_operator, sign_in
from tests.support.person import Person

pytestmark = pytest.mark.sqlite_only
EMAIL = "olga@fund.example.ch"
FORM, BUTTON = 1, 1


def words(key: str) -> str:
    """The text in French, with the spaces of a page whose words are read one by one."""
    return Texts.load().get("fr", key).replace("\u00a0", " ")


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, EMAIL, ["security"])
    return sign_in(web, services, EMAIL)


def change(person: Person, group: str, **entries: str) -> None:
    """Fill in the form of a group, as far as the page that shows the difference."""
    person.open(f"/admin/settings/{group}")
    person.submit(FORM, **(chosen(person) | entries))


def chosen(person: Person) -> dict[str, str]:
    """What stands in the lists of the page's form, as a browser would send it."""
    lists = re.findall(r'<select[^>]* name="(\w+)".*?</select>', person.text, re.DOTALL)
    found = {}
    for name in lists:
        (options,) = re.findall(rf'<select[^>]* name="{name}"[^>]*>(.*?)</select>', person.text, re.DOTALL)
        marked = re.findall(r'<option value="(\w+)" selected>', options) or re.findall(
            r'<option value="(\w+)"', options
        )
        found[name] = marked[0]
    return found


def test_every_setting_that_may_be_chosen_has_its_group_and_its_words() -> None:
    members = [name for group in GROUPS.values() for name in group]
    assert sorted(members) == sorted(Choices.model_fields)
    known = Texts.load().keys()
    for group, settings in GROUPS.items():
        assert f"set.g.{group}" in known
        assert {f"set.n.{name}" for name in settings} | {f"set.fx.{effect}" for effect in settings.values()} <= known


def test_a_change_is_looked_at_confirmed_and_counts_and_the_page_says_whence(
    olga: Person, services: Services, web: Flask
) -> None:
    change(olga, "codes", sms_code_for="5", email_code_for="2", email_code_for_unit="h")
    assert services.settings.sms_code_for == timedelta(minutes=10), "nothing is changed before it is confirmed"
    shown = said(olga)
    assert words("set.fx.sent") in shown
    assert f"{words('set.n.sms_code_for')} 10 minutes 5 minutes" in shown
    assert f"{words('set.n.email_code_for')} 30 minutes 2 heures" in shown
    assert words("set.n.login_idle_for") not in shown, "what stays the same is not in the way"
    olga.open(olga.address)
    assert said(olga) == shown, "a reload shows it again"
    olga.submit(BUTTON)
    assert words("set.saved") in said(olga)
    assert (services.settings.sms_code_for, services.settings.email_code_for) == (
        timedelta(minutes=5),
        timedelta(hours=2),
    )
    assert "Choisi par Olga" in said(olga)
    event = newest_event()
    assert (event.tag, event.actor_id, event.account_id) == ("operator:settings:change", event.actor_id, event.actor_id)
    olga.open("/admin/audit?tag=operator:settings:change")
    assert "sms_code_for: 10 min → 5 min" in olga.text
    change(olga, "codes", sms_code_for_back="yes")
    assert "5 minutes 10 minutes (de nouveau selon l’environnement)" in said(olga)
    olga.submit(BUTTON)
    assert services.settings.sms_code_for == timedelta(minutes=10)
    assert "sms_code_for" not in services.setting_changes.chosen()
    assert "email_code_for" in services.setting_changes.chosen()


def test_every_fault_stands_at_its_field_and_what_was_typed_is_kept(olga: Person, services: Services) -> None:
    change(
        olga, "tokens", authorization_code_for="2", authorization_code_for_unit="min", refresh_idle_for="60",
        access_token_for="bald", id_token_for="0", key_active_for="",
    )  # fmt: skip
    assert sorted(olga.errors()) == [
        "access_token_for", "authorization_code_for", "id_token_for", "key_active_for", "refresh_idle_for"
    ]  # fmt: skip
    shown = said(olga)
    for part in ("au plus 60 secondes", "au moins 1 minute", "Indiquez un nombre", "«dans tous les cas»"):
        assert part in shown, part
    assert 'value="bald"' in olga.text
    for language in LANGUAGES:
        olga.open(f"{olga.address}&lang={language}")
        assert Texts.load().get(language, "set.f.number") in said(olga)
    assert services.setting_changes.version() == 0


def test_whoever_comes_second_is_told_and_keeps_the_entries(
    olga: Person, services: Services, web: Flask
) -> None:  # fmt: skip
    change(olga, "limits", sends_per_hour="500")
    add_operator(services, "otto@fund.example.ch", ["superuser"])
    otto = sign_in(web, services, "otto@fund.example.ch")
    change(otto, "limits", sends_per_hour="400")
    otto.submit(BUTTON)
    olga.submit(BUTTON)
    assert words("set.meanwhile") in said(olga)
    assert services.settings.sends_per_hour == 400
    assert olga.filled(FORM)[1]["sends_per_hour"] == "500"
    olga.submit(FORM, **chosen(olga))
    assert "400 500" in said(olga)
    olga.submit(BUTTON)
    assert services.settings.sends_per_hour == 500


@pytest.mark.parametrize("version", ["", "x", "7", "9" * 40, "-1", "²"])
def test_a_version_that_nobody_saw_changes_nothing(olga: Person, services: Services, version: str) -> None:
    change(olga, "limits", sends_per_hour="500")
    olga.submit(BUTTON, version=version)
    assert words("set.meanwhile") in said(olga)
    assert services.settings.sends_per_hour == 600


def test_what_was_made_by_hand_is_judged_again_at_the_last_button(olga: Person, services: Services) -> None:
    change(olga, "sms", sms_countries="ch")
    olga.submit(BUTTON, sms_countries="CH, XX")
    assert olga.errors() == ["sms_countries"]
    assert services.setting_changes.version() == 0


def test_the_same_values_change_nothing_and_choose_nothing(olga: Person, services: Services) -> None:
    for group in GROUPS:
        change(olga, group)
        assert words("set.nothing") in said(olga), group
    assert services.setting_changes.chosen() == {}


def test_nothing_to_confirm_leads_to_the_form(olga: Person) -> None:
    olga.open("/admin/settings/sms/confirm?kept=x")
    assert olga.address == "/admin/settings/sms"


def test_who_may_only_look_finds_no_button(web: Flask, services: Services, portal: Portal) -> None:
    add_operator(services, EMAIL, ["reader"])
    reader = sign_in(web, services, EMAIL)
    reader.open("/admin/settings")
    assert not re.search(r"/admin/settings/\w", reader.text)
    reader.open("/admin/settings/sms")
    assert reader.page.status_code == 403
