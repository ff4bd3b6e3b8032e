"""The users' guide over HTTP: register with the letter's code, by SMS and by app, and sign in."""

from __future__ import annotations

from datetime import timedelta

import pyotp
import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.account import Account, Phone
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.session import Session
from idp.services.bundle import Services
from idp.services.bundle import services as current_services
from idp.services.registration_codes import show
from tests.support.builders import add_person, add_portal
from tests.support.person import Person, newest_code, newest_message

PASSWORD = "vier pferde im regen"
DETAILS = {"birth_date": "27.3.1958", "password": PASSWORD, "terms": "yes"}


@pytest.fixture
def code(app: Flask, services: Services) -> str:
    portal = add_portal()
    plain = services.registration_codes.issue(add_person(portal), portal)
    db.session.commit()
    return plain


def up_to_details(person: Person, code: str, email: str = "helene@example.ch") -> None:
    clock = current_services().clock
    assert isinstance(clock, FrozenClock)
    clock.advance(timedelta(minutes=3))  # past the pause between two codes to one address
    person.open("/cpx/login")
    assert "J’ai un code d’inscription" in person.text
    person.open("/cpx/register/code")
    person.submit(code=show(code).lower())
    assert person.title == "Saisissez votre adresse e-mail privée"
    person.submit(email=email)
    assert person.title == "Consultez votre boîte e-mail"
    person.submit(otp=newest_code("mail"))
    assert person.title == "Complétez vos données"


def register_by_sms(person: Person, code: str, email: str = "helene@example.ch") -> None:
    up_to_details(person, code, email)
    person.submit(factor="sms", mobile="079 123 45 67", **DETAILS)
    assert person.title == "Saisissez le code SMS"
    person.submit(otp=newest_code("sms"))


def test_a_person_registers_by_sms_and_is_signed_in(web: Flask, code: str) -> None:
    person = Person(web)
    register_by_sms(person, code)
    assert person.title == "Votre inscription est terminée"
    assert "https://cpx.example.ch/" in person.text
    account = db.session.scalars(select(Account)).one()
    assert account.email == "helene@example.ch"
    assert db.session.scalars(select(Phone)).one().number == "+41791234567"
    assert db.session.scalars(select(InsuredPerson)).one().account_id == account.id
    assert db.session.scalars(select(RegistrationCode)).one().redeemed_at is not None
    assert db.session.scalars(select(Session)).one().amr == ["pwd", "sms", "mfa"]
    assert "Votre inscription à Caisse CPX est terminée" in newest_message("mail")


def test_a_person_registers_by_app_and_signs_in_later(web: Flask, code: str, clock: FrozenClock) -> None:
    person = Person(web)
    up_to_details(person, code)
    person.submit(factor="app", **DETAILS)
    assert person.title == "Configurez l’application Authenticator"
    seed = person.text.split('data-copy="')[1].split('"')[0]
    assert "otpauth://totp/Connect:Connect" in person.text
    person.open(person.address)
    assert seed in person.text  # a scanned QR stays right over a reload
    person.submit(otp="000000")
    assert person.errors() == ["otp"]
    person.submit(otp=pyotp.TOTP(seed).at(clock.now()))
    assert person.title == "Votre inscription est terminée"

    clock.advance(timedelta(hours=13))
    other = Person(web)
    other.open("/cpx/login")
    other.submit(email=" Helene@Example.CH ", password=PASSWORD)
    assert other.title == "Saisissez le code de votre application"
    used = pyotp.TOTP(seed).at(clock.now())
    other.submit(otp=used)
    assert other.address == "https://cpx.example.ch/"
    third = Person(web)
    third.open("/cpx/login")
    third.submit(email="helene@example.ch", password=PASSWORD)
    third.submit(otp=used)
    assert third.errors() == ["otp"]  # each time step once


def test_what_was_typed_is_kept_and_errors_are_named(web: Flask, code: str) -> None:
    person = Person(web)
    up_to_details(person, code)
    person.submit(factor="sms", mobile="031 123 45 67", birth_date="27.3.1958", password="passwort1234")
    assert set(person.errors()) == {"password", "mobile", "terms"}
    assert 'value="031 123 45 67"' in person.text
    assert 'value="27.3.1958"' in person.text
    assert "passwort1234" not in person.text
    assert "<title>Erreur" in person.text


def test_a_wrong_birth_date_stops_after_five(web: Flask, code: str) -> None:
    person = Person(web)
    up_to_details(person, code)
    for _ in range(5):
        person.submit(factor="app", **{**DETAILS, "birth_date": "28.3.1958"})
        assert "ne correspond pas" in person.text
    person.submit(factor="app", **DETAILS)
    assert "Trop d’essais" in person.text
    assert db.session.scalar(select(func.count()).select_from(Account)) == 0


