"""The page of authorised applications: what each may see, since when, and an end to it."""

from __future__ import annotations

import pytest
from flask import Flask

from idp.models.base import db
from idp.models.portal import Portal
from tests.support.person import Person
from tests.support.relying_party import RelyingParty, answer_of


@pytest.fixture
def third_party(portal: Portal, person: Person) -> Portal:
    row = db.session.get_one(Portal, portal.id)
    row.consent = True
    db.session.commit()
    return row


def test_withdrawing_ends_what_was_given_and_the_portal_must_ask_again(
    rp: RelyingParty, third_party: Portal, person: Person
) -> None:
    person.open("/account/apps")
    assert "Aucune application n’a accès à vos données." in person.text
    person.open(rp.request())
    person.submit(decision="allow")
    tokens = rp.redeem(answer_of(person.address)["code"]).get_json()
    assert rp.userinfo(tokens["access_token"]).status_code == 200
    person.open("/account")
    assert 'href="/account/apps"' in person.text
    person.open("/account/apps")
    for shown in ("Caisse CPX", "Autorisé le 27.3.2026", "Nom, date de naissance et langue", "Retirer l’autorisation"):
        assert shown in person.text
    person.submit()
    assert "L’autorisation de Caisse CPX est retirée." in person.text
    assert "Autorisé le" not in person.text
    assert rp.userinfo(tokens["access_token"]).status_code == 401
    assert rp.refresh(tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    person.open(rp.request(prompt="none"))
    assert answer_of(person.address)["error"] == "consent_required"


def test_a_stranger_signs_in_first_and_can_withdraw_nothing(web: Flask, third_party: Portal) -> None:
    stranger = Person(web)
    stranger.open("/account/apps")
    assert "/login" in stranger.address
    filled = stranger.filled()[1]
    stranger._arrive(*stranger.post(("/account/apps/withdraw", {**filled, "portal": "cpx"})))
    assert "/login" in stranger.address


def test_an_unknown_application_changes_nothing(rp: RelyingParty, third_party: Portal, person: Person) -> None:
    person.open(rp.request())
    person.submit(decision="allow")
    person.open("/account/apps")
    person.submit(portal="nobody")
    assert "Autorisé le" in person.text
