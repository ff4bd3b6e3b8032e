"""The calendar of the signing keys in the console: shown, moved, and left to their age again."""

from __future__ import annotations

import pytest
from flask import Flask

from idp.models.base import db
from idp.models.portal import Portal
from idp.models.signing_key import SigningKey
from idp.services.bundle import Services
from idp.texts import Texts
from tests.support.console import newest_event, said
from tests.support.operators import add_operator, sign_in
from tests.support.person import Person

pytestmark = pytest.mark.sqlite_only
EMAIL = "olga@fund.example.ch"
FORM = 1


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    db.session.query(SigningKey).update({"state_since": services.clock.now(), "rotate_at": None})
    db.session.commit()
    services.keyring._forget()
    add_operator(services, EMAIL, ["security"])
    return sign_in(web, services, EMAIL)


def test_the_day_is_shown_moved_and_taken_back(olga: Person, services: Services) -> None:
    olga.open("/admin/keys")
    assert said(olga).count(" 25.6.2026 ") == 4, "90 days on"
    olga.open("/admin/keys/calendar")
    olga.submit(FORM, alg="ES256", day="1.5.2026")
    assert "1.5.2026 (planifié)" in said(olga)
    assert Texts.load().get("fr", "key.next", date="1.5.2026") in olga.text
    event = newest_event()
    assert (event.tag, event.account_id) == ("operator:signing_key:plan", event.actor_id)
    assert event.detail == {"before": '{"ES256": "2026-06-25"}', "after": '{"ES256": "2026-05-01"}'}
    olga.open("/admin/keys/calendar")
    olga.submit(FORM, alg="all", day="")
    assert said(olga).count(" 25.6.2026 ") == 4
    assert "(planifié)" not in said(olga)


@pytest.mark.parametrize(
    ("day", "fault"), [("soon", "format"), ("27.3.2026", "past"), ("1.1.2020", "past"), ("1.7.2027", "far")]
)
def test_a_day_that_cannot_be_is_told_and_kept(olga: Person, services: Services, day: str, fault: str) -> None:
    before = services.keyring.calendar()
    olga.open("/admin/keys/calendar")
    olga.submit(FORM, alg="ES256", day=day)
    assert olga.errors() == ["day"]
    words = Texts.load().get("fr", f"key.e.{fault}", n=400).replace("\u00a0", " ")
    assert words in said(olga)
    assert f'value="{day}"' in olga.text
    assert services.keyring.calendar() == before


def test_an_algorithm_that_is_none_plans_nothing(olga: Person, services: Services) -> None:
    before = services.keyring.calendar()
    olga.open("/admin/keys/calendar")
    olga.submit(FORM, alg="none", day="1.5.2026")
    assert olga.address == "/admin/keys/calendar"
    assert services.keyring.calendar() == before
