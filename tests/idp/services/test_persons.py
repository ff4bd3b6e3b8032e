"""Persons are found by the beginnings of their words, by address and by number, page by page, and quickly."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import Select, select, text, update
from sqlalchemy.dialects import postgresql

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.keyset import PAGE, Place
from idp.models.person import InsuredPerson
from idp.models.person_word import PersonWord
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.person_lists import BY_NAME, COMMON, NEWEST, Ages, Filter, Question, Wanted, listed
from idp.services.person_words import fold, read_words
from tests.actions import PASSWORD, finish_registration, letter
from tests.support.builders import add_person, add_portal
from tests.support.engines import POSTGRESQL
from tests.support.person import Person, newest_code

BIG = "insured_person|person_word|registration_code"


def found(services: Services, typed: str, *portals: Portal) -> set[str]:
    page = services.persons.list(Wanted([one.id for one in portals], services.persons.read(typed)))
    return {person.external_id for person in page.persons}


@pytest.fixture
def persons(portal: Portal) -> None:
    add_person(portal, "P-1042")
    add_person(portal, "P-2", given_name="Jean-Pierre", family_name="d'Arc Mueller", insured_number="756.9217.0769.85")
    add_person(
        portal, "K7", given_name="Łucja", family_name="Straße", address=["Hauptstrasse 1", "D-79100 Freiburg"],
        insured_number="12-345.6",
    )  # fmt: skip


@pytest.mark.usefixtures("persons")
@pytest.mark.parametrize(
    ("typed", "whom"),
    [
        ("Müller", {"P-1042", "P-2"}),
        ("mueller", {"P-1042", "P-2"}),
        ("MUL", {"P-1042", "P-2"}),
        ("helene mul", {"P-1042"}),
        ("mul  HÉL", {"P-1042"}),
        ("Jean-Pi", {"P-2"}),
        ("pierre", {"P-2"}),
        ("d’Arc", {"P-2"}),
        ("arc", {"P-2"}),
        ("lucja strasse", {"K7"}),
        ("756.1234.5678.97", {"P-1042"}),
        ("756 9217 0769 85", {"P-2"}),
        ("7569217", {"P-2"}),
        ("12-345.6", {"K7"}),
        ("p-10", {"P-1042"}),
        ("1000", {"P-1042", "P-2"}),
        ("79100", {"K7"}),
        ("D-79100", {"K7"}),
        ("A müller", {"P-1042", "P-2"}),
        ("ller", set()),
        ("mü%", {"P-1042", "P-2"}),
        ("m_ller", set()),
        ("helene strasse", set()),
    ],
)
def test_words_are_found_by_their_beginning_whatever_case_and_accents(
    services: Services, portal: Portal, typed: str, whom: set[str]
) -> None:
    assert found(services, typed, portal) == whom


@pytest.mark.no_database
@pytest.mark.parametrize("typed", ["", "  ", "m", "12", "756", "756.12", "…", "%", "a b c"])
def test_what_would_find_nearly_everybody_is_not_looked_for(typed: str) -> None:
    assert read_words(typed) == ()


@pytest.mark.no_database
def test_every_beginning_of_a_name_folds_to_a_beginning_of_the_folded_name() -> None:
    for name in ("Mueller", "Bauer", "Æbelø", "Strauß", "Manuel", "Łucja", "Ćirić", "Иванов", "李明"):
        for length in range(1, len(name) + 1):
            assert fold(name).startswith(fold(name[:length])), (name, length)


def test_an_address_and_a_number_are_found_as_a_whole(services: Services, portal: Portal, person: Person) -> None:
    add_person(portal, "P-2")
    whom = {"P-helene@example.ch"}
    assert found(services, " HELENE@Example.ch ", portal) == whom
    assert found(services, "helene@", portal) == set()
    for number in ("079 123 45 67", "+41 79 123 45 67", "0041791234567"):
        assert found(services, number, portal) == whom
    assert found(services, "079 123 45 68", portal) == set()


def test_somebody_whose_record_has_no_name_is_found_by_the_name_they_registered_with(
    web: Flask, services: Services, portal: Portal
) -> None:
    person = Person(web)
    person.open("/cpx/register/code")
    code = letter(services, portal)
    db.session.execute(update(InsuredPerson).values(given_name="", family_name=""))
    db.session.commit()
    with pytest.raises(AssertionError):
        finish_registration(person, code, "zoe@example.ch")  # the page asks for the names
    person.submit(
        birth_date="27.3.1958", password=PASSWORD, terms="yes", factor="sms", mobile="079 123 45 67",
        given_name="Zoé", family_name="Quarroz",
    )  # fmt: skip
    person.submit(otp=newest_code("sms"))
    assert found(services, "quar", portal) == {"P-1"}


def test_another_portals_persons_are_not_found(services: Services, portal: Portal) -> None:
    other = add_portal("fon")
    add_person(portal, "P-1")
    add_person(other, "F-1")
    assert found(services, "müller", portal) == {"P-1"}
    assert found(services, "müller", portal, other) == {"P-1", "F-1"}
    assert found(services, "f-1", portal) == set()


def test_an_import_and_a_change_keep_the_words(services: Services, portal: Portal, tmp_path: Path) -> None:
    head = "external_id;insured_number;given_name;family_name;birth_date;language;address_1;address_2\n"
    row = "P-1;756.9217.0769.85;Hélène;{};27.3.1958;fr;Rue du Lac 1;1000 Lausanne\n"
    file = tmp_path / "persons.csv"
    for name in ("Müller", "Rochat"):
        file.write_text(head + row.format(name))
        services.imports.run(file, portal)
        db.session.commit()
    assert found(services, "rochat", portal) == {"P-1"}
    assert found(services, "muller", portal) == set()


def test_pages_follow_each_other_without_gap_or_repetition(services: Services, portal: Portal) -> None:
    other = add_portal("fon")
    for number in range(PAGE + 5):
        add_person(portal if number % 2 else other, f"P-{number:03}", id=UUID(int=number + 1))
    both = [portal.id, other.id]
    first = services.persons.list(Wanted(both))
    assert [one.external_id for one in first.persons] == [f"P-{number:03}" for number in range(PAGE + 4, 4, -1)]
    assert (first.has_previous, first.has_next) == (False, True)
    second = services.persons.list(Wanted(both, before=first.persons[-1].id))
    assert [one.external_id for one in second.persons] == [f"P-{number:03}" for number in range(4, -1, -1)]
    assert (second.has_previous, second.has_next) == (True, False)
    back = services.persons.list(Wanted(both, after=second.persons[0].id))
    assert [one.id for one in back.persons] == [one.id for one in first.persons]
    assert (back.has_previous, back.has_next) == (False, True)


def test_the_filters_tell_apart_who_is_invited_who_began_and_who_is_registered(
    web: Flask, services: Services, portal: Portal, person: Person, clock: FrozenClock
) -> None:
    add_person(portal, "never")
    code = letter(services, portal, "begun")
    letter(services, portal, "invited")
    other = Person(web)
    other.open("/cpx/register/code")
    other.submit(code=code)

    def whom(which: Filter) -> set[str]:
        return {one.external_id for one in services.persons.list(Wanted([portal.id], filter=which)).persons}

    assert whom(Filter.INVITED) == {"invited"}
    assert whom(Filter.STARTED) == {"begun"}
    assert whom(Filter.REGISTERED) == {"P-helene@example.ch"}
    clock.advance(timedelta(days=60))
    assert whom(Filter.INVITED) == whom(Filter.STARTED) == set()


def explained(statement: Select[Any]) -> str:
    """How the database looks for the rows of a statement, on tables that are large."""
    is_postgresql = db.engine.dialect.name == POSTGRESQL
    dialect = postgresql.dialect() if is_postgresql else db.engine.dialect
    words = statement.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
    if is_postgresql:
        db.session.execute(text("SET LOCAL enable_seqscan = off"))
        return "\n".join(db.session.scalars(text(f"EXPLAIN {words}")))
    return "\n".join(row.detail for row in db.session.execute(text(f"EXPLAIN QUERY PLAN {words}")))


def few(found: Select[Any], most: int) -> int:
    return 1


def many(found: Select[Any], most: int) -> int:
    return COMMON + 1 if most == COMMON else 1


@pytest.mark.parametrize("count", [few, many])
def test_no_page_and_no_search_reads_a_table_from_end_to_end(
    portal: Portal, clock: FrozenClock, count: Callable[[Select[Any], int], int]
) -> None:
    add_person(portal, "P-1")
    questions = [None, Question(("mul",)), Question(("mul", "hel")), Question(accounts=(portal.id,))]
    orders = (NEWEST, BY_NAME)
    for question, which, order, ages in product(questions, (None, *Filter), orders, (None, Ages.OLD)):
        for at in (None, Place(portal.id, "muller"), Place(portal.id, "muller", is_back=True)):
            wanted = Wanted([portal.id, portal.id], question, which, order=order, ages=ages)
            found = listed(wanted, clock.now(), [portal.id], count)
            for statement in (found.page(at), found.sized):
                plan = explained(statement)
                assert "Seq Scan" not in plan, plan
                assert not re.search(rf"SCAN ({BIG})$", plan, re.MULTILINE), plan
    assert db.session.scalar(select(PersonWord.word).limit(1))
