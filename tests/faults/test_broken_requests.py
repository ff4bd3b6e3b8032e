"""A request that breaks in the middle leaves nothing half-done, and the guesses it cost stay counted (C-22)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from flask import Flask
from sqlalchemy import event, func, select, text

from idp.clock import FrozenClock
from idp.models.account import Account, Phone
from idp.models.base import Base, db
from idp.models.flow import AttemptCounter, FlowRun, Submission
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.bundle import Services
from idp.services.challenges import Challenges
from idp.services.outbox import Outbox
from idp.services.passwords import Passwords
from idp.services.totp import TOTP
from tests.actions import PASSWORD, enter_details, letter, register
from tests.support.person import Person, newest_code
from tests.support.walks import add_account


def raises(*_: Any, **__: Any) -> None:
    raise RuntimeError("broken on purpose")


def breaks_the_transaction(*_: Any, **__: Any) -> None:
    db.session.execute(text("SELECT * FROM no_such_table"))


@pytest.fixture(params=[raises, breaks_the_transaction])
def broken(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Two ways to break: in our code, and in the database, whose transaction is lost with it."""
    fault: Callable[..., None] = request.param
    return fault


def count(model: type[Base]) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def spent(kind: str) -> int:
    db.session.rollback()
    return sum(
        row.spent
        for row in db.session.scalars(select(AttemptCounter).where(AttemptCounter.subject.startswith(f"{kind}:")))
    )


def test_a_registration_that_breaks_at_its_end_leaves_no_account(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch,
    broken: Callable[..., None],
) -> None:  # fmt: skip
    person = Person(web)
    code = letter(services, portal)
    person.open("/cpx/register/code")
    person.submit(code=code)
    person.submit(email="helene@example.ch")
    person.submit(otp=newest_code("mail"))
    enter_details(person, factor="sms", mobile="079 123 45 67")
    address = person.address
    with monkeypatch.context() as patch:
        patch.setattr(Outbox, "mail", broken)
        person.submit(otp=newest_code("sms"))
    assert person.page.status_code in {500, 503}
    assert (count(Account), count(Phone), count(Session)) == (0, 0, 0)
    assert db.session.scalars(select(FlowRun)).one().consumed_at is None
    clock.advance(timedelta(seconds=30))
    person.open(address)
    person.press("resend")
    person.submit(otp=newest_code("sms"))
    assert person.title == "Votre inscription est terminée"
    assert (count(Account), count(Phone), count(Session)) == (1, 1, 1)


@pytest.mark.parametrize(
    ("kind", "service", "method"),
    [("password", Passwords, "is_right"), ("sms_code", Challenges, "judge"), ("app_code", TOTP, "judge")],
)
def test_a_guess_stays_counted_when_its_judgement_breaks(
    web: Flask, services: Services, portal: Portal, monkeypatch: pytest.MonkeyPatch, broken: Callable[..., None],
    kind: str, service: type[Any], method: str,
) -> None:  # fmt: skip
    register(web, services, portal)
    account = db.session.scalars(select(Account)).one()
    if kind == "app_code":
        services.totp.enrol(account.id, services.totp.new_seed(), 0)
        db.session.commit()
    person = Person(web)
    person.open("/cpx/login")
    if kind != "password":
        person.submit(email="helene@example.ch", password=PASSWORD)
    form = person.filled
    monkeypatch.setattr(service, method, broken)
    for tries in range(1, 4):
        answer = {"email": "helene@example.ch", "password": "wrong"} if kind == "password" else {"otp": "123456"}
        assert person.post(form(0, **answer))[0].status_code in {500, 503}
        assert spent(kind) == tries
        person.open(person.address)
    assert count(Session) == 1


@pytest.mark.postgresql_only
def test_nobody_pays_for_a_guess_that_no_connection_is_left_to_judge(
    web: Flask, services: Services, portal: Portal
) -> None:
    """Single statements have connections of their own, which may be there while the server takes no new one."""
    add_account(services, portal, "a@example.ch")
    person = Person(web)
    person.open("/cpx/login")
    person.submit(email="a@example.ch", password="wrong wrong wrong")
    before, forms = spent("password"), count(Submission)
    assert before

    def refuse(*_: object) -> None:
        raise psycopg.errors.TooManyConnections("sorry, too many clients already")

    with web.app_context():
        engine = db.engine
    event.listen(engine, "checkout", refuse)
    try:
        person.submit(email="a@example.ch", password=PASSWORD)
    finally:
        event.remove(engine, "checkout", refuse)
    assert person.page.status_code == 503
    assert (spent("password"), count(Submission)) == (before, forms)
    person.open("/cpx/login")
    person.submit(email="a@example.ch", password=PASSWORD)
    assert person.title == "Saisissez le code SMS"
