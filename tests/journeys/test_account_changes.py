"""What owners change in their account: what it takes, what it ends, and who is told (ux.md §4.5)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from flows.journeys import OWN, Journey
from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.own_data import FIELDS
from tests.actions import PASSWORD, register
from tests.support.person import ISSUER, Person, newest_code, newest_message
from tests.support.walks import NEW_PASSWORD, add_account, app_code

EMAIL = "helene@example.ch"


def signed_in(web: Flask, clock: FrozenClock, email: str = EMAIL, password: str = PASSWORD, method: str = "") -> Person:
    """Another browser of this person, by this method where there are several."""
    clock.advance(timedelta(minutes=2))
    person = Person(web)
    person.open("/cpx/login")
    person.submit(email=email, password=password)
    if method:
        person.open(person.address.replace("login/code", "login/methods"))
        person.submit(method=method)
    person.submit(otp=newest_code("sms"))
    assert person.address == "https://cpx.example.ch/"
    return person


def add_app(person: Person, clock: FrozenClock) -> None:
    clock.advance(timedelta(minutes=1))
    person.open("/cpx/account/app")
    person.submit()
    person.submit(otp=app_code(clock, person.text.split('data-copy="')[1].split('"')[0]))
    assert person.title == "Sécurité"


def names(services: Services) -> tuple[str, ...]:
    db.session.rollback()
    account = services.accounts.find(EMAIL)
    assert account
    return services.accounts.factors(account.id).names


def facts_of(journey: Journey) -> set[str]:
    return {name for step in journey.itinerary.steps for name in step.proves}


def is_signed_in(person: Person) -> bool:
    person.open("/account")
    return person.title == "Votre compte"


def test_a_new_password_ends_every_other_session(web: Flask, person: Person, clock: FrozenClock) -> None:
    elsewhere = signed_in(web, clock)
    person.open("/cpx/account/password")
    person.submit(password=NEW_PASSWORD)
    assert person.title == "Sécurité"
    assert "Modification enregistrée." in person.text
    assert "Mot de passe modifié" in newest_message("mail")
    assert is_signed_in(person)
    assert not is_signed_in(elsewhere)
    signed_in(web, clock, password=NEW_PASSWORD)


def test_after_ten_minutes_the_password_is_asked_for_again(web: Flask, person: Person, clock: FrozenClock) -> None:
    clock.advance(timedelta(minutes=10))
    person.open("/cpx/account/password")
    assert person.title == "Confirmez que c’est bien vous"
    for typed in ("", "wrong"):
        person.submit(password=typed)
        assert person.errors() == ["password"]
    person.submit(password=PASSWORD)
    assert person.title == "Nouveau mot de passe"
    person.open("/cpx/account/email")  # confirmed for this too
    assert person.title == "Saisissez votre nouvelle adresse e-mail"


def test_who_types_for_longer_than_ten_minutes_confirms_and_loses_nothing(
    web: Flask, person: Person, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    """Nor does anybody else who signs in at the same browser meanwhile get it."""
    add_account(services, portal, "other@example.ch", number="+41790000002")
    person.open("/cpx/account/email")
    clock.advance(timedelta(minutes=10))
    person.submit(email="new@example.ch")
    assert person.title == "Confirmez que c’est bien vous"
    confirm = person.address
    person.client.delete_cookie("connect_session")
    person.open("/cpx/login")
    person.submit(email="other@example.ch", password=PASSWORD)
    person.submit(otp=newest_code("sms"))
    person.open(confirm)
    assert person.title == "Saisissez votre nouvelle adresse e-mail"
    assert "new@example.ch" not in person.text
    person.client.delete_cookie("connect_session")
    clock.advance(timedelta(minutes=1))
    person.open(confirm)
    person.submit(email=EMAIL, password=PASSWORD)
    person.submit(otp=newest_code("sms"))
    assert 'value="new@example.ch"' in person.text


def test_guesses_at_the_password_are_counted(web: Flask, person: Person, clock: FrozenClock) -> None:
    clock.advance(timedelta(minutes=10))
    person.open("/cpx/account/password")
    for guess in range(5):
        person.submit(password=f"wrong {guess}")
    person.submit(password=PASSWORD)
    assert "Trop d’essais" in person.text


def test_another_number_takes_the_place_of_the_old_one_which_is_told(
    web: Flask, person: Person, services: Services, clock: FrozenClock
) -> None:
    person.open("/cpx/account/mobile")
    person.submit(mobile="079 999 88 77")
    person.submit(otp=newest_code("sms"))
    assert person.title == "Sécurité"
    assert "se terminant par 77" in person.text
    assert "votre numéro de mobile a été remplacé" in newest_message("sms", to="+41791234567")
    assert "Numéro de mobile modifié" in newest_message("mail")


def test_an_app_comes_beside_the_number(web: Flask, person: Person, services: Services, clock: FrozenClock) -> None:
    person.open("/cpx/account/app")
    person.submit()
    person.submit(otp=app_code(clock, person.text.split('data-copy="')[1].split('"')[0]))
    assert names(services) == ("app", "sms")


def test_another_number_ends_every_other_session_and_a_first_app_ends_none(
    web: Flask, person: Person, clock: FrozenClock
) -> None:
    elsewhere = signed_in(web, clock)
    add_app(person, clock)
    assert "Méthode de connexion ajoutée" in newest_message("mail")
    assert is_signed_in(elsewhere)
    add_app(person, clock)  # another one in its place
    assert "Méthode de connexion modifiée" in newest_message("mail")
    assert is_signed_in(person)
    assert not is_signed_in(elsewhere)
    elsewhere = signed_in(web, clock, method="sms")
    person.open("/cpx/account/mobile")
    person.submit(mobile="079 999 88 77")
    person.submit(otp=newest_code("sms"))
    assert is_signed_in(person)
    assert not is_signed_in(elsewhere)


def test_one_of_two_methods_is_removed_and_other_sessions_end(
    web: Flask, person: Person, services: Services, clock: FrozenClock
) -> None:
    add_app(person, clock)
    elsewhere = signed_in(web, clock, method="sms")
    person.open("/cpx/account/method")
    for wrong in ("", "recovery", "nothing"):
        person.submit(factor=wrong)
        assert person.errors() == ["factor"]
    person.submit(factor="sms")
    assert person.title == "Sécurité"
    assert "se terminant par" not in person.text
    assert "Méthode de connexion supprimée" in newest_message("mail")
    assert names(services) == ("app",)
    assert is_signed_in(person)
    assert not is_signed_in(elsewhere)


def test_the_last_method_cannot_be_removed(web: Flask, person: Person, services: Services, clock: FrozenClock) -> None:
    add_app(person, clock)
    person.open("/cpx/account/method")
    tab = person.filled(factor="app")
    person.submit(factor="sms")
    assert names(services) == ("app",)
    person.open("/cpx/account/method")
    assert "Ajoutez d’abord une autre méthode; celle-ci est votre dernière." in person.text.replace("\u00a0", "")
    assert "Ajouter un numéro de mobile" in person.text
    assert "<form" not in person.text.split("<main")[1].split("</main>")[0]
    assert person.post(tab)[0].status_code == 303  # a form that was loaded before
    assert names(services) == ("app",)
    person.open("/account/security")
    assert "/cpx/account/method" not in person.text


@pytest.mark.parametrize(
    "journey", [journey for journey in OWN if "factor_proved" in facts_of(journey)], ids=lambda one: one.name
)
@pytest.mark.parametrize("method", ["app", "sms", "recovery"])
def test_whatever_opens_the_account_is_changed_with_the_present_factor_alone(journey: Journey, method: str) -> None:
    """By whichever method, a step of its own proves it before the first step of the change itself."""
    itinerary = journey.itinerary
    state = itinerary.prove(itinerary.initial, itinerary.find("confirm"), {"account_id": "a", "proved_at": "t"})
    state = itinerary.prove(state, itinerary.find("choose_method"), {"method": method})
    step = itinerary.current(state)
    assert step is not None
    assert step.proves == {"factor_proved"}


def test_later_the_present_factor_is_asked_for_too(web: Flask, person: Person, clock: FrozenClock) -> None:
    clock.advance(timedelta(minutes=10))
    person.open("/cpx/account/mobile")
    person.submit(password=PASSWORD)
    assert person.title == "Saisissez le code SMS"
    person.submit(otp="000000")
    assert person.errors() == ["otp"]
    person.submit(otp=newest_code("sms"))
    assert person.title == "Saisissez le numéro de mobile"


def test_the_new_address_is_proved_and_the_old_one_is_told(web: Flask, person: Person, clock: FrozenClock) -> None:
    person.open("/cpx/account/email")
    person.submit(email="Helene.Mueller@Example.ch")
    assert person.title == "Consultez votre boîte e-mail"
    signed_in(web, clock)  # the old one is still the address
    person.press("resend")
    person.submit(otp=newest_code("mail"))
    assert person.title == "Profil"
    assert "helene.mueller@example.ch" in person.text
    assert "Adresse e-mail modifiée" in newest_message("mail", to=EMAIL)
    signed_in(web, clock, "helene.mueller@example.ch")


def test_an_address_of_somebody_else_is_not_told_apart_and_not_taken(
    web: Flask, person: Person, services: Services, portal: Portal
) -> None:
    add_account(services, portal, "other@example.ch")
    person.open("/cpx/account/email")
    person.submit(email="other@example.ch")
    assert person.title == "Consultez votre boîte e-mail"
    assert "Vous avez déjà un compte Connect" in newest_message("mail", to="other@example.ch")
    for guess in range(3):
        person.submit(otp=f"00000{guess}")
        assert person.errors() == ["otp"]


def test_an_address_that_was_taken_meanwhile_is_refused(
    web: Flask, person: Person, services: Services, portal: Portal
) -> None:
    person.open("/cpx/account/email")
    person.submit(email="new@example.ch")
    code = newest_code("mail")
    add_account(services, portal, "new@example.ch")
    person.submit(otp=code)
    assert person.errors() == ["email"]
    assert "Cette adresse ne peut pas être utilisée" in person.text


def test_sessions_are_listed_and_ended_one_by_one_and_all_at_once(
    web: Flask, person: Person, clock: FrozenClock
) -> None:
    others = [signed_in(web, clock) for _ in range(3)]
    person.open("/account/sessions")
    assert person.text.count("Fermer cette session") == 3
    assert person.text.count("Cet appareil") == 1
    person.submit()  # the newest of the others
    assert person.text.count("Fermer cette session") == 2
    assert [is_signed_in(other) for other in others] == [True, True, False]
    person.open("/account/sessions")
    person.submit(2)
    assert "Aucune autre session n’est ouverte." in person.text
    assert [is_signed_in(other) for other in (*others, person)] == [False, False, False, True]


def test_nobody_ends_the_session_of_somebody_else(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    mine = register(web, services, portal)
    theirs = register(web, services, portal, "other@example.ch", "079 765 43 21")
    signed_in(web, clock)  # so that the page has a form
    mine.open("/account/sessions")
    account = services.accounts.find("other@example.ch")
    assert account
    (session,) = services.sessions.live(account)
    mine.submit(session=str(session.id))
    assert is_signed_in(theirs)


PAGES = (
    "profile", "security", "security/codes", "security/codes.txt", "sessions", "portals", "portals/add", "language",
    "data", "data.json",
)  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_a_stranger_sees_nothing(web: Flask, page: str) -> None:
    response = web.test_client().get(f"/account/{page}", base_url=ISSUER)
    assert response.status_code == 303


def test_all_data_of_ones_own_and_no_secret(web: Flask, person: Person, services: Services, portal: Portal) -> None:
    register(web, services, portal, "other@example.ch", "079 765 43 21")
    person.open("/account/data")
    for shown in (EMAIL, "+41791234567", "27.3.1958", "person:account:register", "Numéro d’assuré", "Événement"):
        assert shown in person.text
    for field in {name for fields in FIELDS.values() for name in fields if "_" in name}:
        assert field not in person.text, "a field under its name in the file"
    response = person.client.get("/account/data.json", base_url=ISSUER)
    held = response.get_json()
    assert [one["portal"] for one in held["records"]] == ["cpx"]
    assert held["account"][0]["email"] == EMAIL
    assert held["records"][0]["birth_date"] == "1958-03-27"
    for subject, entries in held.items():
        assert all(set(entry) <= set(FIELDS[subject]) for entry in entries)
    assert {one["tag"] for one in held["events"]} >= {"person:account:register", "person:session:open"}
    assert response.headers["Content-Disposition"].startswith("attachment")
    assert response.headers["Cache-Control"] == "no-store"
    for secret in ("other@example.ch", "argon2", "secret", "hash", "seed"):
        assert secret not in response.text
