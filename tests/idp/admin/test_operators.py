"""Becoming an operator, and the page on which operators are kept."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.base import db
from idp.models.operator import Operator
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.operators import roles_words
from tests.actions import PASSWORD
from tests.support.operators import add_operator, app_code, sign_in
from tests.support.person import ISSUER, Person, newest_message

EMAIL, NEW = "olga@fund.example.ch", "claire@fund.example.ch"


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, EMAIL, ["superuser"])
    return sign_in(web, services, EMAIL)


def seed_on(person: Person) -> str:
    return person.text.split('data-copy="')[1].split('"')[0]


def join(web: Flask, services: Services, secret: str) -> Person:
    person = Person(web)
    person.open("/admin/invitation")
    person.submit(code=secret)
    person.submit(given_name="Claire", family_name="Rochat", password=PASSWORD, otp=app_code(services, seed_on(person)))
    return person


def test_a_fresh_installation_lets_nobody_in_until_the_first_invitation_is_used(
    web: Flask, services: Services, clock: FrozenClock
) -> None:
    person = sign_in(web, services, NEW)
    assert person.errors() == ["email"]
    secret, _ = services.operators.invite(NEW, ["superuser"], None)
    db.session.commit()
    claire = join(web, services, secret)
    assert (claire.address, claire.title) == ("/admin", "Console")
    assert "super-utilisateur" in claire.text
    clock.advance(timedelta(minutes=1))
    assert db.session.scalar(select(func.count()).select_from(Operator)) == 1
    second = Person(web)
    second.open("/admin/invitation")
    second.submit(code=secret)
    assert second.errors() == ["code"]  # once


def test_an_invitation_is_mailed_to_the_address_and_shown_to_nobody(
    web: Flask, services: Services, olga: Person
) -> None:
    olga.open("/admin/operators/invite")
    olga.submit(1, email=f" {NEW.upper()} ", role="support", portal="cpx")
    assert "L’invitation est envoyée" in olga.text
    assert NEW in olga.text
    assert "cc_oi_" not in olga.text
    found = re.search(r"/admin/invitation#(cc_oi_\w+)", newest_message("mail", NEW))
    assert found
    claire = join(web, services, found[1])
    assert claire.title == "Console"
    account = services.accounts.find(NEW)
    assert account is not None
    assert roles_words(account.id) == ("support@cpx",)


def test_what_is_wrong_with_the_entries_is_said_and_the_rest_is_kept(
    web: Flask, services: Services, olga: Person
) -> None:
    olga.open("/admin/operators/invite")
    olga.submit(1, email="no address")
    assert {"email", "role"} == set(olga.errors())
    assert 'value="no address"' in olga.text
    secret, _ = services.operators.invite(NEW, ["reader"], None)
    db.session.commit()
    person = Person(web)
    person.open("/admin/invitation")
    person.submit(code=secret)
    seed = seed_on(person)
    person.submit(given_name="Claire", family_name="", password="short", otp="000000")
    assert set(person.errors()) == {"family_name", "password", "otp"}
    assert 'value="Claire"' in person.text
    assert seed_on(person) == seed  # the QR that was scanned stays right
    assert db.session.scalar(select(func.count()).select_from(Account).where(Account.email == NEW)) == 0


def test_an_invitation_ends_after_a_day_and_a_newer_one_voids_it(
    web: Flask, services: Services, clock: FrozenClock
) -> None:
    first, _ = services.operators.invite(NEW, ["reader"], None)
    second, _ = services.operators.invite(NEW, ["reader"], None)
    db.session.commit()
    assert services.operators.find_invitation(first) is None
    clock.advance(timedelta(hours=24) - timedelta(seconds=1))
    assert services.operators.find_invitation(second) is not None
    clock.advance(timedelta(seconds=1))
    assert services.operators.find_invitation(second) is None


def test_what_was_begun_in_one_browser_is_nothing_in_another(web: Flask, services: Services) -> None:
    secret, _ = services.operators.invite(NEW, ["reader"], None)
    db.session.commit()
    person, other = Person(web), Person(web)
    person.open("/admin/invitation")
    person.submit(code=secret)
    other.open("/admin/login")
    other.open(person.address)
    assert other.title == "Votre invitation"


def test_roles_come_and_go_one_by_one_and_the_last_superuser_stays(services: Services, olga: Person) -> None:
    claire = add_operator(services, NEW, ["support@cpx"])
    own = services.accounts.find(EMAIL)
    assert own is not None
    olga.open(f"/admin/operators/{claire}")
    olga.submit(2, role="letters", portal="")
    assert "service clientèle – cpx" in olga.text
    assert roles_words(claire) == ("letters", "support@cpx")
    olga.submit(1)  # the first of the list
    assert roles_words(claire) == ("support@cpx",)
    olga.submit(2, role="superuser", portal="cpx")
    assert olga.errors() == ["role"]
    olga.submit(2, role="king")
    assert olga.errors() == ["role"]
    olga.open(f"/admin/operators/{own.id}")
    olga.submit(1)
    assert "dernier super-utilisateur" in olga.text
    assert roles_words(own.id) == ("superuser",)


def test_nobody_opens_the_console_to_themselves_again(services: Services, olga: Person) -> None:
    own = services.accounts.find(EMAIL)
    assert own is not None
    olga.open(f"/admin/operators/{own.id}")
    fields = olga.filled(1)[1]
    response = olga.client.post(
        f"/admin/operators/{own.id}/resume", data=fields, base_url=ISSUER, headers={"Origin": ISSUER}
    )
    assert response.status_code == 403


def test_an_account_that_was_disabled_takes_no_invitation(web: Flask, services: Services) -> None:
    account = db.session.get_one(Account, add_operator(services, NEW, ["reader"]))
    account.status = "disabled"
    secret, _ = services.operators.invite(NEW, ["superuser"], None)
    db.session.commit()
    person = Person(web)
    person.open("/admin/invitation")
    person.submit(code=secret)
    assert "Il y a déjà un compte" in person.text
    person.submit(password=PASSWORD, otp=app_code(services))
    assert person.errors() == ["password"]
    assert services.operators.find_invitation(secret) is not None
