"""C-18, F-13: many guesses at once, over two instances and fresh sessions, are never judged beyond the budget."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from datetime import date

import pytest
from flask import Flask
from sqlalchemy import func, select

from flows.journeys import LOGIN, REGISTRATION, RESET, Journey
from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.flow import FlowRun
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from idp.services.challenges import Kind
from idp.services.registration_codes import generate
from tests.actions import PASSWORD, letter
from tests.support.instances import Instances
from tests.support.letters import ask, printed
from tests.support.prepared import Stand, send_codes, stand
from tests.support.walks import add_account, app_code

pytestmark = pytest.mark.both_engines

MOBILE, EMAIL, RIGHT_OTP = "+41791234567", "owner@example.ch", "314159"
BUDGET = 5
GUESSES = pytest.mark.parametrize("guesses", [24, pytest.param(500, marks=pytest.mark.long)])
"""Each guess comes of a browser of its own, and each browser may also know the right answer, a moment too late."""

Answer = dict[str, str]


class Attack(ABC):
    """Browsers before one question, wrong answers to it and the right one; the event that a judged guess leaves, and
    the fact that the right one would prove.
    """

    tag = AuditTag.FACTOR_REFUSED
    fact = "factor_proved"
    budget = BUDGET

    def __init__(self, services: Services, portal: Portal, count: int) -> None:
        self.services, self.portal = services, portal
        self.stands = self.prepare(count)
        db.session.commit()

    @abstractmethod
    def prepare(self, count: int) -> list[Stand]: ...

    def wrong(self, number: int) -> Answer:
        return {"otp": f"{number:06}"}

    def right(self) -> Answer:
        return {"otp": RIGHT_OTP}

    def walk(self, journey: Journey, step: str, **facts: object) -> Stand:
        return stand(self.services, self.portal, journey, step, **facts)

    def sign_in(self, step: str, account: Account, method: str) -> Stand:
        """A walk whose password was right just now."""
        now = self.services.clock.now().isoformat()
        return self.walk(LOGIN, step, account_id=str(account.id), proved_at=now, passkey_id="", method=method)

    def letters(self, count: int) -> list[tuple[RegistrationCode, InsuredPerson]]:
        for at in range(count):
            letter(self.services, self.portal, f"P-{at}")
        found = db.session.execute(select(RegistrationCode, InsuredPerson).join(RegistrationCode.person))
        return [(code, person) for code, person in found]


class AtPasswords(Attack):
    tag, fact = AuditTag.PASSWORD_REFUSED, "account_id"

    def prepare(self, count: int) -> list[Stand]:
        add_account(self.services, self.portal, EMAIL)
        return [self.walk(LOGIN, "credentials") for _ in range(count)]

    def wrong(self, number: int) -> Answer:
        return {"email": EMAIL, "password": f"wrong {number}"}

    def right(self) -> Answer:
        return {"email": EMAIL, "password": PASSWORD}


class AtTextedCodes(Attack):
    def prepare(self, count: int) -> list[Stand]:
        account = add_account(self.services, self.portal, EMAIL, "sms", MOBILE)
        stands = [self.sign_in("sms_code", account, "sms") for _ in range(count)]
        send_codes(self.services, Kind.SMS, stands, [MOBILE] * count, RIGHT_OTP)
        return stands


class AtAppCodes(Attack):
    def prepare(self, count: int) -> list[Stand]:
        account = add_account(self.services, self.portal, EMAIL, "app")
        return [self.sign_in("totp", account, "app") for _ in range(count)]

    def right(self) -> Answer:
        clock = self.services.clock
        assert isinstance(clock, FrozenClock)
        return {"otp": app_code(clock)}


class AtRecoveryCodes(Attack):
    def prepare(self, count: int) -> list[Stand]:
        account = add_account(self.services, self.portal, EMAIL)
        self.services.sessions.open(account, browser_hash="x", acr="mfa", amr=["pwd"])
        session = db.session.scalars(select(Session)).one()
        self.services.recovery_codes.renew(session)
        db.session.flush()
        self.code = self.services.recovery_codes.shown(session)[0]
        return [self.sign_in("recovery_code", account, "recovery") for _ in range(count)]

    def wrong(self, number: int) -> Answer:
        return {"recovery_code": f"{number:016}"}

    def right(self) -> Answer:
        return {"recovery_code": self.code}


class AtRecoveryLetters(Attack):
    def prepare(self, count: int) -> list[Stand]:
        account = add_account(self.services, self.portal, EMAIL)
        ask(self.services, account, self.portal)
        (self.code,) = printed(self.services, self.portal)
        return [self.sign_in("letter_code", account, "letter") for _ in range(count)]

    def wrong(self, number: int) -> Answer:
        return {"letter_code": generate(self.services.random)}

    def right(self) -> Answer:
        return {"letter_code": self.code}


class AtMailedCodes(Attack):
    fact = "email_proved"

    def prepare(self, count: int) -> list[Stand]:
        stands = []
        for code, person in self.letters(count):
            facts = {"code_id": str(code.id), "person_id": str(person.id), "email": EMAIL}
            stands.append(self.walk(REGISTRATION, "email_code", **facts))
            self.services.registration_codes.reserve(code, stands[-1].run_id)
        send_codes(self.services, Kind.EMAIL, stands, [EMAIL] * count, RIGHT_OTP)
        return stands


class AtResetCodes(Attack):
    """The mailed code on the way to a new password: every walk has its own budget, below a ceiling for the address."""

    fact, budget = "account_id", 20

    def prepare(self, count: int) -> list[Stand]:
        add_account(self.services, self.portal, EMAIL)
        stands = [self.walk(RESET, "email_code", email=EMAIL) for _ in range(count)]
        send_codes(self.services, Kind.EMAIL, stands, [EMAIL] * count, RIGHT_OTP)
        return stands


class AtLetterCodes(Attack):
    tag, fact = AuditTag.CODE_REFUSED, "code_id"

    def prepare(self, count: int) -> list[Stand]:
        self.code = letter(self.services, self.portal)
        return [self.walk(REGISTRATION, "registration_code") for _ in range(count)]

    def wrong(self, number: int) -> Answer:
        return {"code": generate(self.services.random)}

    def right(self) -> Answer:
        return {"code": self.code}


class AtBirthDates(Attack):
    """Many tabs of the one browser that holds the letter."""

    tag, fact = AuditTag.SECOND_ITEM_REFUSED, "password_hash"

    def prepare(self, count: int) -> list[Stand]:
        ((code, person),) = self.letters(1)
        facts = {"code_id": str(code.id), "person_id": str(person.id), "email": EMAIL, "email_proved": True}
        one = self.walk(REGISTRATION, "details", **facts)
        self.services.registration_codes.reserve(code, one.run_id)
        return [one] * count

    def wrong(self, number: int) -> Answer:
        day = date.fromordinal(date(1940, 1, 1).toordinal() + number)
        return {**self.right(), "birth_date": f"{day.day}.{day.month}.{day.year}"}

    def right(self) -> Answer:
        return {"birth_date": "27.3.1958", "password": PASSWORD, "terms": "yes", "factor": "app"}


ATTACKS: list[Callable[[Services, Portal, int], Attack]] = [
    AtPasswords, AtTextedCodes, AtAppCodes, AtRecoveryCodes, AtRecoveryLetters, AtMailedCodes, AtResetCodes,
    AtLetterCodes, AtBirthDates,
]  # fmt: skip


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    """With a place for everybody at the processor and no bound for their one network: all get as far as the counter."""
    plenty = dict.fromkeys(("SIGN_INS_PER_HOUR", "LETTER_CODES_PER_HOUR"), "100000")
    return (
        environment | {"CONNECT_HASHES_WAITING": "500"} | {f"CONNECT_{name}": value for name, value in plenty.items()}
    )


def guess(app: Flask, answers: Sequence[tuple[Stand, Answer]], number: int) -> int:
    where, answer = answers[number]
    return where.post(app, **answer).status_code


def judged(tag: AuditTag) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(AuditEvent).where(AuditEvent.tag == tag.value)) or 0


@GUESSES
@pytest.mark.parametrize("kind", ATTACKS)
def test_of_many_guesses_at_once_five_are_judged_and_then_not_even_the_right_one(
    web: Flask, services: Services, portal: Portal, environment: dict[str, str], clock: FrozenClock,
    instances: Instances, guesses: int, kind: Callable[[Services, Portal, int], Attack],
) -> None:  # fmt: skip
    attack = kind(services, portal, guesses)
    wrong = [(where, attack.wrong(number)) for number, where in enumerate(attack.stands)]
    right = [(where, attack.right()) for where in attack.stands]
    outcomes = instances.race(environment, clock.now(), guess, [wrong, right], guesses)
    # Who finds no connection to the database in time is told to come back, and nothing was judged.
    assert {303} <= {status for outcome in outcomes for status in outcome} <= {303, 503}
    assert judged(attack.tag) == attack.budget
    assert {run.state[attack.fact] for run in db.session.scalars(select(FlowRun))} == {None}


@GUESSES
@pytest.mark.sqlite_only
@pytest.mark.parametrize("kind", [AtPasswords, AtBirthDates])
def test_guesses_that_find_no_place_at_the_processor_are_not_judged_either(
    web: Flask, services: Services, portal: Portal, environment: dict[str, str], clock: FrozenClock,
    instances: Instances, guesses: int, kind: Callable[[Services, Portal, int], Attack],
) -> None:  # fmt: skip
    attack = kind(services, portal, guesses)
    wrong = [(where, attack.wrong(number)) for number, where in enumerate(attack.stands)]
    narrow = environment | {"CONNECT_HASHES_WAITING": "2"}
    (statuses,) = instances.race(narrow, clock.now(), guess, [wrong], guesses)
    assert {303, 429} <= set(statuses) <= {303, 429, 503}
    assert 0 < judged(attack.tag) <= min(BUDGET, statuses.count(303))
