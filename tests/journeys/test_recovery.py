"""Recovery codes: made in the account, printed, used when the telephone is lost (ux.md §4.3 H1, §4.5)."""

from __future__ import annotations

import re
from datetime import timedelta

from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.models.account import RecoveryCode
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.attempts import SMS_CODE
from idp.services.bundle import Services
from idp.services.housekeeping import clean
from tests.actions import PASSWORD
from tests.support.person import ISSUER, Person, newest_code, newest_message
from tests.support.relying_party import RelyingParty, answer_of
from tests.support.walks import NEW_PASSWORD, add_account, app_code

EMAIL = "helene@example.ch"
PRINTED = re.compile(r"\b(?:[0-9A-Z]{4}-){3}[0-9A-Z]{4}\b")


def made(person: Person) -> list[str]:
    """The person's new codes, as shown."""
    person.open("/cpx/account/codes")
    person.submit()
    assert person.address == "/account/security/codes"
    return PRINTED.findall(person.text)


def stuck(web: Flask) -> Person:
    """A fresh browser that knows the password and has no telephone."""
    person = Person(web)
    person.open("/cpx/login")
    person.submit(email=EMAIL, password=PASSWORD)
    person.open(re.sub("/login/(code|methods)", "/login/help", person.address))
    assert person.title == "Retrouver l’accès à votre compte"
    return person


def test_five_codes_are_shown_for_ten_minutes_where_they_were_made(
    web: Flask, person: Person, clock: FrozenClock
) -> None:
    codes = made(person)
    assert len(set(codes)) == 5
    person.open("/account/security/codes")
    assert PRINTED.findall(person.text) == codes
    file = person.client.get("/account/security/codes.txt", base_url=ISSUER)
    assert PRINTED.findall(file.text) == codes
    assert file.headers["Content-Disposition"].startswith("attachment")
    assert file.headers["Cache-Control"] == "no-store"
    assert "Nouveaux codes de récupération" in newest_message("mail")
    clock.advance(timedelta(minutes=10))
    person.open("/account/security/codes")
    assert PRINTED.findall(person.text) == []
    assert "Il vous reste 5 codes" in person.text
    clean(clock.now())
    assert db.session.scalars(select(RecoveryCode.sealed_code)).all() == [None] * 5


def test_another_session_of_the_same_person_does_not_see_them(web: Flask, person: Person, clock: FrozenClock) -> None:
    made(person)
    clock.advance(timedelta(minutes=2))
    other = Person(web)
    other.open("/cpx/login")
    other.submit(email=EMAIL, password=PASSWORD)
    other.submit(otp=newest_code("sms"))
    other.open("/account/security/codes")
    assert PRINTED.findall(other.text) == []
    assert other.client.get("/account/security/codes.txt", base_url=ISSUER).status_code == 303


def test_new_codes_void_the_old_ones(web: Flask, person: Person, services: Services) -> None:
    old, new = made(person), made(person)
    account = services.accounts.find(EMAIL)
    assert account
    assert not set(old) & set(new)
    assert [services.recovery_codes.use(account.id, code) for code in old] == [False] * 5
    assert services.recovery_codes.use(account.id, new[0].lower().replace("-", " "))
    assert not services.recovery_codes.use(account.id, new[0])


def test_a_code_leads_to_a_new_number_and_ends_what_the_lost_telephone_had(
    web: Flask, person: Person, clock: FrozenClock, services: Services
) -> None:
    codes = made(person)
    clock.advance(timedelta(minutes=2))
    lost = stuck(web)
    lost.submit()
    assert lost.title == "J’ai un code de récupération"
    lost.submit(recovery_code=codes[0])
    assert lost.title == "Choisissez votre nouvelle méthode"
    assert "Il vous reste 4 codes de récupération." in newest_message("mail")
    lost.submit(factor="sms", mobile="079 999 88 77")
    lost.submit(otp=newest_code("sms"))
    assert lost.address.startswith("https://cpx.example.ch")
    person.open("/account")
    assert EMAIL not in person.text
    account = services.accounts.find(EMAIL)
    assert account
    assert services.accounts.factors(account.id).phone == "+41799998877"
    assert "Méthode de connexion modifiée" in newest_message("mail")


def test_a_code_leads_to_an_app_and_the_lost_number_is_given_up(
    web: Flask, person: Person, clock: FrozenClock, services: Services
) -> None:
    codes = made(person)
    lost = stuck(web)
    lost.submit()
    lost.submit(recovery_code=codes[4])
    lost.submit(factor="app")
    seed = lost.text.split('data-copy="')[1].split('"')[0]
    lost.submit(otp=app_code(clock, seed))
    account = services.accounts.find(EMAIL)
    assert account
    assert services.accounts.factors(account.id).names == ("app",)


