"""F-21, C-07, C-08, C-87, O-06: a planted cookie is worth nothing, and nobody is signed in by another site's form."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.bundle import Services
from tests.actions import PASSWORD, letter
from tests.support.builders import add_portal
from tests.support.person import ISSUER, Person, newest_code
from tests.support.walks import BORN, World, add_account, cells


def cookie(person: Person, name: str) -> str:
    found = person.client.get_cookie(f"connect_{name}")
    return found.value if found else ""


@pytest.fixture
def person(web: Flask, services: Services, portal: Portal) -> Person:
    add_account(services, portal, "helene@example.ch")
    return Person(web)


def sign_in(person: Person) -> None:
    person.open("/cpx/login")
    person.submit(email="helene@example.ch", password=PASSWORD)
    person.submit(otp=newest_code("sms"))
    assert person.address == "https://cpx.example.ch/"


def test_a_planted_session_is_replaced_and_never_becomes_good(
    web: Flask, person: Person, portal: Portal, services: Services, clock: FrozenClock
) -> None:
    add_account(services, portal, "attacker@example.ch", "sms", "+41790000001")
    attacker = Person(web)
    attacker.open("/cpx/login")
    attacker.submit(email="attacker@example.ch", password=PASSWORD)
    attacker.submit(otp=newest_code("sms"))
    own = cookie(attacker, "session")
    for planted in (own, "cc_se_" + "A" * 43, "x", "", "cc_se_" + "é" * 3):
        clock.advance(timedelta(hours=1))
        person.client.set_cookie("connect_session", planted)
        person.open("/logout")
        if person.title.startswith("Voulez-vous"):
            person.submit(extent="all")
        person.client.set_cookie("connect_session", planted)
        sign_in(person)
        fresh = cookie(person, "session")
        assert fresh.startswith("cc_se_")
        assert fresh != planted
        other = Person(web)
        other.client.set_cookie("connect_session", planted)
        other.open("/account")
        assert "helene@example.ch" not in other.text


def test_the_session_begins_after_the_second_factor_and_not_before(web: Flask, person: Person) -> None:
    person.open("/cpx/login")
    assert cookie(person, "session") == ""
    person.submit(email="helene@example.ch", password=PASSWORD)
    assert cookie(person, "session") == ""
    assert db.session.scalar(select(func.count()).select_from(Session)) == 0
    person.open("/account")
    assert "helene@example.ch" not in person.text


FOREIGN: list[dict[str, str]] = [
    {"Origin": "https://evil.example"}, {"Origin": "null"}, {}, {"Origin": "http://localhost:8000.evil.example"},
    {"Origin": "https://localhost:8000"}, {"Origin": "http://localhost"}, {"Origin": ""},
    {"Sec-Fetch-Site": "cross-site"}, {"Sec-Fetch-Site": "same-site"},
    {"Origin": ISSUER, "Sec-Fetch-Site": "cross-site"}, {"Referer": "https://evil.example/"}, {"Referer": f"https://evil.example/?{ISSUER}/"},
    {"Origin": "https://evil.example", "Referer": f"{ISSUER}/cpx/login"},
]  # fmt: skip


def test_valid_credentials_from_another_site_sign_nobody_in(web: Flask, person: Person) -> None:
    """Login CSRF: with the attacker's own good token and cookie, and with the victim's own page guessed right."""
    person.open("/cpx/login")
    address, fields = person.filled(email="helene@example.ch", password=PASSWORD)
    for headers in FOREIGN:
        response = person.client.post(address, data=fields, base_url=ISSUER, headers=headers)
        assert response.status_code == 403, headers
    other = Person(web)
    other.open("/cpx/login")
    foreign_token = other.filled()[1]["csrf_token"]
    for token in (foreign_token, "", "x", fields["csrf_token"][:-1], fields["csrf_token"] + "A", "é"):
        forged = {**fields, "csrf_token": token}
        response = person.client.post(address, data=forged, base_url=ISSUER, headers={"Origin": ISSUER})
        assert response.status_code == 403, token
    assert person.post((address, fields))[0].status_code == 303


def test_every_form_of_every_step_is_refused_from_elsewhere(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_portal("home")
    for number, (variant, step) in enumerate(cells("from elsewhere"), start=1):
        clock.advance(timedelta(hours=1))
        world = World(web, services, clock, portal, variant, number)
        world.walk_to(step.name)
        address, fields = world.person.filled(**world.right(step.name))
        for headers in FOREIGN:
            response = world.person.client.post(address, data=fields, base_url=ISSUER, headers=headers)
            assert response.status_code == 403, (step.name, headers)
            assert "Location" not in response.headers
        world.finish(step.name)


def test_a_walk_that_was_begun_elsewhere_is_not_gone_on_with(
    web: Flask, person: Person, services: Services, portal: Portal
) -> None:
    """C-08: the attacker's address with their walk in it leads the victim to an own, empty one."""
    attacker = Person(web)
    attacker.open("/cpx/register/code")
    attacker.submit(code=letter(services, portal, "P-9"))
    attacker.submit(email="attacker@example.ch")
    attacker.submit(otp=newest_code("mail"))
    person.open("/")
    person.open(attacker.address)
    assert person.title == "Saisissez votre code d’inscription"
    assert "attacker@example.ch" not in person.text
    person.open(attacker.address.replace("/details", "/do/details"))
    assert person.page.status_code == 404
    attacker.submit(birth_date=BORN, password=PASSWORD, terms="yes", factor="app")
    assert attacker.title == "Configurez l’application Authenticator"


@pytest.mark.parametrize(
    "header",
    [
        "=connect_session={session}", "={session}", "connect_session", "Connect_Session={session}",
        "=connect_session; x={session}", " connect_session ={session}x", 'connect_session="{session}x"',
        "__Host-connect_session={session}", "connect_session={session}\x00",
    ],
)  # fmt: skip
def test_a_cookie_that_only_looks_like_ours_is_none(web: Flask, person: Person, header: str) -> None:
    """C-87: nameless and oddly named cookies; on plain http the `__Host-` name is not ours either."""
    sign_in(person)
    session = cookie(person, "session")
    response = web.test_client(use_cookies=False).get(
        "/account", base_url=ISSUER, headers={"Cookie": header.format(session=session)}
    )
    assert response.status_code in {303, 400}
    assert "helene@example.ch" not in response.text


def test_every_part_of_a_secret_counts(web: Flask, person: Person) -> None:
    """C-47: cut, prolonged and changed secrets are unknown ones."""
    sign_in(person)
    session = cookie(person, "session")
    wrong = [session[:at] for at in range(1, len(session), 7)]
    wrong += [session + "A", "A" + session, session.swapcase(), session[:-1] + ("A" if session[-1] != "A" else "B")]
    for value in wrong:
        other = Person(web)
        other.client.set_cookie("connect_session", value)
        other.open("/account")
        assert "helene@example.ch" not in other.text, value
    person.open("/account")
    assert "helene@example.ch" in person.text
