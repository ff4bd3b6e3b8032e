"""F-13, F-14, C-18 to C-26: guesses are counted where the guesser cannot reset them, and a lock closes every path."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from flows.steps.lock import FACTOR_BUDGETS
from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.flow import AttemptCounter
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.attempts import PASSWORD as PASSWORD_BUDGET
from idp.services.attempts import SMS_CODE
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from idp.services.registration_codes import generate
from tests.actions import PASSWORD, letter
from tests.support.person import ISSUER, Person, newest_code, newest_message
from tests.support.walks import add_account, app_code, sent

OWNER = "owner@example.ch"


def begin(web: Flask) -> Person:
    person = Person(web)
    person.open("/cpx/login")
    return person


def past_the_password(web: Flask, email: str = OWNER) -> Person:
    person = begin(web)
    person.submit(email=email, password=PASSWORD)
    assert "/login/code" in person.address
    return person


def happened(tag: AuditTag) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(AuditEvent).where(AuditEvent.tag == tag.value)) or 0


def sessions() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(Session)) or 0


def lock_by_passwords(web: Flask, clock: FrozenClock, email: str = OWNER) -> None:
    stranger = begin(web)
    for attempt in range(8):
        stranger.submit(email=email, password=f"wrong {attempt}")
        clock.advance(timedelta(seconds=61))


def test_a_lock_stops_a_sign_in_that_is_past_the_password(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, OWNER, "app")
    person = past_the_password(web)
    lock_by_passwords(web, clock)
    person.submit(otp=app_code(clock))
    assert sessions() == 0
    assert "Connexion à" in person.title
    assert "Trop d’essais. Réessayez à partir de" in person.text
    assert f'value="{OWNER}"' in person.text
    clock.advance(timedelta(minutes=15))
    person.submit(email=OWNER, password=PASSWORD)
    person.submit(otp=app_code(clock))
    assert person.address == portal.home_url


def test_a_short_pause_does_not(web: Flask, services: Services, portal: Portal, clock: FrozenClock) -> None:
    add_account(services, portal, OWNER, "app")
    person = past_the_password(web)
    stranger = begin(web)
    for attempt in range(5):
        stranger.submit(email=OWNER, password=f"wrong {attempt}")
    person.submit(otp=app_code(clock))
    assert person.address == portal.home_url


def test_strangers_cannot_lock_a_person_out_of_a_browser_they_signed_in_with(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, OWNER, "app")
    person = past_the_password(web)
    person.submit(otp=app_code(clock))
    clock.advance(timedelta(hours=13))
    person.open("/cpx/login")
    person.submit(email=OWNER, password=PASSWORD)
    lock_by_passwords(web, clock)
    person.submit(otp=app_code(clock))
    assert person.address == portal.home_url
    clock.advance(timedelta(hours=13))
    lock_by_passwords(web, clock)
    person.open("/cpx/login")
    person.submit(email=OWNER, password=PASSWORD)
    assert "/login/code" in person.address


@pytest.mark.parametrize(("factor", "evaluated"), [("sms", 5), ("app", 8)])
def test_wrong_codes_close_the_method_and_are_counted_over_every_session(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock, factor: str, evaluated: int
) -> None:
    add_account(services, portal, OWNER, factor)
    people = [past_the_password(web) for _ in range(5)]  # as many as codes may be sent in an hour
    for _ in range(10):
        for person in people:
            if "/login/code" in person.address:
                person.submit(otp="000000")
            if factor == "app":
                clock.advance(timedelta(seconds=13))  # over the pauses of a minute
    assert happened(AuditTag.FACTOR_REFUSED) == evaluated
    for person in people:
        person.open(person.address)
        assert person.title == "Choisissez une méthode"
        assert "Trop d’essais. Réessayez à partir de" in person.text
        assert "réinitialisez" not in person.text
    texts = sent()
    fresh = begin(web)
    fresh.submit(email=OWNER, password=PASSWORD)
    assert fresh.title == "Choisissez une méthode"
    assert "trop d’essais, fermé jusqu’à" in fresh.text
    for address in (fresh.address.replace("methods", "code"), people[0].address.replace("methods", "code")):
        fresh.open(address)
        assert 'name="otp"' not in fresh.text
    assert sent() == texts  # nothing is texted to somebody who may not enter it
    assert sessions() == 0


def lock_factor(services: Services, account: Account, factor: str, clock: FrozenClock) -> None:
    for _ in range(8):
        services.attempts.pay(FACTOR_BUDGETS[factor], str(account.id))
        clock.advance(timedelta(seconds=61))


@pytest.mark.parametrize(("locked", "other"), [("sms", "app"), ("app", "sms")])
def test_while_one_method_is_locked_the_other_serves_and_the_locked_one_says_until_when(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock, locked: str, other: str
) -> None:
    account = add_account(services, portal, OWNER, "both")
    lock_factor(services, account, locked, clock)
    person = begin(web)
    person.submit(email=OWNER, password=PASSWORD)
    assert person.title == "Choisissez une méthode"
    assert re.findall(r'name="method" value="(\w+)"', person.text) == [other]
    words = {"sms": "SMS", "app": "Authenticator (OTP)"}[locked]
    until = {"sms": "14:49", "app": "14:52"}[locked]
    assert f"<strong>{words}</strong>: trop d’essais, fermé jusqu’à {until}" in person.text
    address, form = person.filled(method=locked)
    person._arrive(*person.post((address, form)))
    assert person.errors() == ["method"]
    person.submit(method=other)
    person.submit(otp=app_code(clock) if other == "app" else newest_code("sms"))
    assert person.address == portal.home_url


def test_a_method_that_is_locked_on_the_way_gives_way_to_the_other(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, OWNER, "both")
    person = past_the_password(web)
    for guess in range(8):
        person.submit(otp=f"{guess:06}")
        clock.advance(timedelta(seconds=61) if guess == 4 else timedelta(0))
    assert person.title == "Choisissez une méthode"
    assert "Trop d’essais. Réessayez à partir de" in person.text
    person.submit(method="sms")
    person.submit(otp=newest_code("sms"))
    assert person.address == portal.home_url


def test_help_is_open_to_somebody_whose_only_method_is_locked(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    account = add_account(services, portal, OWNER)
    lock_factor(services, account, "sms", clock)
    person = begin(web)
    person.submit(email=OWNER, password=PASSWORD)
    assert 'name="method"' not in person.text
    person.open(person.text.split('class="go"><a href="')[1].split('"')[0])
    assert person.title == "Retrouver l’accès à votre compte"
    assert "058 123 45 67" in person.text


def test_the_owner_who_signed_in_a_moment_ago_is_not_stopped_by_a_lock(
    services: Services, person: Person, clock: FrozenClock
) -> None:
    lock_factor(services, db.session.scalars(select(Account)).one(), "sms", clock)
    person.open("/cpx/account/mobile")
    assert 'name="mobile"' in person.text


def test_the_owner_is_told_of_guesses_at_the_second_factor_once(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, OWNER, "app")
    agent = {"User-Agent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0"}
    for _ in range(12):
        person = past_the_password(web) if happened(AuditTag.FACTOR_REFUSED) < 5 else begin(web)
        if "/login/code" not in person.address:
            clock.advance(timedelta(minutes=16))
            person.submit(email=OWNER, password=PASSWORD)
        address, fields = person.filled(otp="000000")
        person.client.post(address, data=fields, base_url=ISSUER, headers={"Origin": ISSUER, **agent})
    db.session.rollback()
    mails = list(db.session.scalars(select(OutboxMessage).where(OutboxMessage.channel == "mail")))
    assert len(mails) == 1
    told = services.outbox.open(mails[0])
    assert (told.to, told.subject) == (OWNER, "Connexion bloquée pendant 15 minutes")
    assert "(Firefox, Windows, 127.0.0.1)" in told.text
    assert "le 27.3.2026 à 1" in told.text
    assert "appelez tout de suite le 058 123 45 67" in told.text
    assert happened(AuditTag.ATTEMPTS_EXHAUSTED) == 1


def test_wrong_passwords_do_not_touch_the_budget_of_the_second_factor(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    account = add_account(services, portal, OWNER, "app")
    lock_by_passwords(web, clock)
    db.session.rollback()
    assert services.attempts.refusal(PASSWORD_BUDGET, OWNER) is not None
    assert services.attempts.refusal(SMS_CODE, str(account.id)) is None
    assert db.session.scalar(select(func.count()).select_from(AttemptCounter)) == 1


def test_fifty_wrong_codes_in_a_row_close_the_factor_until_somebody_calls(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, OWNER, "app")
    for attempt in range(50):
        person = past_the_password(web)
        person.submit(otp=f"{attempt:06}")
        clock.advance(timedelta(hours=25))
    person = begin(web)
    person.submit(email=OWNER, password=PASSWORD)
    assert person.title == "Choisissez une méthode"
    assert "Appelez-nous pour débloquer votre accès: 058 123 45 67" in person.text.replace("\u00a0", "")
    assert happened(AuditTag.FACTOR_REFUSED) == 50


SPELLINGS = [
    "owner@example.ch", "OWNER@EXAMPLE.CH", "Owner@Example.Ch", " owner@example.ch ", "\towner@example.ch",
    "owner@EXAMPLE.ch", "oWNER@example.CH", "owner@example.ch\n", "ｏｗｎｅｒ@example.ch", "owner@ｅxample.ch",
    "owner＠example.ch", "owner@example。ch", "owner@example.ch.", "OWNER@example.ch", "owneR@example.ch",
]  # fmt: skip


def test_every_spelling_of_one_address_spends_the_same_budget(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, OWNER, "app")
    judged = 0
    for spelling in SPELLINGS * 2:
        person = begin(web)
        person.submit(email=spelling, password="wrong wrong")
        judged += "n’est pas juste" in person.text or "ne sont pas justes" in person.text
    assert judged == 5
    assert happened(AuditTag.PASSWORD_REFUSED) == 5


def test_headers_and_neighbouring_addresses_buy_no_guesses_at_letter_codes(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    """One network is one guesser: an IPv6 /64, whatever headers say."""
    guesses = unknown_codes(services, 12)
    for at, guess in enumerate(guesses):
        person = Person(web)
        person.client.environ_base["REMOTE_ADDR"] = f"2001:db8:1:2::{at:x}"
        person.client.environ_base["HTTP_X_FORWARDED_FOR"] = f"203.0.113.{at}"
        person.client.environ_base["HTTP_X_REAL_IP"] = f"198.51.100.{at}"
        person.client.environ_base["HTTP_FORWARDED"] = f"for=192.0.2.{at}"
        person.open("/cpx/register/code")
        person.submit(code=guess)
        assert ("Nous ne trouvons pas ce code" in person.text) == (at < 5)
    elsewhere = Person(web)
    elsewhere.client.environ_base["REMOTE_ADDR"] = "2001:db8:1:3::1"
    elsewhere.open("/cpx/register/code")
    elsewhere.submit(code=guesses[0])
    assert "Nous ne trouvons pas ce code" in elsewhere.text


def unknown_codes(services: Services, count: int) -> list[str]:
    return [generate(services.random) for _ in range(count)]


def test_who_holds_a_letter_may_not_guess_at_others_for_ever(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    """Entering one's own code between two guesses gives none of them back."""
    own, person = letter(services, portal), Person(web)
    person.open("/cpx/register/code")
    first, judged = person.address, 0
    for guess in unknown_codes(services, 20):
        person.open(first)
        person.submit(code=guess)
        judged += "Nous ne trouvons pas ce code" in person.text
        person.open(first)
        person.submit(code=own)
    assert judged == 5


