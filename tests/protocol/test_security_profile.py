"""FAPI 2.0 at the authorization request: pushed, with PKCE, for code alone, whatever the portal's other fields say."""

from __future__ import annotations

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.protocol import security_profile
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of
from tests.support.signing_party import SigningParty, push, pushed


@pytest.fixture
def fapi2(portal: Portal, monkeypatch: pytest.MonkeyPatch) -> Portal:
    """The profile's rules for requests alone: its rule for client authentication has tests of its own."""
    methods = (*security_profile.FAPI2_METHODS, portal.token_endpoint_auth_method)
    monkeypatch.setattr(security_profile, "FAPI2_METHODS", methods)
    row = db.session.get_one(Portal, portal.id)
    row.security_profile, row.require_pkce, row.require_par = "fapi2", False, False
    db.session.commit()
    return row


def test_a_request_that_was_not_pushed_is_refused(
    rp: RelyingParty, fapi2: Portal, person: Person, clock: FrozenClock
) -> None:
    person.open(rp.request())
    answer = answer_of(person.address)
    assert (answer["error"], answer["state"], answer["iss"]) == ("invalid_request", "s-1", ISSUER)
    party = SigningParty(rp, clock)
    party.register()
    person.open(party.by_value(party.object()))
    assert answer_of(person.address)["error"] == "invalid_request"


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ],
)
def test_pkce_and_code_are_demanded_of_a_pushed_one(
    rp: RelyingParty, fapi2: Portal, changes: dict[str, str | None], error: str
) -> None:
    response = push(rp, **changes)
    assert (response.status_code, response.get_json()["error"]) == (400, error)


@pytest.mark.parametrize(
    "changes",
    [
        {"state": None}, {"nonce": None}, {"nonce": "n" * 64}, {"nonce": "n" * 384}, {"state": "s" * 384},
        {"scope": "email openid"},
    ],
)  # fmt: skip
def test_the_rest_is_as_free_as_ever(
    rp: RelyingParty, fapi2: Portal, person: Person, changes: dict[str, str | None]
) -> None:
    person.open(pushed(rp, **changes))
    answer = answer_of(person.address)
    assert answer["iss"] == ISSUER
    assert answer.get("state") == changes.get("state", "s-1")


def test_a_standard_portal_decides_field_by_field(web: Flask, portal: Portal) -> None:
    assert security_profile.demands_pkce(portal)
    portal.require_pkce = False
    assert not security_profile.demands_pkce(portal)
    assert not security_profile.demands_push(portal)
    assert security_profile.allows_algorithm(portal, "RS256")
    portal.security_profile = "fapi2"
    assert security_profile.demands_pkce(portal)
    assert security_profile.demands_push(portal)
    assert not security_profile.allows_algorithm(portal, "RS256")


def test_a_portal_without_the_code_grant_cannot_ask(rp: RelyingParty, portal: Portal, person: Person) -> None:
    db.session.get_one(Portal, portal.id).grant_types = ["client_credentials"]
    db.session.commit()
    person.open(rp.request())
    assert answer_of(person.address)["error"] == "unauthorized_client"
    assert push(rp).get_json()["error"] == "unauthorized_client"