def test_mistyped_unknown_and_used_codes_have_their_own_words(web: Flask, code: str, services: Services) -> None:
    person = Person(web)
    person.open("/cpx/register/code")
    wrong = ("0" if code[0] != "0" else "1") + code[1:]
    person.submit(code=wrong)
    assert "Un caractère n’est pas juste" in person.text
    person.submit(code=code[:5])
    assert "vous en avez saisi 5" in person.text
    add_portal("fon")
    other = Person(web)
    other.open("/fon/register/code")
    other.submit(code=code)
    assert "Nous ne trouvons pas ce code pour Caisse FON" in other.text
    register_by_sms(Person(web), code)
    person.open("/cpx/register/code")
    person.submit(code=code)
    assert "Ce code a déjà servi" in person.text


def test_an_address_with_an_account_shows_the_same_page_and_its_owner_is_told(
    web: Flask, code: str, services: Services, clock: FrozenClock
) -> None:
    register_by_sms(Person(web), code)
    clock.advance(timedelta(minutes=1))
    portal = add_portal("fon")
    second = services.registration_codes.issue(add_person(portal), portal)
    db.session.commit()
    person = Person(web)
    person.open("/fon/register/code")
    person.submit(code=second)
    person.submit(email="helene@example.ch")
    assert person.title == "Consultez votre boîte e-mail"
    assert "Vous avez déjà un compte Connect" in newest_message("mail")


def test_a_second_portal_is_added_to_the_account(web: Flask, code: str, services: Services) -> None:
    person = Person(web)
    register_by_sms(person, code)
    portal = add_portal("fon")
    second = services.registration_codes.issue(add_person(portal), portal)
    db.session.commit()
    person.open("/fon/register/code")
    person.submit(code=second)
    person.press("existing")
    assert "helene@example.ch" in person.text
    person.submit(birth_date="27/03/1958")
    assert person.address == "https://fon.example.ch/"
    linked = db.session.scalars(select(InsuredPerson)).all()
    assert len({row.account_id for row in linked}) == 1


def test_a_double_click_sends_and_judges_once(web: Flask, code: str) -> None:
    person = Person(web)
    person.open("/cpx/register/code")
    person.submit(code=code)
    filled = person.filled(email="helene@example.ch")
    first, second = person.post(filled)[0], person.post(filled)[0]
    assert first.status_code == second.status_code == 303
    assert db.session.scalar(select(func.count()).select_from(OutboxMessage)) == 1


def test_a_later_step_cannot_be_opened_early_and_reload_sends_nothing(web: Flask, code: str) -> None:
    person = Person(web)
    person.open("/cpx/register/code")
    handle = person.address.split("f=")[1]
    for path in ("email", "email-code", "details", "sms", "app", "done"):
        person.open(f"/cpx/register/{path}?f={handle}")
        assert "register/code" in person.address or "/login" in person.address
    person.open(f"/cpx/register/code?f={handle}")
    person.submit(code=code)
    person.submit(email="helene@example.ch")
    for _ in range(3):
        person.open(person.address)
    assert db.session.scalar(select(func.count()).select_from(OutboxMessage)) == 1


def test_an_expired_registration_says_so_and_the_code_stays_valid(web: Flask, code: str, clock: FrozenClock) -> None:
    person = Person(web)
    person.open("/cpx/register/code")
    person.submit(code=code)
    clock.advance(timedelta(hours=25))
    person.open(person.address)
    assert person.page.status_code == 410
    assert "est restée ouverte trop longtemps" in person.text
    register_by_sms(Person(web), code)


def test_the_newest_device_holds_the_code(web: Flask, code: str) -> None:
    tablet, phone = Person(web), Person(web)
    up_to_details(tablet, code)
    register_by_sms(phone, code)
    tablet.submit(factor="app", **DETAILS)
    assert "Ce code a déjà servi" in tablet.text


def test_wrong_passwords_wait_for_every_session(web: Flask, code: str) -> None:
    register_by_sms(Person(web), code)
    for _ in range(5):
        person = Person(web)
        person.open("/cpx/login")
        person.submit(email="helene@example.ch", password="wrong wrong wrong")
        assert "n’est pas juste" in person.text
    person.submit(email="helene@example.ch", password=PASSWORD)
    assert "Trop d’essais" in person.text


def test_a_post_without_cookie_or_from_another_origin_is_refused(web: Flask, code: str) -> None:
    person = Person(web)
    person.open("/cpx/register/code")
    address, fields = person.filled(code=code)
    assert Person(web).post((address, fields))[0].status_code == 403
    foreign = person.client.post(
        address, data=fields, base_url="http://localhost:8000", headers={"Origin": "https://evil.example"}
    )
    assert foreign.status_code == 403
    assert db.session.scalars(select(RegistrationCode)).one().reserved_at is None
