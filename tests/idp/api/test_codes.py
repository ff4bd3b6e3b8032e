"""Codes and letters at the admin API: what became of them, ordered, voided; never a code."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from idp.models.base import db
from idp.models.letter_order import LetterOrder
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.registration_codes import show
from tests.support.api import System
from tests.support.builders import add_person
from tests.support.person import Person

CODES, LETTERS = "/portals/cpx/codes", "/portals/cpx/letters"


@pytest.fixture
def system(web: Flask, services: Services, portal: Portal) -> System:
    add_person(portal)
    return System(web, services)


def test_what_became_of_a_code_is_told_and_the_code_is_not(system: System, services: Services, portal: Portal) -> None:
    person = add_person(portal, "P-2")
    codes = [services.registration_codes.issue(person, portal) for _ in range(2)]
    db.session.commit()
    body = system("GET", CODES, query={"external_id": "P-2"})
    assert [one["state"] for one in body.get_json()["codes"]] == ["revoked", "issued"]
    assert all(
        code not in body.get_data(as_text=True) and show(code) not in body.get_data(as_text=True) for code in codes
    )
    first = system("GET", CODES, query={"limit": 1}).get_json()
    second = system("GET", CODES, query={"limit": 1, "after": first["next"]}).get_json()
    assert second["next"] is None
    assert sorted([len(first["codes"]), len(second["codes"])]) == [0, 2], "person by person"
    assert system("GET", CODES, query={"external_id": "P-1"}).get_json() == {"codes": [], "next": None}


def test_a_letter_is_ordered_once_and_voids_what_was_sent_before(
    system: System, services: Services, portal: Portal
) -> None:
    person = add_person(portal, "P-2")
    code = services.registration_codes.issue(person, portal)
    db.session.commit()
    answer = system("POST", LETTERS, {"external_id": "P-2"})
    assert answer.status_code == 201
    assert answer.get_json()["ordered_at"] is not None
    assert type(services.registration_codes.look_up(portal, code)).__name__ == "Unknown"
    assert db.session.scalars(select(LetterOrder)).one().ordered_by == system.client.id
    again = system("POST", LETTERS, {"external_id": "P-2"})
    assert (again.status_code, again.get_json()["detail"]) == (409, "A letter waits for its printing already.")
    void = system("POST", f"{LETTERS}/void", {"external_id": "P-2"})
    assert void.get_json() == {"external_id": "P-2", "ordered_at": None}
    assert system("POST", f"{LETTERS}/void", {"external_id": "P-2"}).status_code == 409


@pytest.mark.sqlite_only
def test_a_system_orders_more_letters_than_one_agent_may(system: System, portal: Portal) -> None:
    for number in range(21):
        add_person(portal, f"L-{number}")
        assert system("POST", LETTERS, {"external_id": f"L-{number}"}).status_code == 201


def test_who_is_registered_gets_no_letter_and_an_unknown_person_is_not_found(
    web: Flask, services: Services, portal: Portal, person: Person
) -> None:
    system = System(web, services)
    (known,) = system("GET", "/portals/cpx/persons").get_json()["persons"]
    assert system("POST", LETTERS, {"external_id": known["external_id"]}).status_code == 409
    assert system("POST", LETTERS, {"external_id": "nobody"}).status_code == 404
    assert system("POST", LETTERS, {"external_id": ""}).status_code == 422