def test_typing_errors_are_no_guesses(web: Flask, services: Services, portal: Portal) -> None:
    code, person = letter(services, portal), Person(web)
    person.open("/cpx/register/code")
    for at in range(11):
        person.submit(code=code[:at] + ("0" if code[at] != "0" else "1") + code[at + 1 :])
        assert "Un caractère n’est pas juste" in person.text
    person.submit(code=code)
    assert person.title == "Saisissez votre adresse e-mail privée"


def resetting(web: Flask, email: str = OWNER) -> Person:
    person = Person(web)
    person.open("/cpx/reset")
    person.submit(email=email)
    assert person.title == "Consultez votre boîte e-mail"
    return person


def test_a_strangers_wrong_mail_codes_do_not_delay_the_owners_reset(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, OWNER)
    stranger = resetting(web)
    for guess in range(7):
        stranger.submit(otp=f"{guess:06}")
    assert "Trop d’essais" in stranger.text
    assert happened(AuditTag.FACTOR_REFUSED) == 5
    owner = resetting(web)
    owner.submit(otp=newest_code("mail"))
    assert owner.title == "Saisissez le code SMS"


@pytest.mark.parametrize("email", [OWNER, "nobody@example.ch"])
def test_mail_codes_are_guessed_at_one_address_twenty_times_and_then_every_half_hour(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock, email: str
) -> None:
    add_account(services, portal, OWNER, "app")
    known = past_the_password(web)
    known.submit(otp=app_code(clock))
    clock.advance(timedelta(minutes=1))
    for _ in range(4):
        stranger = resetting(web, email)
        for guess in range(6):
            stranger.submit(otp=f"{guess:06}")
        clock.advance(timedelta(minutes=15))
    assert happened(AuditTag.FACTOR_REFUSED) == 20
    stranger = resetting(web, email)
    stranger.submit(otp="000000")
    assert "Trop d’essais. Réessayez à partir de" in stranger.text
    if email == OWNER:
        known.open("/cpx/reset")
        known.submit(email=OWNER)
        known.submit(otp=newest_code("mail"))
        assert known.title == "Saisissez le code de votre application"


