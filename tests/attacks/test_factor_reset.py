"""F-37, N-14: what two operators agreed on opens an account to its owner alone, a day later, and is stopped in time."""

from __future__ import annotations

import re
from datetime import timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import IntegrityError

from idp.clock import FrozenClock
from idp.models import factor_reset as resets
from idp.models.account import Account
from idp.models.base import db
from idp.models.factor_reset import FactorReset
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import PASSWORD, link
from tests.support.builders import add_portal
from tests.support.person import ISSUER, Person, newest_code, newest_message
from tests.support.resets import COOLED, agreed, asked, ready, two_operators
from tests.support.walks import add_account, sent

ANNA, NEW, OLD = "anna@example.ch", "079 999 88 77", "+41791111111"
pytestmark = pytest.mark.sqlite_only


@pytest.fixture
def anna(services: Services, portal: Portal) -> Account:
    return add_account(services, portal, ANNA, number=OLD)


@pytest.fixture
def operators(services: Services, portal: Portal) -> tuple[UUID, UUID]:
    return two_operators(services)


def with_password(web: Flask, slug: str = "cpx") -> Person:
    """A browser whose person typed the right password."""
    person = Person(web)
    person.open(f"/{slug}/login")
    person.submit(email=ANNA, password=PASSWORD)
    return person


def state_of(reset: FactorReset) -> str | None:
    db.session.rollback()
    return db.session.get_one(FactorReset, reset.id, populate_existing=True).end


def number_of(account: Account, services: Services) -> str | None:
    db.session.rollback()
    return services.accounts.factors(account.id).phone


def test_a_day_later_the_owner_sets_up_a_new_method_and_the_old_one_is_gone(
    web: Flask, services: Services, portal: Portal, anna: Account, operators: tuple[UUID, UUID], clock: FrozenClock
) -> None:
    reset = ready(services, anna, portal, operators, clock)
    person = with_password(web)
    assert person.title == "Choisissez une méthode"
    person.submit(method="desk")
    assert person.title == "Choisissez votre nouvelle méthode"
    person.submit(factor="sms", mobile=NEW)
    assert number_of(anna, services) == OLD, "the old one holds until the new one is proved"
    person.submit(otp=newest_code("sms"))
    assert person.address == portal.home_url
    assert state_of(reset) == "used"
    assert number_of(anna, services) == "+41799998877"
    assert "Méthode de connexion modifiée" in newest_message("mail", ANNA)


def test_nothing_can_be_done_before_the_day_is_over_nor_without_the_password(
    web: Flask, services: Services, portal: Portal, anna: Account, operators: tuple[UUID, UUID], clock: FrozenClock
) -> None:
    agreed(services, anna, portal, operators)
    for wait in (timedelta(0), COOLED - timedelta(seconds=1)):
        clock.advance(wait)
        person = with_password(web)
        assert person.title == "Saisissez le code SMS"
        person.open(re.sub("/login/code", "/login/methods", person.address))
        assert 'value="desk"' not in person.text
        person.submit(method="desk")
        assert person.errors() == ["method"]
    clock.advance(timedelta(seconds=1))
    thief = Person(web)
    thief.open("/cpx/login")
    thief.submit(email=ANNA, password="kein pferd im regen")
    assert thief.title != "Choisissez une méthode"


def test_one_that_only_one_operator_asked_for_opens_nothing_ever(
    web: Flask, services: Services, portal: Portal, anna: Account, operators: tuple[UUID, UUID], clock: FrozenClock
) -> None:
    asked(services, anna, portal, operators[0])
    clock.advance(COOLED)
    assert with_password(web).title == "Saisissez le code SMS"


def test_who_has_the_mailbox_and_not_the_password_gets_nothing_by_it(
    web: Flask, services: Services, portal: Portal, anna: Account, operators: tuple[UUID, UUID], clock: FrozenClock
) -> None:
    """A new password asks for the factor, and is set by none that the desk agreed on."""
    ready(services, anna, portal, operators, clock)
    thief = Person(web)
    thief.open("/cpx/reset")
    thief.submit(email=ANNA)
    thief.submit(otp=newest_code("mail"))
    assert thief.title == "Saisissez le code SMS"
    thief.open(re.sub("/reset/factor", "/reset/methods", thief.address))
    assert 'value="desk"' not in thief.text
    thief.submit(method="desk")
    assert thief.errors() == ["method"]


def test_another_fund_of_the_same_account_lets_nobody_in_by_it(
    web: Flask, services: Services, portal: Portal, anna: Account, operators: tuple[UUID, UUID], clock: FrozenClock
) -> None:
    add_portal("fon")
    link(services, db.session.scalars(select(Portal).where(Portal.slug == "fon")).one(), ANNA)
    ready(services, anna, portal, operators, clock)
    assert with_password(web, "fon").title == "Saisissez le code SMS"


