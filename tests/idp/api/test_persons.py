"""Persons at the admin API: put under the fund's own key, read, listed page by page, and recorded."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.person_word import PersonWord
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.api import System
from tests.support.builders import add_person, add_portal
from tests.support.person import Person

LIST = "/portals/cpx/persons"
HELENE: dict[str, Any] = {
    "insured_number": "756.1234.5678.97", "given_name": "Hélène", "family_name": "Müller", "birth_date": "1958-03-27",
    "language": "fr", "address": ["Rue du Lac 1", "1000 Lausanne"],
}  # fmt: skip


@pytest.fixture
def system(web: Flask, services: Services, portal: Portal) -> System:
    return System(web, services)


def tags() -> list[str]:
    db.session.rollback()
    return list(db.session.scalars(select(AuditEvent.tag).order_by(AuditEvent.id)))


def test_a_person_is_stored_under_the_funds_key_and_storing_again_changes_nothing(system: System) -> None:
    first = system("PUT", f"{LIST}/P-1", HELENE)
    assert (first.status_code, first.get_json()["family_name"]) == (201, "Müller")
    assert db.session.scalar(select(func.count()).select_from(PersonWord)), "the desk finds them"
    again = system("PUT", f"{LIST}/P-1", HELENE)
    assert (again.status_code, again.get_data()) == (200, first.get_data())
    assert again.headers["ETag"] == first.headers["ETag"]
    changed = system("PUT", f"{LIST}/P-1", HELENE | {"family_name": "Meier"})
    assert changed.get_json()["family_name"] == "Meier"
    assert changed.headers["ETag"] != first.headers["ETag"]
    assert system("GET", f"{LIST}/P-1").get_json() == changed.get_json()


def test_what_is_done_is_recorded_with_who_did_it(system: System) -> None:
    system("PUT", f"{LIST}/P-1", HELENE)
    system("PUT", f"{LIST}/P-1", HELENE)
    system("GET", f"{LIST}/P-1")
    system("GET", LIST)
    assert tags()[-3:] == [
        "operator:insured_person:import", "client:insured_person:read", "client:insured_person:list",
    ]  # fmt: skip
    actors = db.session.scalars(select(AuditEvent.actor_id).order_by(AuditEvent.id.desc()).limit(3))
    assert set(actors) == {system.client.id}


@pytest.mark.sqlite_only
def test_any_key_of_the_fund_is_an_address(system: System) -> None:
    for key in ("a/b", "é è", "..%2f", "x" * 64, "p?q#r", "%", "void"):
        assert system("PUT", f"{LIST}/{quote(key, safe='')}", HELENE).status_code == 201
        assert system("GET", f"{LIST}/{quote(key, safe='')}").get_json()["external_id"] == key


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"birth_date": "1958-02-30"}, "/birth_date"),
    ({"birth_date": "27.3.1958"}, "/birth_date"),
    ({"birth_date": "2999-01-01"}, "/birth_date"),
    ({"insured_number": "756.1234.5678.98"}, "/insured_number"),
    ({"insured_number": ""}, "/insured_number"),
    ({"language": "rm"}, "/language"),
    ({"address": ["x"]}, "/address"),
    ({"address": ["x", "y\nz"]}, "/address/1"),
    ({"address": ["x", 3]}, "/address/1"),
    ({"address": "x"}, "/address"),
    ({"given_name": None}, "/given_name"),
    ({"unknown": 1}, "/unknown"),
    ({"given_name": "x" * 101}, "/given_name"),
    ({"external_id": "P-2"}, "/external_id"),
    ({"a/b~c": 1}, "/a~1b~0c"),
]


@pytest.mark.sqlite_only
def test_what_is_wrong_is_told_with_its_place_and_without_its_value(system: System) -> None:
    for change, pointer in WRONG:
        answer = system("PUT", f"{LIST}/P-1", HELENE | change)
        assert answer.status_code == 422, change
        assert [one["pointer"] for one in answer.get_json()["errors"]] == [pointer]
        assert "5678.98" not in answer.get_data(as_text=True)
    assert db.session.scalar(select(func.count()).select_from(InsuredPerson)) == 0


def test_many_are_stored_at_once_or_none(system: System) -> None:
    many = [HELENE | {"external_id": f"P-{number}", "insured_number": f"N-{number}"} for number in range(500)]
    assert system("PUT", LIST, {"persons": many}).get_json() == {"new": 500, "changed": 0, "unchanged": 0}
    many[3] = many[3] | {"family_name": "Meier"}
    assert system("PUT", LIST, {"persons": many}).get_json() == {"new": 0, "changed": 1, "unchanged": 499}
    wrong = [HELENE | {"external_id": "N-1"}, HELENE | {"external_id": "N-1"}, HELENE | {"external_id": " "}]
    answer = system("PUT", LIST, {"persons": wrong})
    assert [one["pointer"] for one in answer.get_json()["errors"]] == [
        "/persons/1/external_id", "/persons/2/external_id",
    ]  # fmt: skip
    assert db.session.scalar(select(func.count()).select_from(InsuredPerson)) == 500
    assert system("PUT", LIST, {"persons": [*many, many[0]]}).status_code == 422
    assert system("PUT", LIST, {"persons": []}).status_code == 422


def test_a_list_is_walked_to_its_end_each_once(system: System, portal: Portal) -> None:
    other = add_portal("cpy")
    for number in range(7):
        add_person(portal, f"P-{number}")
        add_person(other, f"P-{number}")
    seen, query = [], {"limit": 3}
    for _ in range(4):
        body = system("GET", LIST, query=query).get_json()
        seen += [one["external_id"] for one in body["persons"]]
        if body["next"] is None:
            break
        query["after"] = body["next"]
    assert sorted(seen) == [f"P-{number}" for number in range(7)]
    assert body["next"] is None


def test_who_is_registered_is_told_apart(web: Flask, services: Services, portal: Portal, person: Person) -> None:
    system = System(web, services)
    add_person(portal, "P-new")
    lists = {
        wanted: [one["external_id"] for one in system("GET", LIST, query={"registered": wanted}).get_json()["persons"]]
        for wanted in ("true", "false")
    }
    assert lists["false"] == ["P-new"]
    (registered,) = lists["true"]
    assert system("GET", f"{LIST}/{registered}").get_json()["registered_at"] is not None


@pytest.mark.sqlite_only
def test_nobody_writes_over_what_they_have_not_read(system: System) -> None:
    etag = system("PUT", f"{LIST}/P-1", HELENE, If_None_Match="*").headers["ETag"]
    assert system("PUT", f"{LIST}/P-1", HELENE, If_None_Match="*").status_code == 412
    assert system("GET", f"{LIST}/P-1", If_None_Match=f'"x", {etag}').status_code == 304
    assert system("PUT", f"{LIST}/P-1", HELENE | {"given_name": "Eva"}, If_Match=etag).status_code == 200
    assert system("PUT", f"{LIST}/P-1", HELENE, If_Match=etag).status_code == 412
    assert system("PUT", f"{LIST}/P-2", HELENE, If_Match="*").status_code == 412
    assert system("GET", f"{LIST}/P-1").get_json()["given_name"] == "Eva"


@pytest.mark.sqlite_only
def test_a_query_that_cannot_be_read_is_told_so(system: System) -> None:
    for query in ({"after": "x"}, {"limit": "0"}, {"limit": "501"}, {"limit": "x"}, {"unknown": "1"}):
        answer = system("GET", LIST, query=query)
        assert answer.status_code == 400
        assert [one["pointer"] for one in answer.get_json()["errors"]] == list(query)
    assert system("GET", LIST, query={"limit": ["1", "2"]}).status_code == 400
