"""F-05, F-06 over two instances: one letter in 128 browsers, one address, one form sent many times."""

from __future__ import annotations

from collections import Counter
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from flows.journeys import REGISTRATION
from idp.clock import FrozenClock
from idp.models.account import Account, Password, Phone
from idp.models.audit import AuditEvent
from idp.models.base import Base, db
from idp.models.outbox import OutboxMessage
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from idp.services.challenges import Kind
from tests.actions import letter
from tests.support.instances import Instances
from tests.support.prepared import Stand, send_codes, stand

pytestmark = pytest.mark.both_engines

CLIENTS, BROWSERS = 64, 2  # each client tries with one browser after the other
LETTERS = pytest.mark.parametrize("letters", [1, pytest.param(200, marks=pytest.mark.long)])
OTP = "314159"


def rows(model: type[Base], *where: Any) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model).where(*where)) or 0


def at_the_last_step(
    services: Services, portal: Portal, external_id: str, emails: list[str], mobiles: list[str]
) -> list[Stand]:
    """Browsers that hold the letter of one person one after the other, each one code away from an account."""
    letter(services, portal, external_id)
    person = db.session.scalars(select(InsuredPerson).where(InsuredPerson.external_id == external_id)).one()
    code = db.session.scalars(select(RegistrationCode).where(RegistrationCode.insured_person_id == person.id)).one()
    hashed = services.passwords.hash("vier pferde im regen")
    stands = [
        stand(
            services, portal, REGISTRATION, "sms_code", code_id=str(code.id), person_id=str(person.id), email=email,
            email_proved=True, given_name="Hélène", family_name="Müller", factor="sms", mobile=mobile,
            password_hash=hashed,
        )
        for email, mobile in zip(emails, mobiles, strict=True)
    ]  # fmt: skip
    assert services.registration_codes.reserve(code, stands[-1].run_id)
    send_codes(services, Kind.SMS, stands, mobiles, OTP)
    return stands


def take_the_code_and_finish(app: Flask, of_letter: tuple[UUID, list[Stand]], number: int) -> set[int]:
    """Enter the letter's code in a browser, as a newer device, and press the last button; and so in the next one."""
    code_id, stands = of_letter
    bundle: Services = app.extensions["connect"]
    seen = set()
    for one in stands[number * BROWSERS : (number + 1) * BROWSERS]:
        with app.app_context():
            row = bundle.registration_codes.holder(code_id)
            assert row is not None
            bundle.registration_codes.reserve(row, one.run_id)
            db.session.commit()
        seen.add(one.post(app, otp=OTP).status_code)
    return seen


def finish(app: Flask, stands: list[Stand], number: int) -> tuple[int, str]:
    answer = stands[number].post(app, otp=OTP)
    return answer.status_code, answer.headers.get("Location", "").split("?")[0]


def check_each_account_is_whole(count: int) -> None:
    assert rows(Account) == rows(Password) == rows(Phone) == rows(Session) == count
    assert rows(AuditEvent, AuditEvent.tag == AuditTag.REGISTERED.value) == count
    assert rows(InsuredPerson, InsuredPerson.account_id.is_not(None)) == count
    assert rows(RegistrationCode, RegistrationCode.redeemed_at.is_not(None)) == count
    assert rows(OutboxMessage, OutboxMessage.channel == "mail") == count  # one welcome each


@LETTERS
def test_64_clients_that_fight_for_one_letter_make_one_account(
    web: Flask, services: Services, portal: Portal, environment: dict[str, str], clock: FrozenClock,
    instances: Instances, letters: int,
) -> None:  # fmt: skip
    rounds = []
    for at in range(letters):
        browsers = range(CLIENTS * BROWSERS)
        emails = [f"p{at}-{number}@example.ch" for number in browsers]
        mobiles = [f"+4179{at:04}{number:03}" for number in browsers]
        stands = at_the_last_step(services, portal, f"P-{at}", emails, mobiles)
        code_id = db.session.scalars(
            select(RegistrationCode.id).where(RegistrationCode.reserved_by == stands[-1].run_id)
        ).one()
        rounds.append((code_id, stands))
    outcomes = instances.race(environment, clock.now(), take_the_code_and_finish, rounds, CLIENTS)
    statuses = {status for outcome in outcomes for seen in outcome for status in seen}
    assert statuses <= {303, 503}  # so many writers may be too many for SQLite, which then says so
    check_each_account_is_whole(letters)


def test_letters_of_eight_persons_finished_with_one_address_at_once_make_one_account(
    web: Flask, services: Services, portal: Portal, environment: dict[str, str], clock: FrozenClock,
    instances: Instances,
) -> None:  # fmt: skip
    persons, addresses = 8, 3
    rounds: list[list[Stand]] = []
    for at in range(addresses):
        email, mobiles = f"p{at}@example.ch", [f"+4179{at:04}{number:03}" for number in range(persons)]
        one_each = [at_the_last_step(services, portal, f"P-{mobile}", [email], [mobile]) for mobile in mobiles]
        rounds.append([stands[0] for stands in one_each])
    outcomes = instances.race(environment, clock.now(), finish, rounds, persons)
    for outcome in outcomes:
        assert Counter(outcome) == {(303, "/cpx/register/done"): 1, (303, "/cpx/login"): persons - 1}
    check_each_account_is_whole(addresses)


def test_one_form_sent_sixteen_times_at_once_makes_one_account(
    web: Flask, services: Services, portal: Portal, environment: dict[str, str], clock: FrozenClock,
    instances: Instances,
) -> None:  # fmt: skip
    clicks, registrations = 16, 3
    rounds = [
        at_the_last_step(services, portal, f"P-{at}", [f"p{at}@example.ch"], [f"+4179{at:07}"]) * clicks
        for at in range(registrations)
    ]
    outcomes = instances.race(environment, clock.now(), finish, rounds, clicks)
    for outcome in outcomes:
        assert Counter(status for status, _ in outcome) == {303: clicks}
        assert (303, "/cpx/register/done") in outcome
    check_each_account_is_whole(registrations)