def test_a_code_serves_once_and_guesses_are_counted(web: Flask, person: Person) -> None:
    codes = made(person)
    for number, guess in enumerate([codes[0], codes[0], *["K7M4-9PQX-2TDH-5WRC"] * 5]):
        lost = stuck(web)
        lost.submit()
        lost.submit(recovery_code=guess)
        if number == 0:
            assert lost.title == "Choisissez votre nouvelle méthode"
        elif number < 5:
            assert lost.errors() == ["recovery_code"]
    lost = stuck(web)
    lost.submit()
    assert lost.title == "Choisissez une méthode"
    assert "Trop d’essais" in lost.text
    assert "<strong>Code de récupération</strong>: trop d’essais, fermé jusqu’à" in lost.text
    assert 'value="sms"' in lost.text


def test_empty_and_short_codes_cost_nothing(web: Flask, person: Person) -> None:
    made(person)
    lost = stuck(web)
    lost.submit()
    for typed in ("", "K7M4", "K7M4-9PQX-2TDH-5WR!", "1" * 200):
        lost.submit(recovery_code=typed)
        assert lost.errors() == ["recovery_code"]


def test_whoever_has_no_codes_is_offered_none(web: Flask, person: Person) -> None:
    lost = stuck(web)
    assert "J’ai un code" not in lost.text
    lost.open(lost.address.replace("/help", "/methods"))
    lost.submit(method="recovery")
    assert lost.errors() == ["method"]


def test_a_new_password_with_a_recovery_code(
    web: Flask, services: Services, portal: Portal, person: Person, clock: FrozenClock
) -> None:
    codes = made(person)
    clock.advance(timedelta(minutes=2))
    forgetful = Person(web)
    forgetful.open("/cpx/reset")
    forgetful.submit(email=EMAIL)
    forgetful.submit(otp=newest_code("mail"))
    forgetful.open(forgetful.address.replace("/reset/factor", "/reset/help"))
    forgetful.submit()
    forgetful.submit(recovery_code=codes[2])
    forgetful.submit(factor="sms", mobile="079 999 88 77")
    forgetful.submit(otp=newest_code("sms"))
    forgetful.submit(password=NEW_PASSWORD)
    assert forgetful.title == "Mot de passe modifié"


def test_codes_are_made_only_by_somebody_who_confirmed_who_they_are(
    web: Flask, person: Person, clock: FrozenClock
) -> None:
    clock.advance(timedelta(minutes=11))
    person.open("/cpx/account/codes")
    assert person.title == "Confirmez que c’est bien vous"
    person.submit(password="wrong")
    assert person.errors() == ["password"]
    person.submit(password=PASSWORD)
    person.submit()
    assert len(PRINTED.findall(person.text)) == 5


def test_a_stranger_is_asked_to_sign_in_and_comes_back(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, EMAIL)
    person = Person(web)
    person.open("/cpx/account/codes")
    assert "Connexion à" in person.title
    person.submit(email=EMAIL, password=PASSWORD)
    person.submit(otp=newest_code("sms"))
    assert person.title == "Vos codes de récupération"


def test_a_sign_in_from_a_new_device_is_told_and_one_from_a_known_device_is_not(
    web: Flask, person: Person, clock: FrozenClock
) -> None:
    for browser, is_told in ((person, False), (Person(web), True)):
        clock.advance(timedelta(hours=13))
        browser.open("/cpx/login")
        browser.submit(email=EMAIL, password=PASSWORD)
        browser.submit(otp=newest_code("sms"))
        assert ("Connexion depuis un nouvel appareil" in newest_message("mail")) == is_told


def test_a_code_in_a_browser_that_is_signed_in_opens_a_new_session(
    web: Flask, person: Person, clock: FrozenClock, rp: RelyingParty
) -> None:
    codes = made(person)
    clock.advance(timedelta(minutes=2))
    person.open(rp.request(prompt="login"))
    person.submit(email=EMAIL, password=PASSWORD)
    person.open(person.address.replace("/login/code", "/login/methods"))
    person.submit(method="recovery")
    person.submit(recovery_code=codes[0])
    person.submit(factor="sms", mobile="079 999 88 77")
    person.submit(otp=newest_code("sms"))
    assert answer_of(person.address)["state"] == "s-1"
    person.open("/account")
    assert EMAIL in person.text


def test_guesses_at_a_lost_factor_do_not_keep_its_owner_from_setting_it_up_anew(
    web: Flask, person: Person, services: Services
) -> None:
    account = services.accounts.find(EMAIL)
    assert account
    for _ in range(5):
        services.attempts.pay(SMS_CODE, str(account.id))
    assert services.attempts.refusal(SMS_CODE, str(account.id))
    person.open("/cpx/account/mobile")
    person.submit(mobile="079 999 88 77")
    person.submit(otp=newest_code("sms"))
    assert person.title == "Sécurité"
    assert services.attempts.refusal(SMS_CODE, str(account.id)) is None