def test_signing_in_with_the_old_method_stops_it(
    web: Flask, services: Services, portal: Portal, anna: Account, operators: tuple[UUID, UUID], clock: FrozenClock
) -> None:
    reset = agreed(services, anna, portal, operators)
    owner = with_password(web)
    owner.submit(otp=newest_code("sms"))
    assert state_of(reset) == "stopped"
    contents = [services.outbox.open(one) for one in db.session.scalars(select(OutboxMessage))]
    assert [one.to for one in contents if "connexion arrêtée" in one.subject] == [ANNA]
    clock.advance(COOLED)
    assert with_password(web).title == "Saisissez le code SMS"


def test_the_link_of_the_mail_stops_it_and_no_scanner_does(
    web: Flask, services: Services, portal: Portal, anna: Account, operators: tuple[UUID, UUID], clock: FrozenClock
) -> None:
    reset = ready(services, anna, portal, operators, clock)
    thief = with_password(web)
    thief.submit(method="desk")
    found = re.search(r"reset=(cc_fr_\w+)", newest_message("mail", ANNA))
    assert found
    owner = Person(web)
    for _ in range(3):
        owner.open(f"/account/reset/stop?reset={found[1]}")
        assert state_of(reset) is None
    owner.submit(reset=found[1][:-1] + ("a" if found[1][-1] != "a" else "b"))
    assert owner.page.status_code == 410
    assert state_of(reset) is None
    owner.open(f"/account/reset/stop?reset={found[1]}")
    owner.submit()
    assert owner.title == "La réinitialisation est arrêtée"
    assert state_of(reset) == "stopped"
    thief.submit(factor="sms", mobile=NEW)
    assert thief.title == "Choisissez une méthode", "who stood in the middle of it goes no further"
    assert number_of(anna, services) == OLD
    owner.open(f"/account/reset/stop?reset={found[1]}")
    assert owner.page.status_code == 410


def test_whoever_is_signed_in_stops_their_own_and_nobody_elses(
    web: Flask, services: Services, portal: Portal, anna: Account, operators: tuple[UUID, UUID]
) -> None:
    owner = with_password(web)
    owner.submit(otp=newest_code("sms"))
    add_account(services, portal, "bruno@example.ch", number="+41792222222")
    reset = agreed(services, anna, portal, operators)
    bruno = Person(web)
    bruno.open("/cpx/login")
    bruno.submit(email="bruno@example.ch", password=PASSWORD)
    bruno.submit(otp=newest_code("sms"))
    bruno.open("/account")
    assert str(reset.id) not in bruno.text
    token = bruno.filled()[1]["csrf_token"]
    bruno.client.post(
        "/account/security/reset/stop", data={"reset": str(reset.id), "csrf_token": token}, base_url=ISSUER,
        headers={"Origin": ISSUER},
    )  # fmt: skip
    assert state_of(reset) is None
    owner.open("/account")
    assert "À votre demande par téléphone" in owner.text
    owner.submit(next(at for at in range(5) if "reset/stop" in owner.filled(at)[0]))
    assert state_of(reset) == "stopped"
    assert "La réinitialisation est arrêtée" in owner.text


def test_a_new_password_stops_it(
    web: Flask, services: Services, portal: Portal, anna: Account, operators: tuple[UUID, UUID]
) -> None:
    reset = agreed(services, anna, portal, operators)
    owner = Person(web)
    owner.open("/cpx/reset")
    owner.submit(email=ANNA)
    owner.submit(otp=newest_code("mail"))
    owner.submit(otp=newest_code("sms"))
    owner.submit(password="neun kamele am waldrand")
    assert state_of(reset) == "stopped"


def test_it_is_over_after_a_week(
    web: Flask, services: Services, portal: Portal, anna: Account, operators: tuple[UUID, UUID], clock: FrozenClock
) -> None:
    agreed(services, anna, portal, operators)
    clock.advance(timedelta(days=8))
    assert with_password(web).title == "Saisissez le code SMS"


def test_the_database_itself_refuses_one_person_in_two_roles(
    services: Services, portal: Portal, anna: Account, operators: tuple[UUID, UUID]
) -> None:
    reset = asked(services, anna, portal, operators[0])
    for same in (operators[0], anna.id):
        with pytest.raises(IntegrityError):
            db.session.execute(update(FactorReset).values(approved_by=same, approved_at=services.clock.now()))
        db.session.rollback()
        assert not resets.approve(reset.id, same, "h", services.clock.now())


def test_nobody_approves_what_was_stopped(
    services: Services, portal: Portal, anna: Account, operators: tuple[UUID, UUID]
) -> None:
    reset = asked(services, anna, portal, operators[0])
    assert resets.stop(reset.id, services.clock.now())
    db.session.commit()
    before = sent()
    assert not services.factor_resets.approve(reset, operators[1])
    assert sent() == before
