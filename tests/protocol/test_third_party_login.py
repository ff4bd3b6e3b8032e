"""OIDC Core §4: where Connect itself sends a person into a portal, it begins the sign-in as the portal registered."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import finish_registration, letter, sign_in
from tests.support.builders import add_portal
from tests.support.person import Person
from tests.support.relying_party import RelyingParty, answer_of

BEGIN = "https://cpx.example.ch/login?iss=http%3A%2F%2Flocalhost%3A8000"


@pytest.fixture
def initiating(portal: Portal) -> Portal:
    row = db.session.get_one(Portal, portal.id)
    row.initiate_login_uri = "https://cpx.example.ch/login"
    db.session.commit()
    return row


def test_the_choice_of_a_portal_leads_there_over_the_sign_in(
    person: Person, initiating: Portal, clock: FrozenClock
) -> None:
    add_portal("fon")
    clock.advance(timedelta(hours=13))
    person.open("/?portal=cpx")
    sign_in(person)
    assert person.address == BEGIN


def test_an_active_session_opens_the_portal_there(person: Person, initiating: Portal) -> None:
    for address in ("/?portal=cpx", "/cpx/login", "/"):
        person.open(address)
        assert person.address == BEGIN, address


def test_the_end_of_a_registration_leads_there(web: Flask, initiating: Portal, services: Services) -> None:
    person = Person(web)
    person.open("/cpx/register/code")
    finish_registration(person, letter(services, initiating), "helene@example.ch")
    assert f'href="{BEGIN}"' in person.text


def test_the_portals_own_request_then_needs_no_question(rp: RelyingParty, person: Person, initiating: Portal) -> None:
    person.open("/cpx/login")
    person.open(rp.request())  # what the portal answers to the address above
    assert "code" in answer_of(person.address)


def test_a_query_of_the_portal_is_kept(person: Person, initiating: Portal) -> None:
    initiating.initiate_login_uri = "https://cpx.example.ch/login?tenant=a"
    db.session.commit()
    person.open("/cpx/login")
    assert person.address == "https://cpx.example.ch/login?tenant=a&iss=http%3A%2F%2Flocalhost%3A8000"


def test_without_one_the_home_page_is_opened(person: Person) -> None:
    person.open("/cpx/login")
    assert person.address == "https://cpx.example.ch/"


def test_a_portal_that_asked_gets_its_answer_and_no_second_beginning(
    rp: RelyingParty, person: Person, initiating: Portal, clock: FrozenClock
) -> None:
    clock.advance(timedelta(hours=13))
    person.open(rp.request())
    sign_in(person)
    assert person.address.startswith(rp.redirect_uri)
