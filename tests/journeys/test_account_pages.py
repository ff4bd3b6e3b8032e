"""What an account's pages show and let its owner choose (ux.md §4.5)."""

from __future__ import annotations

import re
from datetime import timedelta
from pathlib import Path

from flask import Flask
from sqlalchemy import select

from idp.account.entrance import SECTIONS
from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.reminders import CARDS
from tests.actions import PASSWORD, link, register
from tests.support.builders import add_portal
from tests.support.person import ISSUER, Person, newest_code, newest_message
from tests.support.walks import SEED

EMAIL = "helene@example.ch"
METHOD, CODES, PASSKEY = "Ajoutez une deuxième méthode", "Imprimez vos codes", "Connectez-vous plus simplement"


def cards(person: Person) -> list[str]:
    person.open("/account")
    return re.findall(r'name="card" value="(\w+)"', person.text)


def content(person: Person) -> str:
    """The page without what asks to stay signed in."""
    return person.text.split("<main")[1].split("</main>")[0]


def put_off(person: Person, card: str) -> None:
    person.submit(cards(person).index(card))


def test_the_first_page_greets_and_tells_of_the_sign_in_before(web: Flask, person: Person, clock: FrozenClock) -> None:
    person.open("/account")
    assert "Bonjour Hélène Müller" in person.text
    assert "Connexion précédente" not in person.text
    clock.advance(timedelta(days=1))
    again = Person(web)
    again.open("/cpx/login")
    again.submit(email=EMAIL, password=PASSWORD)
    again.submit(otp=newest_code("sms"))
    again.open("/account")
    assert "Connexion précédente: le 27.3.2026 à 14:30 (appareil inconnu)" in again.text.replace("\u00a0", "")


def test_what_is_to_be_done_is_advised_until_it_is_done(
    web: Flask, person: Person, services: Services, clock: FrozenClock
) -> None:
    assert cards(person) == list(CARDS)
    account = services.accounts.find(EMAIL)
    assert account
    services.totp.enrol(account.id, SEED, 0)
    db.session.commit()
    assert cards(person) == ["codes", "passkey"]
    person.open("/cpx/account/codes")
    person.submit()
    assert cards(person) == ["passkey"]


def test_an_advice_put_off_rests_for_thirty_days_and_comes_three_times_at_most(
    web: Flask, person: Person, services: Services, clock: FrozenClock
) -> None:
    account = services.accounts.find(EMAIL)
    assert account
    for time in range(3):
        assert services.reminders.due(account.id) == CARDS, time
        for _ in range(2):  # a double click is one
            services.reminders.put_off(account.id, "codes")
        clock.advance(timedelta(days=29, hours=23))
        assert services.reminders.due(account.id) == ("method", "passkey")
        clock.advance(timedelta(hours=1))
    clock.advance(timedelta(days=400))
    assert services.reminders.due(account.id) == ("method", "passkey")


def test_not_now_is_a_form_and_hides_that_card_alone(
    web: Flask, person: Person, services: Services, portal: Portal
) -> None:
    other = register(web, services, portal, "other@example.ch", "079 765 43 21")
    put_off(person, "codes")
    assert person.title == "Votre compte"
    assert cards(person) == ["method", "passkey"]
    assert cards(other) == list(CARDS)
    person.submit(card="nothing")
    assert cards(person) == ["method", "passkey"]


def test_a_second_method_is_advised_only_where_the_portal_has_one(web: Flask, person: Person, portal: Portal) -> None:
    portal.factors = ["sms"]
    db.session.commit()
    assert cards(person) == ["codes", "passkey"]


def test_the_records_of_an_account_stand_in_the_order_of_their_linking(
    person: Person, services: Services, clock: FrozenClock
) -> None:
    clock.advance(timedelta(days=-1))
    link(services, add_portal("fon"))  # stored last, linked first
    account = services.accounts.find(EMAIL)
    assert account is not None
    assert [one.portal.slug for one in services.accounts.records_of(account.id)] == ["fon", "cpx"]


