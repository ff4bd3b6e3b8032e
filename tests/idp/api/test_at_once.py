"""Several systems at once: nobody's change is lost unseen, nobody is stored twice, nothing is 5xx."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.api import System

AT_ONCE = 6
PERSON: dict[str, Any] = {
    "insured_number": "N-1", "birth_date": "1958-03-27", "language": "fr", "address": ["Rue du Lac 1", "1000 Lausanne"],
}  # fmt: skip


@pytest.fixture
def system(web: Flask, services: Services, portal: Portal) -> System:
    return System(web, services)


def at_once(ask: Callable[[int], int]) -> Counter[int]:
    """The statuses of as many requests, begun together."""
    statuses: list[int] = []
    begin = threading.Barrier(AT_ONCE)
    db.session.rollback()

    def work(number: int) -> None:
        begin.wait(30)
        statuses.append(ask(number))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(statuses) == AT_ONCE
    return Counter(statuses)


def test_of_those_who_read_the_same_portal_one_changes_it(system: System) -> None:
    etag = system("GET", "/portals/cpx").headers["ETag"]
    found = at_once(
        lambda number: system("PATCH", "/portals/cpx", {"place": f"Ort {number}"}, If_Match=etag).status_code
    )
    assert found == {200: 1, 412: AT_ONCE - 1}


def test_of_those_who_read_the_same_person_one_changes_it(system: System, clock: FrozenClock) -> None:
    etag = system("PUT", "/portals/cpx/persons/P-1", PERSON).headers["ETag"]
    clock.advance(timedelta(seconds=1))
    found = at_once(
        lambda number: (
            system(
                "PUT", "/portals/cpx/persons/P-1", PERSON | {"given_name": f"Eva {number}"}, If_Match=etag
            ).status_code
        )
    )
    assert found == {200: 1, 412: AT_ONCE - 1}


def test_the_same_new_persons_are_stored_once_in_whatever_order_they_come(system: System) -> None:
    many = [PERSON | {"external_id": f"P-{number}", "insured_number": f"N-{number}"} for number in range(40)]

    def ask(number: int) -> int:
        persons = [one | {"given_name": f"Eva {number}"} for one in many]
        return system("PUT", "/portals/cpx/persons", {"persons": persons[:: -1 if number % 2 else 1]}).status_code

    for _ in range(2):  # new, and then changed
        found = at_once(ask)
        assert set(found) <= {200, 409}
        assert found[200] >= 1
        assert db.session.scalar(select(func.count()).select_from(InsuredPerson)) == len(many)
        names = set(db.session.scalars(select(InsuredPerson.given_name)))
        assert len(names) == 1, "all or nothing of each"
