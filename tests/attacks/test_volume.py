"""C-26: one network that asks for very much is told to wait, whatever it asks; its neighbours are not."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.registration_codes import generate
from tests.actions import PASSWORD, letter
from tests.support.person import Person, newest_code
from tests.support.walks import BORN, add_account, sent

LIMIT = 4


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return environment | {
        "CONNECT_SIGN_INS_PER_HOUR": str(LIMIT),
        "CONNECT_LETTER_CODES_PER_HOUR": str(LIMIT),
        "CONNECT_SENDS_PER_HOUR": str(LIMIT),
    }


def from_network(web: Flask, address: str) -> Person:
    person = Person(web)
    person.client.environ_base["REMOTE_ADDR"] = address
    return person


def check_refusal(person: Person, opens: str, seconds: int) -> None:
    assert person.page.status_code == 429
    assert person.title == "Beaucoup de demandes en ce moment"
    assert f"Réessayez à partir de {opens}." in person.text
    assert person.page.headers["Retry-After"] == str(seconds)


def test_sign_ins_of_one_network_are_bounded_over_all_addresses_and_browsers(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_account(services, portal, "owner@example.ch")
    for at in range(LIMIT):
        person = from_network(web, "192.0.2.1")
        person.open("/cpx/login")
        person.submit(email=f"p{at}@example.ch", password="wrong wrong wrong")
        assert person.page.status_code == 200
    person = from_network(web, "192.0.2.1")
    person.open("/cpx/login")
    person.submit(email="owner@example.ch", password=PASSWORD)
    check_refusal(person, "14:45", 900)
    neighbour = from_network(web, "192.0.2.2")
    neighbour.open("/cpx/login")
    neighbour.submit(email="owner@example.ch", password=PASSWORD)
    assert neighbour.title == "Saisissez le code SMS"
    clock.advance(timedelta(minutes=15))
    person.open("/cpx/login")
    person.submit(email="owner@example.ch", password=PASSWORD)
    assert person.title == "Saisissez le code SMS"


def test_a_whole_ipv6_network_is_one(web: Flask, services: Services, portal: Portal) -> None:
    for at in range(LIMIT):
        person = from_network(web, f"2001:db8::{at + 1:x}")
        person.open("/cpx/login")
        person.submit(email=f"p{at}@example.ch", password="wrong wrong wrong")
    person = from_network(web, "2001:db8::ffff:1")
    person.open("/cpx/login")
    person.submit(email="p@example.ch", password="wrong wrong wrong")
    assert person.page.status_code == 429
    neighbour = from_network(web, "2001:db8:0:1::1")
    neighbour.open("/cpx/login")
    neighbour.submit(email="p@example.ch", password="wrong wrong wrong")
    assert neighbour.page.status_code == 200


def test_letter_codes_of_one_network_are_bounded_over_all_portals(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    clock.advance(timedelta(seconds=20))
    for _ in range(LIMIT):
        person = from_network(web, "192.0.2.1")
        person.open("/cpx/register/code")
        person.submit(code=generate(services.random))
    clock.advance(timedelta(minutes=14, seconds=30))
    person = from_network(web, "192.0.2.1")
    person.open("/cpx/register/code")
    person.submit(code=letter(services, portal))
    check_refusal(person, "14:46", 30)  # it opens at 14:45:20, and what is told must be true


def test_one_network_causes_so_many_messages_and_a_refused_one_is_not_queued(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    for at in range(LIMIT):
        person = from_network(web, "192.0.2.1")
        person.open("/cpx/register/code")
        person.submit(code=letter(services, portal, f"P-{at}"))
        person.submit(email=f"p{at}@example.ch")
    assert sent() == LIMIT
    person.submit(otp=newest_code("mail"))
    person.submit(birth_date=BORN, password=PASSWORD, terms="yes", factor="sms", mobile="079 123 45 67")
    check_refusal(person, "14:45", 900)
    assert sent() == LIMIT
    clock.advance(timedelta(minutes=15))
    person.open(person.address)
    person.submit(birth_date=BORN, password=PASSWORD, terms="yes", factor="sms", mobile="079 123 45 67")
    assert person.title == "Saisissez le code SMS"
    assert sent() == LIMIT + 1
    assert [row.channel for row in db.session.scalars(select(OutboxMessage))].count("sms") == 1
