"""The list of persons: searched and filtered, masked, and only what one's role covers."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.keyset import PAGE
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import register
from tests.support.builders import add_person, add_portal
from tests.support.operators import add_operator, sign_in
from tests.support.person import Person

EMAIL = "olga@fund.example.ch"


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, EMAIL, ["support@cpx"])
    return sign_in(web, services, EMAIL)


def rows(person: Person) -> int:
    return person.text.count('<th scope="row">')


def search(olga: Person, typed: str) -> None:
    olga.open("/admin/persons")
    olga.submit(1, q=typed)  # the first form signs out


def test_personal_data_is_masked(portal: Portal, olga: Person) -> None:
    add_person(portal, "P-1042")
    olga.open("/admin/persons")
    assert "H. Müller" in olga.text
    assert "…897" in olga.text
    for hidden in ("Hélène", "756.1234", "1958", "27.3", "Rue du Lac", "Lausanne", "P-1042"):
        assert hidden not in olga.text


def test_what_was_typed_is_searched_and_stands_in_no_address(portal: Portal, olga: Person) -> None:
    add_person(portal, "P-1")
    add_person(portal, "P-2", family_name="Rochat")
    search(olga, "Roch")
    assert "H. Rochat" in olga.text
    assert rows(olga) == 1
    assert "Roch" not in olga.address
    assert 'value="Roch"' in olga.text
    search(olga, "Zzz")
    assert "Personne ne correspond" in olga.text
    search(olga, "R")
    assert olga.errors() == ["q"]
    search(olga, "  ")
    assert rows(olga) == 2
    found = select(func.count()).where(AuditEvent.tag == "operator:insured_person:search")
    assert db.session.scalar(found) == 3
    assert not db.session.scalar(select(func.count()).where(AuditEvent.detail.cast(db.String).contains("Roch")))


def test_nobody_of_another_fund_is_ever_listed(services: Services, portal: Portal, olga: Person) -> None:
    other = add_portal("fon")
    add_person(other, "F-1", family_name="Quarroz")
    olga.open("/admin/persons")
    assert "encore personne" in olga.text
    assert "Caisse FON" not in olga.text
    for way in ("?portal=fon", "?status=invited&portal=fon", f"?before={'f' * 32}", f"?after={'0' * 32}"):
        olga.open(f"/admin/persons{way}")
        assert "Quarroz" not in olga.text
    search(olga, "quarroz")
    assert "Personne ne correspond" in olga.text


def test_the_filters_and_the_search_go_together_over_all_pages(
    services: Services, portal: Portal, olga: Person
) -> None:
    for number in range(PAGE + 2):
        add_person(portal, f"P-{number}")
    add_person(portal, "other", family_name="Rochat")
    search(olga, "muller")
    assert rows(olga) == PAGE
    older = olga.text.split('<p class="go"><a href="')[1].split('"')[0].replace("&amp;", "&")
    olga.open(f"/admin/persons{older}")
    assert rows(olga) == 2
    assert "Rochat" not in olga.text
    newer = olga.text.split('<p class="go"><a href="')[1].split('"')[0].replace("&amp;", "&")
    olga.open(f"/admin/persons{newer}")
    assert rows(olga) == PAGE
    olga.open(f"/admin/persons{newer}&status=registered")
    assert "Personne ne correspond" in olga.text


def test_who_is_locked_is_found_and_said(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock, olga: Person
) -> None:
    register(web, services, portal)
    stranger = Person(web)
    stranger.open("/cpx/login")
    for _ in range(8):
        stranger.submit(email="helene@example.ch", password="wrong wrong wrong")
        clock.advance(timedelta(seconds=61))
    olga.open("/admin/persons?status=locked")
    assert rows(olga) == 1
    assert '<td data-label="État">bloqué</td>' in olga.text
    clock.advance(timedelta(minutes=16))
    olga.open("/admin/persons?status=locked")
    assert "Personne ne correspond" in olga.text


@pytest.mark.parametrize("way", ["?before=x", "?status=king", "?portal=nowhere", "?kept=x", "?before=&after="])
def test_nonsense_in_the_address_is_no_fault(portal: Portal, olga: Person, way: str) -> None:
    add_person(portal)
    olga.open(f"/admin/persons{way}")
    assert olga.page.status_code == 200
