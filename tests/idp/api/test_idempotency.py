"""Idempotency-Key: the same request is done once and answered alike, also when it comes twice at once."""

from __future__ import annotations

import threading
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.api import codes
from idp.clock import FrozenClock
from idp.models.api_reply import ApiReply
from idp.models.base import db
from idp.models.letter_order import LetterOrder
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.housekeeping import Housekeeper
from tests.support.api import System
from tests.support.builders import add_person

LETTERS = "/portals/cpx/letters"


@pytest.fixture
def system(web: Flask, services: Services, portal: Portal) -> System:
    for number in range(3):
        add_person(portal, f"P-{number}")
    return System(web, services)


def order(system: System, key: str, external_id: str = "P-0") -> tuple[int, str]:
    answer = system("POST", LETTERS, {"external_id": external_id}, Idempotency_Key=key)
    return answer.status_code, answer.get_data(as_text=True)


def count() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(LetterOrder)) or 0


def test_the_same_request_is_done_once_and_answered_alike(system: System, clock: FrozenClock) -> None:
    first = order(system, "k-1")
    clock.advance(timedelta(minutes=5))
    assert order(system, "k-1") == first
    assert first[0] == 201
    assert count() == 1
    row = db.session.scalars(select(ApiReply)).one()
    assert "P-0" not in str(row.sealed_answer)


def test_the_key_on_another_request_is_refused(system: System) -> None:
    assert order(system, "k-1")[0] == 201
    assert order(system, "k-1", "P-1")[0] == 422
    other = system("POST", f"{LETTERS}/void", {"external_id": "P-0"}, Idempotency_Key="k-1")
    assert (other.status_code, other.get_json()["title"]) == (
        422, "The Idempotency-Key was used for another request",
    )  # fmt: skip
    assert count() == 1


@pytest.mark.sqlite_only
def test_another_client_has_keys_of_its_own(system: System, web: Flask, services: Services) -> None:
    assert order(system, "k-1")[0] == 201
    assert order(System(web, services), "k-1", "P-1")[0] == 201


@pytest.mark.sqlite_only
def test_a_refusal_leaves_the_key_free(system: System) -> None:
    assert order(system, "k-1", "nobody")[0] == 404
    assert order(system, "k-1")[0] == 201


def test_a_day_later_the_key_is_free_again(system: System, clock: FrozenClock, web: Flask) -> None:
    assert order(system, "k-1")[0] == 201
    clock.advance(timedelta(hours=24))
    system.token = system.ask_token()
    assert order(system, "k-1", "P-1")[0] == 201
    clock.advance(timedelta(hours=25))
    Housekeeper(web).run_once()
    assert db.session.scalars(select(ApiReply)).all() == []


def test_whoever_was_cut_off_in_the_middle_may_try_again(
    system: System, services: Services, clock: FrozenClock
) -> None:
    assert order(system, "k-1")[0] == 201
    row = db.session.scalars(select(ApiReply)).one()
    row.status, row.sealed_answer = None, None  # as if the process had been killed before the commit
    db.session.delete(db.session.scalars(select(LetterOrder)).one())
    db.session.commit()
    assert order(system, "k-1")[0] == 409
    clock.advance(timedelta(minutes=2))
    assert order(system, "k-1")[0] == 201
    assert count() == 1


def test_what_breaks_in_the_middle_leaves_nothing(system: System, monkeypatch: pytest.MonkeyPatch) -> None:
    def break_down(_person: object, _status: int) -> None:
        raise RuntimeError("broken")

    monkeypatch.setattr(codes, "_letter", break_down)
    assert order(system, "k-1")[0] == 500
    assert count() == 0
    monkeypatch.undo()
    assert order(system, "k-1")[0] == 201


def test_many_at_once_are_done_once(system: System) -> None:
    statuses: list[int] = []
    db.session.rollback()

    def ask() -> None:
        statuses.append(order(system, "k-1")[0])

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert 201 in statuses
    assert set(statuses) <= {201, 409}
    assert count() == 1


@pytest.mark.sqlite_only
def test_a_key_that_is_none_is_told_so(system: System) -> None:
    for key in ("", "é", "x" * 201):
        assert order(system, key)[0] == 400
    assert count() == 0
