"""A second factor is reset in the console: the check list, the second operator, the notices, and who may not."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.factor_reset import FactorReset
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.factor_resets import BY_OPERATOR
from tests.actions import link, register
from tests.support.builders import add_portal
from tests.support.operators import add_operator, sign_in
from tests.support.person import Person, newest_message
from tests.support.resets import asked
from tests.support.walks import sent

pytestmark = pytest.mark.sqlite_only
OLGA, PETER, ANNA = "olga@fund.example.ch", "peter@fund.example.ch", "helene@example.ch"
SAID = {"name": "yes", "birth": "yes", "number": "yes", "more": "yes"}


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, OLGA, ["support@cpx"])
    return sign_in(web, services, OLGA)


@pytest.fixture
def peter(web: Flask, services: Services, portal: Portal, olga: Person) -> Person:
    add_operator(services, PETER, ["support@cpx"])
    return sign_in(web, services, PETER)


@pytest.fixture
def page(web: Flask, services: Services, portal: Portal) -> str:
    """The page where the factor of somebody who is registered is reset."""
    register(web, services, portal)
    db.session.rollback()
    person = db.session.scalars(select(InsuredPerson).where(InsuredPerson.account_id.is_not(None))).one()
    return f"/admin/persons/{person.id}/reset"


def only() -> FactorReset:
    db.session.rollback()
    return db.session.scalars(select(FactorReset).execution_options(populate_existing=True)).one()


def ask(person: Person, page: str) -> None:
    person.open(page)
    person.submit(1, **SAID, reason="lost")


def test_one_asks_another_approves_and_the_person_is_told_by_mail_and_sms(
    page: str, olga: Person, peter: Person
) -> None:
    ask(olga, page)
    assert "Une deuxième personne doit l’approuver" in olga.text
    assert "vous-même demandé" in olga.text
    before = sent()
    peter.open("/admin/resets")
    assert "attend une deuxième personne" in peter.text
    peter.open(page)
    peter.submit(1)
    assert "La personne est avertie" in peter.text
    assert sent() == before + 2
    mail, sms = newest_message("mail", ANNA), newest_message("sms")
    assert "/account/reset/stop?reset=cc_fr_" in mail
    assert "dans 24 h" in sms
    assert "http" not in sms
    assert only().state(only().asked_at) == "cooling"
    tags = [one.tag for one in db.session.scalars(select(AuditEvent).where(AuditEvent.tag.contains("factor_reset")))]
    assert tags == ["operator:factor_reset:create", "operator:factor_reset:approve"]
    peter.open(page.removesuffix("/reset"))
    assert "Une réinitialisation de la méthode est approuvée" in peter.text
    assert "Réinitialisation de la méthode demandée" in peter.text


@pytest.mark.parametrize("missing", sorted(SAID))
def test_a_caller_who_did_not_say_everything_gets_none(page: str, olga: Person, missing: str) -> None:
    olga.open(page)
    olga.submit(1, reason="lost", **{name: yes for name, yes in SAID.items() if name != missing})
    assert olga.errors() == [missing]
    db.session.rollback()
    assert db.session.scalars(select(FactorReset)).all() == []


def test_one_that_nobody_approves_lapses_and_a_new_one_may_be_asked_for(
    page: str, web: Flask, services: Services, olga: Person, clock: FrozenClock
) -> None:
    ask(olga, page)
    first = only().id
    clock.advance(timedelta(days=3))
    again = sign_in(web, services, OLGA)
    ask(again, page)
    db.session.rollback()
    ends = {one.id: one.end for one in db.session.scalars(select(FactorReset))}
    assert ends.pop(first) == "lapsed"
    assert list(ends.values()) == [None]


def test_any_operator_stops_it_and_the_person_is_told(page: str, olga: Person, peter: Person) -> None:
    ask(olga, page)
    peter.open(page)
    peter.submit(1)
    olga.open(page)
    olga.submit(1)
    assert "La réinitialisation est arrêtée" in olga.text
    assert only().end == "stopped"
    assert "connexion arrêtée" in newest_message("mail", ANNA)


def test_one_operator_in_two_sessions_is_still_one(page: str, web: Flask, services: Services, olga: Person,
                                                   clock: FrozenClock) -> None:  # fmt: skip
    ask(olga, page)
    clock.advance(timedelta(minutes=1))
    second = sign_in(web, services, OLGA)
    second.open(page)
    assert "/reset/approve" not in second.text
    action, fields = second.filled(1)
    second.post((action.replace("/stop", "/approve"), fields))
    assert only().approved_at is None


def test_who_asked_and_lost_the_right_to_has_not_asked(
    page: str, services: Services, olga: Person, peter: Person
) -> None:
    ask(olga, page)
    services.operators.change_roles(services.operators.load(OLGA).id, ["reader@cpx"], None)
    db.session.commit()
    peter.open(page)
    assert "n’en a plus le droit" in peter.text
    assert "/reset/approve" not in peter.text


def test_nobody_who_works_in_the_console_is_reset_at_the_desk(
    page: str, services: Services, olga: Person, portal: Portal
) -> None:
    account = services.accounts.find(ANNA)
    assert account is not None
    _, invitation = services.operators.invite(ANNA, ["reader@cpx"], None)
    assert services.operators.accept(invitation, account)
    db.session.commit()
    olga.open(page)
    assert "travaille dans la console" in olga.text
    action, fields = page, {**olga.filled(0)[1], **SAID, "reason": "lost"}
    olga.post((action, fields))
    db.session.rollback()
    assert db.session.scalars(select(FactorReset)).all() == []


def test_the_person_approves_nothing_for_themselves(
    page: str, web: Flask, services: Services, olga: Person, portal: Portal
) -> None:
    """Even where they became an operator after somebody had asked."""
    ask(olga, page)
    account = services.accounts.find(ANNA)
    assert account is not None
    services.totp.enrol(account.id, "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", 0)
    _, invitation = services.operators.invite(ANNA, ["support@cpx"], None)
    assert services.operators.accept(invitation, account)
    db.session.commit()
    herself = sign_in(web, services, ANNA)
    herself.open(page)
    assert "C’est vous-même" in herself.text
    action, fields = herself.filled(1)
    herself.post((action.replace("/stop", "/approve"), fields))
    assert only().approved_at is None
    assert not services.factor_resets.approve(only(), account.id)


def test_twenty_a_day_and_no_more(page: str, services: Services, olga: Person, clock: FrozenClock) -> None:
    account, by = services.accounts.find(ANNA), services.operators.load(OLGA).id
    assert account is not None
    person = services.accounts.records_of(account.id)[0]
    for _ in range(20):
        assert services.factor_resets.refusal_to_ask(person, account, by) is None
        assert services.factor_resets.stop(asked(services, account, person.portal, by), BY_OPERATOR)
    db.session.commit()
    olga.open(page)
    assert "20 réinitialisations" in olga.text
    clock.advance(timedelta(days=1))
    assert services.factor_resets.refusal_to_ask(person, account, by) is None


def test_the_desk_of_another_fund_sees_nothing_of_it(
    page: str, web: Flask, services: Services, olga: Person, peter: Person
) -> None:
    other = add_portal("fon")
    link(services, other, ANNA)
    add_operator(services, "fon@fund.example.ch", ["support@fon"])
    stranger = sign_in(web, services, "fon@fund.example.ch")
    db.session.rollback()
    theirs = db.session.scalars(select(InsuredPerson).where(InsuredPerson.portal_id == other.id)).one().id
    addresses = ("/admin/resets", f"/admin/persons/{theirs}", f"/admin/persons/{theirs}/reset")
    before = [seen(stranger, address) for address in addresses]
    ask(olga, page)
    peter.open(page)
    peter.submit(1)
    assert [seen(stranger, address) for address in addresses] == before
    stranger.open(page)
    assert stranger.page.status_code == 404


def seen(person: Person, address: str) -> str:
    """The page byte for byte, but for what is new in every form."""
    person.open(address)
    return re.sub(r'name="(nonce|csrf_token)" value="[^"]*"', "", person.text)
