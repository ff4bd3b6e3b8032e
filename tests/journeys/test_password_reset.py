"""W1 to W4: a new password by mail code and second factor, and what it ends (ux.md §4.4, security.md F-39 to F-41)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.bundle import Services
from tests.actions import PASSWORD
from tests.support.person import Person, newest_code, newest_message
from tests.support.relying_party import RelyingParty, answer_of
from tests.support.walks import NEW_PASSWORD, add_account, app_code

EMAIL = "helene@example.ch"


def forgotten(web: Flask, email: str = EMAIL) -> Person:
    """A fresh browser that said whose password is forgotten."""
    person = Person(web)
    person.open("/cpx/login")
    person.open("/cpx/reset")
    person.submit(email=email)
    assert person.title == "Consultez votre boîte e-mail"
    return person


def choose(person: Person, password: str = NEW_PASSWORD) -> None:
    """From the mail code to the end, by SMS."""
    person.submit(otp=newest_code("mail"))
    person.submit(otp=newest_code("sms"))
    person.submit(password=password)


def test_the_new_password_opens_the_account_and_the_old_one_does_not(
    web: Flask, person: Person, portal: Portal, clock: FrozenClock
) -> None:
    clock.advance(timedelta(hours=13))
    forgetful = forgotten(web)
    choose(forgetful)
    assert forgetful.title == "Mot de passe modifié"
    assert "Vos autres sessions sont fermées." in forgetful.text
    assert portal.home_url.replace("&", "&amp;") in forgetful.text
    forgetful.open("/account")
    assert EMAIL in forgetful.text
    for password, is_right in ((PASSWORD, False), (NEW_PASSWORD, True)):
        other = Person(web)
        other.open("/cpx/login")
        other.submit(email=EMAIL, password=password)
        assert (other.title == "Saisissez le code SMS") == is_right


def test_by_app(web: Flask, services: Services, portal: Portal, clock: FrozenClock) -> None:
    add_account(services, portal, EMAIL, "app")
    person = forgotten(web)
    person.submit(otp=newest_code("mail"))
    assert person.title == "Saisissez le code de votre application"
    person.submit(otp=app_code(clock))
    person.submit(password=NEW_PASSWORD)
    assert person.title == "Mot de passe modifié"


def test_everything_that_was_open_is_closed_and_the_owner_is_told(
    web: Flask, person: Person, rp: RelyingParty, clock: FrozenClock
) -> None:
    person.open(rp.request())
    tokens = rp.redeem(answer_of(person.address)["code"]).get_json()
    clock.advance(timedelta(minutes=2))
    choose(forgotten(web))
    assert "Mot de passe modifié, le 27.3.2026" in newest_message("mail")
    person.open("/account")
    assert EMAIL not in person.text
    assert rp.refresh(tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert rp.userinfo(tokens["access_token"]).status_code == 401
    db.session.rollback()
    open_ones = list(db.session.scalars(select(Session).where(Session.ended_at.is_(None))))
    assert [session.auth_time for session in open_ones] == [clock.now()]


def test_the_portal_that_asked_gets_its_answer(
    web: Flask, person: Person, rp: RelyingParty, clock: FrozenClock
) -> None:
    clock.advance(timedelta(hours=13))
    forgetful = Person(web)
    forgetful.open(rp.request())
    reset = forgetful.text.split('href="/cpx/reset')[1].split('"')[0]
    forgetful.open(f"/cpx/reset{reset}")
    forgetful.submit(email=EMAIL)
    choose(forgetful)
    forgetful.open(forgetful.text.split('class="button" href="')[1].split('"')[0])
    assert answer_of(forgetful.address)["state"] == "s-1"


def test_a_walk_that_knew_the_old_password_is_over(web: Flask, person: Person, clock: FrozenClock) -> None:
    clock.advance(timedelta(hours=13))
    other = Person(web)
    other.open("/cpx/login")
    other.submit(email=EMAIL, password=PASSWORD)
    code = newest_code("sms")
    clock.advance(timedelta(minutes=2))
    choose(forgotten(web))
    other.submit(otp=code)
    assert other.errors() == ["email"]
    assert "Connexion à" in other.title


def test_of_two_resets_that_are_going_on_the_second_begins_again(
    web: Flask, person: Person, clock: FrozenClock
) -> None:
    slow = forgotten(web)
    slow.submit(otp=newest_code("mail"))
    slow.submit(otp=newest_code("sms"))
    assert slow.title == "Nouveau mot de passe"
    clock.advance(timedelta(minutes=2))
    choose(forgotten(web))
    clock.advance(timedelta(minutes=1))
    slow.submit(password="ein ganz anderes passwort")
    assert slow.title == "Réinitialisez votre mot de passe"
    sign_in_with(web, NEW_PASSWORD)


def sign_in_with(web: Flask, password: str) -> None:
    person = Person(web)
    person.open("/cpx/login")
    person.submit(email=EMAIL, password=password)
    assert person.title == "Saisissez le code SMS"


def test_the_code_lives_ten_minutes(web: Flask, person: Person, clock: FrozenClock) -> None:
    forgetful = forgotten(web)
    code = newest_code("mail")
    clock.advance(timedelta(minutes=10))
    forgetful.submit(otp=code)
    assert forgetful.errors() == ["otp"]
    forgetful.submit(otp=newest_code("mail"))
    assert forgetful.title == "Saisissez le code SMS"


def test_a_reset_unlocks_the_password_and_nothing_else(
    web: Flask, person: Person, services: Services, clock: FrozenClock
) -> None:
    locked_out = Person(web)
    locked_out.open("/cpx/login")
    for attempt in range(8):
        locked_out.submit(email=EMAIL, password=f"wrong {attempt}")
        clock.advance(timedelta(seconds=61))
    locked_out.submit(email=EMAIL, password=PASSWORD)
    assert "réinitialisez votre mot de passe" in locked_out.text
    choose(forgotten(web))
    locked_out.open("/cpx/login")
    locked_out.submit(email=EMAIL, password=NEW_PASSWORD)
    assert locked_out.title == "Saisissez le code SMS"


def test_the_second_factor_is_asked_and_its_lock_holds(web: Flask, person: Person, clock: FrozenClock) -> None:
    forgetful = forgotten(web)
    forgetful.submit(otp=newest_code("mail"))
    forgetful.open(forgetful.address.replace("/factor", "/password"))
    assert forgetful.title == "Saisissez le code SMS"
    for guess in range(5):
        forgetful.submit(otp=f"00000{guess}")
    assert forgetful.title == "Choisissez une méthode"
    assert "Trop d’essais" in forgetful.text
    forgetful.open(forgetful.address.replace("/methods", "/password"))
    assert forgetful.title == "Choisissez une méthode"


@pytest.mark.parametrize(
    ("password", "reason"),
    [("", "Choisissez un mot de passe"), ("kurz", "au moins 12"), ("helene@example.ch!", "votre nom, votre e-mail")],
)
def test_a_bad_password_is_refused_with_the_reason(web: Flask, person: Person, password: str, reason: str) -> None:
    forgetful = forgotten(web)
    forgetful.submit(otp=newest_code("mail"))
    forgetful.submit(otp=newest_code("sms"))
    forgetful.submit(password=password)
    assert forgetful.errors() == ["password"]
    assert reason in forgetful.text
    forgetful.submit(password=NEW_PASSWORD)
    assert forgetful.title == "Mot de passe modifié"


def test_the_last_page_is_for_the_browser_that_did_it(web: Flask, person: Person) -> None:
    forgetful = forgotten(web)
    choose(forgetful)
    stranger = Person(web)
    stranger.open(forgetful.address)
    assert "Connexion à" in stranger.title


def test_whoever_is_signed_in_on_this_browser_stays_so_with_a_new_session(
    web: Flask, person: Person, clock: FrozenClock
) -> None:
    clock.advance(timedelta(minutes=2))
    person.open("/cpx/reset")
    person.submit(email=EMAIL)
    choose(person)
    assert person.title == "Mot de passe modifié"
    person.open("/account")
    assert EMAIL in person.text
