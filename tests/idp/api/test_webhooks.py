"""Webhooks at the admin API: added, read, given a new secret, ended; their log; a message sent again."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.webhook_events import WebhookEvent
from tests.support.api import System
from tests.support.builders import add_person, add_portal

ALL = "/portals/cpx/webhooks"
WANTED = {"url": "https://fund.example.ch/hooks", "events": ["person.letter_returned", "person.registered"]}

pytestmark = pytest.mark.sqlite_only


@pytest.fixture
def system(web: Flask, services: Services, portal: Portal) -> System:
    return System(web, services)


def test_a_webhook_lives_from_its_first_secret_to_its_end(system: System) -> None:
    made = system("POST", ALL, WANTED).get_json()
    assert made["secret"].startswith("whsec_")
    shown = {name: value for name, value in made.items() if name != "secret"}
    assert shown["events"] == ["person.registered", "person.letter_returned"]
    one = f"{ALL}/{made['id']}"
    assert system("GET", one).get_json() == shown
    assert system("GET", ALL).get_json() == {"webhooks": [shown]}
    fresh = system("POST", f"{one}/secret", {"keep_old_days": 7}).get_json()
    assert fresh["secret"] != made["secret"]
    assert system("POST", f"{one}/enable").get_json() == shown
    assert system("DELETE", one).status_code == 204
    assert system("GET", one).status_code == system("DELETE", one).status_code == 404


def test_a_secret_made_twice_with_one_key_is_one(system: System) -> None:
    first, second = (system("POST", ALL, WANTED, Idempotency_Key="k").get_json() for _ in range(2))
    assert first == second
    assert len(system("GET", ALL).get_json()["webhooks"]) == 1


def test_its_log_is_read_and_a_message_sent_again(system: System, services: Services, portal: Portal) -> None:
    one = f"{ALL}/{system('POST', ALL, WANTED).get_json()['id']}"
    person = add_person(portal)
    for _ in range(3):
        services.webhook_events.emit(WebhookEvent.LETTER_RETURNED, portal.id, person.id)
    db.session.commit()
    first = system("GET", f"{one}/deliveries", query={"limit": 2}).get_json()
    rest = system("GET", f"{one}/deliveries", query={"after": first["next"]}).get_json()
    assert [one["state"] for one in [*first["deliveries"], *rest["deliveries"]]] == ["waiting"] * 3
    again = system("POST", f"{one}/deliveries/{first['deliveries'][0]['id']}/again")
    assert again.status_code == 202
    assert db.session.scalar(select(func.count()).select_from(OutboxMessage)) == 4
    assert system("POST", f"{one}/deliveries/{person.id}/again").status_code == 404


def test_the_webhook_of_another_portal_is_as_none(system: System, services: Services) -> None:
    other, _ = services.webhooks.add(add_portal("cpy"), "https://other.example.ch/", ["person.locked"])
    db.session.commit()
    assert system("GET", f"{ALL}/{other.id}").status_code == 404
    assert system("DELETE", f"{ALL}/{other.id}").status_code == 404
    assert system("GET", f"/portals/cpy/webhooks/{other.id}").status_code == 404


def test_what_is_wrong_is_told_with_its_place(system: System) -> None:
    for change, pointer in (
        ({"url": "http://fund.example.ch/"}, "/url"), ({"url": "x"}, "/url"), ({"events": []}, "/events"),
        ({"events": ["x"]}, "/events/0"), ({"secret": "x"}, "/secret"),
    ):  # fmt: skip
        answer = system("POST", ALL, WANTED | change)
        assert [one["pointer"] for one in answer.get_json()["errors"]] == [pointer]
