"""OpenID Connect for Identity Assurance: how a person was tied to the record, on request and by the portal's policy."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import letter, link, register
from tests.support.builders import add_portal
from tests.support.person import ISSUER, Person
from tests.support.relying_party import PORTAL_SECRET, RelyingParty, answer_of

FRAMEWORK = "ch_pension_fund_letter"
RECORD: dict[str, Any] = {"type": {"value": "electronic_record"}}


@pytest.fixture
def trusted(portal: Portal, person: Person, clock: FrozenClock) -> Portal:
    """The portal may ask; its person registered some days ago."""
    row = db.session.get_one(Portal, portal.id)
    row.verified_claims = True
    db.session.commit()
    return row


def told(rp: RelyingParty, person: Person, wanted: object, place: str = "userinfo") -> Any:
    person.open(rp.request(scope="openid", claims=json.dumps({place: {"verified_claims": wanted}})))
    tokens = rp.redeem(answer_of(person.address)["code"]).get_json()
    of_token, of_userinfo = rp.claims(tokens["id_token"]), rp.userinfo(tokens["access_token"]).get_json()
    assert "verified_claims" not in (of_token if place == "userinfo" else of_userinfo)
    return (of_userinfo if place == "userinfo" else of_token).get("verified_claims")


def test_the_letter_the_code_and_the_second_item_are_the_evidence(
    rp: RelyingParty, trusted: Portal, person: Person
) -> None:
    evidence = [RECORD | {"check_details": None, "record": None}]
    wanted = {
        "verification": {"trust_framework": None, "time": None, "evidence": evidence},
        "claims": {"given_name": None, "family_name": None, "birthdate": {"essential": True}, "insured_number": None},
    }  # fmt: skip
    for place in ("userinfo", "id_token"):
        given = told(rp, person, wanted, place)
        assert given["claims"] == {
            "given_name": "Hélène", "family_name": "Müller", "birthdate": "1958-03-27",
            "insured_number": "756.1234.5678.97",
        }  # fmt: skip
        verification = given["verification"]
        assert (verification["trust_framework"], verification["time"]) == (FRAMEWORK, "2026-03-27T13:30:00Z")
        [found] = verification["evidence"]
        assert found["type"] == "electronic_record"
        assert found["record"]["source"] == {"name": "Caisse CPX"}
        assert [check["check_method"] for check in found["check_details"]] == ["letter", "letter_code", "kbv"]
        assert {check["organization"] for check in found["check_details"]} == {"Caisse CPX"}
        assert {check["time"] for check in found["check_details"]} == {"2026-03-27T13:30:00Z"}


def test_only_what_was_asked_for_is_given(rp: RelyingParty, trusted: Portal, person: Person) -> None:
    given = told(rp, person, {"verification": {"trust_framework": None}, "claims": {"birthdate": None}})
    assert given == {"verification": {"trust_framework": FRAMEWORK}, "claims": {"birthdate": "1958-03-27"}}
    wanted = {
        "verification": {"time": {"essential": True}, "assurance_level": None, "evidence": [RECORD]},
        "claims": {"birthdate": {"purpose": "to know the age"}, "nationalities": None},
    }
    assert told(rp, person, wanted) == {
        "verification": {
            "trust_framework": FRAMEWORK, "time": "2026-03-27T13:30:00Z", "evidence": [{"type": "electronic_record"}],
        },
        "claims": {"birthdate": "1958-03-27"},
    }  # fmt: skip


def test_a_restriction_on_the_verification_that_is_not_met_leaves_all_out(
    rp: RelyingParty, trusted: Portal, person: Person, clock: FrozenClock
) -> None:
    met: list[dict[str, Any]] = [
        {"trust_framework": {"value": FRAMEWORK}}, {"trust_framework": {"values": ["x", FRAMEWORK]}},
        {"time": {"max_age": 600}}, {"evidence": [{"type": {"value": "document"}}, RECORD]},
        {"evidence": [RECORD | {"check_details": [{"check_method": {"value": "kbv"}}]}]},
    ]  # fmt: skip
    unmet: list[dict[str, Any]] = [
        {"trust_framework": {"value": "eidas"}}, {"trust_framework": {"values": ["x"]}}, {"time": {"max_age": 1}},
        {"trust_framework": {"values": FRAMEWORK}}, {"assurance_level": {"value": "high"}},
        {"time": {"max_age": "600"}}, {"time": {"max_age": -1}}, {"trust_framework": {"max_age": 600}},
        {"evidence": [{"type": {"value": "document"}}]}, {"evidence": []}, {"time": [{"value": "x"}]},
        {"evidence": [RECORD | {"check_details": [{"check_method": {"value": "vpip"}}]}]},
    ]  # fmt: skip
    clock.advance(timedelta(minutes=2))
    for verification in met:
        assert told(rp, person, {"verification": verification, "claims": {"birthdate": None}}), verification
    for verification in unmet:
        given = told(rp, person, {"verification": verification, "claims": {"birthdate": None}})
        assert given is None, verification


def test_a_filter_keeps_the_checks_that_fit(rp: RelyingParty, trusted: Portal, person: Person) -> None:
    filters = [{"check_method": {"value": "letter_code"}, "time": None}]
    wanted = {"verification": {"evidence": [RECORD | {"check_details": filters}]}, "claims": {"birthdate": None}}
    [evidence] = told(rp, person, wanted)["verification"]["evidence"]
    assert evidence["check_details"] == [{"check_method": "letter_code", "time": "2026-03-27T13:30:00Z"}]


def test_a_claim_that_does_not_fit_is_left_out_and_without_any_left_all_is(
    rp: RelyingParty, trusted: Portal, person: Person
) -> None:
    claims = {"given_name": {"value": "Anna"}, "family_name": {"values": ["Müller"]}}
    assert told(rp, person, {"verification": {"time": None}, "claims": claims})["claims"] == {"family_name": "Müller"}
    assert told(rp, person, {"verification": {"time": None}, "claims": {"given_name": {"value": "Anna"}}}) is None


def test_several_sets_are_answered_one_by_one(rp: RelyingParty, trusted: Portal, person: Person) -> None:
    wanted = [
        {"verification": {"trust_framework": {"value": "eidas"}}, "claims": {"given_name": None}},
        {"verification": {"trust_framework": None}, "claims": {"family_name": None}},
    ]
    given = told(rp, person, wanted)
    assert [one["claims"] for one in given] == [{"family_name": "Müller"}]
    assert told(rp, person, wanted[:1]) is None


def test_the_portals_scopes_bound_what_is_verified(rp: RelyingParty, trusted: Portal, person: Person) -> None:
    trusted.scopes = ["openid", "insurance"]
    db.session.commit()
    wanted = {"verification": {"time": None}, "claims": {"birthdate": None, "insured_number": None}}
    assert told(rp, person, wanted)["claims"] == {"insured_number": "756.1234.5678.97"}


def test_without_the_portals_policy_or_without_a_request_nothing_is_said(
    rp: RelyingParty, portal: Portal, person: Person
) -> None:
    wanted = {"verification": {"time": None}, "claims": {"birthdate": None}}
    assert told(rp, person, wanted) is None
    db.session.get_one(Portal, portal.id).verified_claims = True
    db.session.commit()
    person.open(rp.request())
    token = rp.redeem(answer_of(person.address)["code"]).get_json()["access_token"]
    assert "verified_claims" not in rp.userinfo(token).get_json()


def test_what_was_granted_ends_with_the_policy(rp: RelyingParty, trusted: Portal, person: Person) -> None:
    wanted = {"verification": {"time": None}, "claims": {"birthdate": None}}
    person.open(rp.request(claims=json.dumps({"userinfo": {"verified_claims": wanted}})))
    token = rp.redeem(answer_of(person.address)["code"]).get_json()["access_token"]
    assert "verified_claims" in rp.userinfo(token).get_json()
    trusted.verified_claims = False
    db.session.commit()
    assert "verified_claims" not in rp.userinfo(token).get_json()


def test_a_record_that_was_tied_without_a_letter_has_no_evidence(
    web: Flask, person: Person, services: Services
) -> None:
    other = add_portal(
        "fon", verified_claims=True, client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET)
    )
    link(services, other)
    rp = RelyingParty(web, other.client_id, other.redirect_uris[0], PORTAL_SECRET)
    assert told(rp, person, {"verification": {"time": None}, "claims": {"birthdate": None}}) is None


def test_the_second_item_is_evidence_only_where_it_was_checked(
    web: Flask, rp: RelyingParty, person: Person, services: Services, clock: FrozenClock
) -> None:
    clock.advance(timedelta(minutes=5))
    open_portal = add_portal(
        "opn", second_item="none", verified_claims=True,
        client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET),
    )  # fmt: skip
    somebody = register(web, services, open_portal, "paul@example.ch")
    wanted = {
        "verification": {"evidence": [RECORD | {"check_details": [{"check_method": None}]}]},
        "claims": {"birthdate": None},
    }
    other = RelyingParty(web, open_portal.client_id, open_portal.redirect_uris[0], PORTAL_SECRET)
    [evidence] = told(other, somebody, wanted)["verification"]["evidence"]
    assert [check["check_method"] for check in evidence["check_details"]] == ["letter", "letter_code"]
    # A second portal of an account always asks for the birth date.
    linked = add_portal(
        "lnk", second_item="none", verified_claims=True,
        client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET),
    )  # fmt: skip
    code = letter(services, linked)
    third = RelyingParty(web, linked.client_id, linked.redirect_uris[0], PORTAL_SECRET)
    somebody.open(third.request())
    somebody.submit(code=code)
    somebody.submit(birth_date="27.3.1958")
    [evidence] = told(third, somebody, wanted)["verification"]["evidence"]
    assert [check["check_method"] for check in evidence["check_details"]] == ["letter", "letter_code", "kbv"]


@pytest.mark.parametrize(
    "wanted",
    [
        None, 5, [], [None], {}, {"verification": {}}, {"claims": {}}, {"verification": {"time": None}, "claims": {}},
        {"verification": {}, "claims": {"birthdate": None}}, {"verification": [], "claims": {"birthdate": None}},
        {"verification": {"time": "x"}, "claims": {"birthdate": None}},
        {"verification": {"time": None}, "claims": {"birthdate": 5}},
        {"verification": {"evidence": [5]}, "claims": {"birthdate": None}},
        {"verification": {"evidence": [[]]}, "claims": {"birthdate": None}},
        [{"verification": {"time": None}, "claims": {"birthdate": None}}] * 6,
    ],
)  # fmt: skip
def test_a_malformed_request_is_refused(rp: RelyingParty, trusted: Portal, person: Person, wanted: object) -> None:
    person.open(rp.request(claims=json.dumps({"userinfo": {"verified_claims": wanted}})))
    assert answer_of(person.address)["error"] == "invalid_request"


def test_the_document_says_what_can_be_known(web: Flask, services: Services) -> None:
    document = web.test_client().get("/.well-known/openid-configuration", base_url=ISSUER).get_json()
    assert document["verified_claims_supported"] is True
    assert document["trust_frameworks_supported"] == [services.settings.trust_framework] == [FRAMEWORK]
    assert document["evidence_supported"] == ["electronic_record"]
    assert document["electronic_records_supported"] == ["pension_fund_record"]
    assert set(document["claims_in_verified_claims_supported"]) == {
        "given_name", "family_name", "birthdate", "insured_number", "external_id",
    }  # fmt: skip
