"""F-22, F-23: nobody makes us send SMS for money: who may be sent how many, counted without races, with an alarm."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from flows.journeys import LOGIN
from flows.run import begin, find
from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.flow import Challenge
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from idp.services.challenges import Errand, Kind, Stopped, Verdict, Wait
from tests.actions import PASSWORD, letter
from tests.support.builders import add_portal
from tests.support.person import Person, newest_code
from tests.support.walks import BORN, add_account

NUMBER = "+41791234567"


def count(channel: str = "sms") -> int:
    db.session.rollback()
    rows = select(func.count()).select_from(OutboxMessage).where(OutboxMessage.channel == channel)
    return db.session.scalar(rows) or 0


def new_run(services: Services, portal: Portal) -> UUID:
    run, _ = begin(
        services, journey="login", state=LOGIN.itinerary.initial, portal=portal, browser_hash="b",
        idle_for=timedelta(days=9), resume=None,
    )  # fmt: skip
    db.session.commit()
    return run.id


def errand(services: Services, portal: Portal, number: str = NUMBER, letter_of: UUID | None = None) -> Errand:
    return Errand(Kind.SMS, number, new_run(services, portal), portal, "fr", letter=letter_of)


def ask(services: Services, errand: Errand) -> Wait | Stopped | None:
    refused = services.challenges.send(errand)
    db.session.commit()
    return refused


def test_the_pause_between_two_codes_is_30_then_60_then_120_seconds(
    app: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    one = errand(services, portal)
    assert ask(services, one) is None
    for pause in (30, 60, 120, 120):
        assert ask(services, one) == Wait(pause)
        clock.advance(timedelta(seconds=pause - 1))
        assert ask(services, one) == Wait(1)
        clock.advance(timedelta(seconds=1))
        assert ask(services, one) is None
    assert count() == 5


def test_a_number_gets_five_an_hour_and_ten_a_day_over_all_journeys(
    app: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    other = add_portal("fon")
    for hour in range(3):
        sent = [ask(services, errand(services, (portal, other)[at % 2])) for at in range(8)]
        assert sum(one is None for one in sent) == (5, 5, 0)[hour]
        clock.advance(timedelta(hours=1))
    refused = ask(services, errand(services, portal))
    assert refused == Wait(21 * 3600)  # a day after the first
    clock.advance(timedelta(hours=21))
    assert ask(services, errand(services, portal)) is None


def test_a_letter_causes_ten_sms_and_twenty_mails_a_day_whatever_the_addresses(
    app: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    holder = UUID(int=7)
    for at in range(30):
        ask(services, errand(services, portal, f"+4179123{at:04}", letter_of=holder))
        mail = replace(errand(services, portal, f"victim{at}@example.ch", letter_of=holder), kind=Kind.EMAIL)
        ask(services, mail)
    assert (count("sms"), count("mail")) == (10, 20)
    assert ask(services, errand(services, portal, "+41791239999", letter_of=UUID(int=8))) is None
    clock.advance(timedelta(hours=24, seconds=1))
    assert ask(services, errand(services, portal, "+41791238888", letter_of=holder)) is None


def test_of_64_requests_at_once_one_is_sent(app: Flask, services: Services, portal: Portal) -> None:
    one, portal_id = errand(services, portal), portal.id
    db.session.remove()
    barrier = Barrier(64)

    def send(_: int) -> bool:
        with app.app_context():
            barrier.wait()
            mine = replace(one, portal=db.session.get_one(Portal, portal_id))
            return ask(services, mine) is None

    with ThreadPoolExecutor(64) as pool:
        assert Counter(pool.map(send, range(64))) == {True: 1, False: 63}
    assert count() == 1


def test_of_64_journeys_at_once_a_number_gets_five(app: Flask, services: Services, portal: Portal) -> None:
    errands, portal_id = [errand(services, portal) for _ in range(64)], portal.id
    db.session.remove()
    barrier = Barrier(64)

    def send(at: int) -> bool:
        with app.app_context():
            barrier.wait()
            mine = replace(errands[at], portal=db.session.get_one(Portal, portal_id))
            return ask(services, mine) is None

    with ThreadPoolExecutor(64) as pool:
        assert Counter(pool.map(send, range(64))) == {True: 5, False: 59}


def test_one_code_is_right_once_however_many_ask(app: Flask, services: Services, portal: Portal) -> None:
    one = errand(services, portal)
    ask(services, one)
    code = newest_code("sms")
    db.session.remove()
    barrier = Barrier(16)

    def judge(_: int) -> Verdict:
        with app.app_context():
            barrier.wait()
            verdict = services.challenges.judge(Kind.SMS, run_id=one.run_id, recipient=NUMBER, code=code)
            db.session.commit()
            return verdict

    with ThreadPoolExecutor(16) as pool:
        assert Counter(pool.map(judge, range(16))) == {Verdict.RIGHT: 1, Verdict.WRONG: 15}


@pytest.fixture
def small_cap(environment: dict[str, str]) -> None:
    environment["CONNECT_SMS_PER_DAY"] = "3"


def test_a_portal_that_reached_its_cap_sends_nothing_and_operators_are_told_once_an_hour(
    small_cap: None, app: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    other = add_portal("fon")
    answers = [ask(services, errand(services, portal, f"+4179123000{at}")) for at in range(9)]
    assert [answer is None for answer in answers] == [True] * 3 + [False] * 6
    assert isinstance(answers[-1], Stopped)
    assert alarms() == 1
    assert ask(services, errand(services, other)) is None  # another portal's budget is its own
    clock.advance(timedelta(minutes=61))
    ask(services, errand(services, portal))
    assert alarms() == 2
    clock.advance(timedelta(days=1))
    assert ask(services, errand(services, portal)) is None


def alarms() -> int:
    db.session.rollback()
    found = select(func.count()).select_from(AuditEvent).where(AuditEvent.tag == AuditTag.SMS_STOPPED.value)
    return db.session.scalar(found) or 0


def test_many_sent_and_few_entered_stops_new_numbers_but_nobody_who_has_one(
    app: Flask, services: Services, portal: Portal
) -> None:
    for at in range(100):
        answer = ask(services, errand(services, portal, f"+4179{at:07}", letter_of=UUID(int=at // 9 + 1)))
        assert answer is None
    assert isinstance(ask(services, errand(services, portal, letter_of=UUID(int=99))), Stopped)
    assert ask(services, errand(services, portal)) is None
    for row in db.session.scalars(select(Challenge).limit(40)):
        row.used_at = services.clock.now()
    db.session.commit()
    assert ask(services, errand(services, portal, letter_of=UUID(int=99))) is None


def test_no_sms_without_the_letter_and_the_proof_of_the_address(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    """At every step before, forms of the later steps and every second button send nothing."""
    person = Person(web)
    person.open("/cpx/register/code")
    add_account(services, portal, "taken@example.ch")
    for answer in ({}, {"code": letter(services, portal)}, {"email": "taken@example.ch"}, {"otp": "000000"}):
        if answer:
            person.submit(**answer)
        handle, form = person.address.split("f=")[1], person.filled()[1]
        for path in ("details", "sms", "app", "email-code"):
            for suffix in ("", "/do/resend", "/do/switch"):
                fields = {**form, "nonce": path + suffix + str(answer), "factor": "sms", "mobile": "079 123 45 67",
                          "password": PASSWORD, "birth_date": BORN, "terms": "yes", "otp": "123456"}  # fmt: skip
                person.post((f"/cpx/register/{path}{suffix}?f={handle}", fields))
    assert person.title == "Consultez votre boîte e-mail"
    assert count("sms") == 0


def test_the_page_says_when_nothing_was_sent(
    small_cap: None, web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    for at in range(4):
        add_account(services, portal, f"p{at}@example.ch", "sms", f"+4179123000{at}")
        person = Person(web)
        person.open("/cpx/login")
        person.submit(email=f"p{at}@example.ch", password=PASSWORD)
        told = "Nous ne pouvons pas envoyer de SMS en ce moment" in person.text
        assert told == (at == 3)
        assert ("Nous avons envoyé un code" in person.text) == (at < 3)
    person.press("resend")
    assert "Nous ne pouvons pas envoyer de SMS en ce moment" in person.text
    assert find(person.address.split("f=")[1].split("#")[0]) is not None


def test_a_long_wait_is_told_as_a_clock_time(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, "p@example.ch")
    for _ in range(6):
        person = Person(web)
        person.open("/cpx/login")
        person.submit(email="p@example.ch", password=PASSWORD)
    assert "Trop d’essais. Réessayez à partir de 15:30 ou appelez-nous" in person.text
    assert "secondes" not in person.text
    person.press("resend")
    assert "Réessayez à partir de 15:30" in person.text


def test_one_letter_cannot_reach_any_number_and_any_mailbox(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    person = Person(web)
    person.open("/cpx/register/code")
    person.submit(code=letter(services, portal))
    for at in range(24):
        person.submit(email=f"victim{at}@example.ch")
        assert person.title == "Consultez votre boîte e-mail"
        person.open(person.address.replace("email-code", "email"))
    assert count("mail") == 20
    clock.advance(timedelta(hours=25))
    person = Person(web)
    person.open("/cpx/register/code")
    person.submit(code=letter(services, portal, "P-2"))
    person.submit(email="own@example.ch")
    person.submit(otp=newest_code("mail"))
    for at in range(14):
        person.submit(birth_date=BORN, password=PASSWORD, terms="yes", factor="sms", mobile=f"+4179123{at:04}")
        assert person.title == "Saisissez le code SMS"
        person.open(person.address.replace("sms", "details"))
    assert count("sms") == 10
    person.submit(birth_date=BORN, password=PASSWORD, terms="yes", factor="app")
    assert person.title == "Configurez l’application Authenticator"  # the way out that costs nothing stays open