def registrant(web: Flask, services: Services, portal: Portal, email: str = "new@example.ch") -> Person:
    person = Person(web)
    person.open("/cpx/register/code")
    person.submit(code=letter(services, portal, f"P-{email}"))
    person.submit(email=email)
    return person


def test_sending_again_gives_no_guess_back_and_prolongs_no_life(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    person = registrant(web, services, portal)
    first = newest_code("mail")
    for guess in ("000000", "000001", "000002"):
        person.submit(otp=guess)
    clock.advance(timedelta(seconds=31))
    person.press("resend")
    assert "Nouveau code envoyé" in person.text
    for guess in ("000003", "000004"):
        person.submit(otp=guess)
        assert "n’est pas juste" in person.text
    person.submit(otp=newest_code("mail"))
    assert "Trop d’essais" in person.text
    clock.advance(timedelta(minutes=29, seconds=45))  # the first code's life is over, the second one's is not
    person.submit(otp=first)
    assert "Ce code n’est pas juste" in person.text
    assert "expiré" not in person.text


def test_the_two_newest_codes_count_and_the_third_newest_is_void(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    person = registrant(web, services, portal)
    codes = [newest_code("mail")]
    for _ in range(2):
        clock.advance(timedelta(seconds=31))
        person.press("resend")
        codes.append(newest_code("mail"))
    person.submit(otp=codes[0])
    assert person.errors() == ["otp"]
    person.submit(otp=codes[1])
    assert person.title == "Complétez vos données"


def test_a_code_lives_as_long_as_the_page_says(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    for span, title in ((timedelta(minutes=30, seconds=-1), "Complétez vos données"),
                        (timedelta(minutes=30), "Consultez votre boîte e-mail")):  # fmt: skip
        person = registrant(web, services, portal, f"new{span.seconds}@example.ch")
        code = newest_code("mail")
        clock.advance(span)
        person.submit(otp=code)
        assert person.title == title
    assert "Ce code a expiré. Nous venons d’en envoyer un nouveau" in person.text
    assert newest_code("mail") in newest_message("mail")
    person.submit(otp=newest_code("mail"))
    assert person.title == "Complétez vos données"
