"""C-43, O-16: nobody answers for the person at the consent page: no other site, browser or account, no crafted form."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from flask import Flask
from sqlalchemy import select

from idp.models.authorization import Consent
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import register
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of


@pytest.fixture
def third_party(portal: Portal, person: Person) -> Portal:
    row = db.session.get_one(Portal, portal.id)
    row.consent = True
    db.session.commit()
    return row


def answers() -> list[Consent]:
    db.session.rollback()
    return list(db.session.scalars(select(Consent)))


def test_no_other_site_and_no_link_answers(rp: RelyingParty, third_party: Portal, person: Person) -> None:
    person.open(rp.request())
    address, fields = person.filled(decision="allow")
    foreign = [
        {"Origin": "https://evil.example"}, {"Origin": "null"}, {"Sec-Fetch-Site": "cross-site", "Origin": ISSUER},
        {"Sec-Fetch-Site": "same-site"}, {"Referer": "https://evil.example/"}, {},
    ]  # fmt: skip
    for headers in foreign:
        response = person.client.post(address, data=fields, base_url=ISSUER, headers=headers)
        assert response.status_code == 403, headers
    without = {**fields, "csrf_token": ""}
    assert person.post((address, without))[0].status_code == 403
    person.client.get(f"{address}&{urlencode(fields)}", base_url=ISSUER)
    assert answers() == []
    assert "frame-ancestors 'none'" in person.page.headers["Content-Security-Policy"]


def test_another_browser_does_not_answer(web: Flask, rp: RelyingParty, third_party: Portal, person: Person) -> None:
    person.open(rp.request())
    address, fields = person.filled(decision="allow")
    thief = Person(web)
    thief.open("/cpx/login")
    token = thief.filled()[1]["csrf_token"]
    thief._arrive(*thief.post((address, {**fields, "csrf_token": token})))
    assert "code=" not in thief.address
    assert answers() == []


def test_a_form_shown_to_one_account_is_not_answered_by_another(
    web: Flask, rp: RelyingParty, third_party: Portal, person: Person, services: Services
) -> None:
    person.open(rp.request())
    shown = person.filled(decision="allow")
    other = register(web, services, third_party, "paul@example.ch")
    cookie = other.client.get_cookie("connect_session", domain="localhost")
    assert cookie is not None
    person.client.set_cookie("connect_session", cookie.value, domain="localhost")
    person._arrive(*person.post(shown))
    assert answers() == []
    assert "paul@example.ch" in person.text  # asked anew, with the values of who is signed in now


def test_a_crafted_form_allows_nothing_that_was_not_asked(
    rp: RelyingParty, third_party: Portal, person: Person
) -> None:
    person.open(rp.request(scope="openid email"))
    crafted = {"scope.insurance": "yes", "scope.phone": "yes", "claim.insured_number": "yes", "scope.admin": "yes"}
    person.submit(decision="allow", **crafted)
    assert rp.redeem(answer_of(person.address)["code"]).get_json()["scope"] == "openid email"
    [kept] = answers()
    assert (kept.scopes, kept.claims, kept.declined) == (["email", "openid"], [], [])


def test_the_answer_to_one_request_does_not_widen_another(
    rp: RelyingParty, third_party: Portal, person: Person
) -> None:
    person.open(rp.request(scope="openid email"))
    narrow = person.address
    person.open(rp.request(scope="openid email insurance"))
    wide = person.address
    person.open(narrow)
    person.submit(decision="allow")
    assert rp.redeem(answer_of(person.address)["code"]).get_json()["scope"] == "openid email"
    person.open(wide)
    assert "756.1234.5678.97" in person.text  # what is new is still asked
    person.submit(decision="deny")
    assert answer_of(person.address)["error"] == "access_denied"


def test_a_refusal_cannot_be_turned_by_going_back(rp: RelyingParty, third_party: Portal, person: Person) -> None:
    person.open(rp.request())
    page, filled = person.address, person.filled(decision="allow")
    person.submit(decision="deny")
    person._arrive(*person.post(filled))
    assert "code=" not in person.address
    person.open(page)
    assert "code=" not in person.address
    assert answers() == []