def test_the_profile_tells_what_each_fund_says_and_whom_to_ask(web: Flask, person: Person, services: Services) -> None:
    link(services, add_portal("fon", phone="031 999 88 77"))
    person.open("/account/profile")
    for said in ("Caisse CPX", "Caisse FON", "27.3.1958", "Hélène Müller", EMAIL, "079 123 45 67", "Français"):
        assert said in person.text.replace("\u00a0", " "), said
    assert "Ces données viennent de Caisse FON." in person.text
    assert '<a href="tel:0319998877">031 999 88 77</a>' in person.text
    assert "<input" not in content(person)
    for address in ("/cpx/account/email", "/cpx/account/mobile", "/account/language", "/cpx/account/close"):
        assert f'href="{address}"' in person.text


def test_the_language_counts_at_once_for_pages_mails_and_letters(
    web: Flask, person: Person, services: Services
) -> None:
    person.open("/account/language")
    assert 'value="fr" checked' in person.text
    person.submit(language="de")
    assert person.title == "Sprache"
    assert "Änderung gespeichert." in person.text
    person.open("/cpx/account/codes")
    person.submit()
    assert "Neue Wiederherstellungscodes" in newest_message("mail")
    db.session.rollback()
    assert [record.language for record in db.session.scalars(select(InsuredPerson))] == ["de"]
    person.open("/account/language")
    for wrong in ("", "en-US", "x"):
        person.submit(language=wrong)
        assert 'value="de" checked' in person.text


def test_the_language_follows_its_person_to_another_browser(web: Flask, person: Person, clock: FrozenClock) -> None:
    person.open("/account/language")
    person.submit(language="it")
    clock.advance(timedelta(minutes=2))
    other = Person(web)
    other.open("/cpx/login")
    other.submit(email=EMAIL, password=PASSWORD)
    other.submit(otp=newest_code("sms"))
    other.open("/account")
    assert other.title == "Il Suo conto"


def test_an_import_keeps_the_language_of_whoever_has_an_account(
    web: Flask, person: Person, services: Services, portal: Portal, tmp_path: Path
) -> None:
    person.open("/account/language")
    person.submit(language="de")
    file = tmp_path / "persons.csv"
    head = "external_id;insured_number;given_name;family_name;birth_date;language;address_1;address_2"
    line = f"P-{EMAIL};756.1234.5678.97;Hélène;Müller-Rochat;27.03.1958;fr;Rue du Lac 1;1000 Lausanne"
    file.write_text(f"{head}\n{line}\n", encoding="utf-8")
    report = services.imports.run(file, portal)
    assert (report.errors, report.changed) == ([], 1)
    db.session.commit()
    record = db.session.scalars(select(InsuredPerson)).one()
    assert (record.family_name, record.language) == ("Müller-Rochat", "de")


def test_connected_portals_open_and_another_one_is_added_by_its_letter(
    web: Flask, person: Person, services: Services
) -> None:
    add_portal("fon")
    person.open("/account/portals")
    assert 'href="/cpx/login"' in person.text
    assert "Caisse FON" not in person.text
    assert "Retirer un portail de votre compte" in person.text
    assert "<form" not in content(person)
    person.open("/cpx/login")
    assert person.address == "https://cpx.example.ch/"
    person.open("/account/portals/add")
    assert 'href="/fon/link/code"' in person.text
    link(services, db.session.scalars(select(Portal).where(Portal.slug == "fon")).one())
    person.open("/account/portals")
    assert 'href="/fon/login"' in person.text


def test_every_page_of_the_account_stands_in_the_same_frame(web: Flask, person: Person) -> None:
    within = {"/account/portals/add": "/account/portals", "/account/security/passkeys": "/account/security",
              "/account/security/codes": "/account/security"}  # fmt: skip
    for address in (*SECTIONS, *within):
        person.open(address)
        assert person.page.status_code == 200, address
        found = re.findall(
            r'<li><a href="(/account[^"]*)"(?: aria-current="(\w+)")?>', person.text.split("<footer>")[0]
        )
        assert [at for at, _ in found if at in SECTIONS] == list(SECTIONS), address
        marked = [(at, how) for at, how in found if how]
        assert marked == ([(address, "page")] if address in SECTIONS else [(within[address], "true")])
    assert person.client.get("/account/later", base_url=ISSUER).status_code == 405
