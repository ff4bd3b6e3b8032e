"""RFC 9101 and FAPI 2.0 Message Signing §5.3.1: a request signed by its portal, by value and pushed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flask import Flask
from joserfc.jwk import ECKey

from idp.clock import FrozenClock
from idp.models.portal import Portal
from idp.protocol.client_assertion import verified
from idp.protocol.jar import is_storable
from keys import InvalidToken
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of
from tests.support.signing_party import KEYS, SigningParty, at, push, sign

MINUTE = 60


@pytest.fixture
def party(rp: RelyingParty, clock: FrozenClock) -> SigningParty:
    made = SigningParty(rp, clock)
    made.register()
    return made


def outcome(party: SigningParty, request_object: str, **outer: str) -> tuple[int, str]:
    """What the PAR endpoint says: the status and the error, if there is one."""
    response = party.rp.post("/par", request=request_object, **outer)
    return response.status_code, response.get_json().get("error", "")


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_a_signed_request_is_answered_by_value_and_pushed(
    rp: RelyingParty, person: Person, clock: FrozenClock, alg: str
) -> None:
    party = SigningParty(rp, clock, alg)
    party.register()
    person.open(party.by_value(party.object(state="inner", nonce="inner")))
    answer = answer_of(person.address)
    assert (answer["state"], answer["iss"]) == ("inner", ISSUER)
    assert rp.claims(rp.redeem(answer["code"]).get_json()["id_token"])["nonce"] == "inner"
    response = rp.post("/par", request=party.object(state="pushed"))
    assert response.status_code == 201
    person.open(at(rp, response.get_json()["request_uri"], state="outer"))
    assert answer_of(person.address)["state"] == "pushed"


def test_only_what_was_signed_counts(party: SigningParty, person: Person) -> None:
    person.open(
        party.by_value(
            party.object(state=None, nonce=None, scope="openid"), state="outer", nonce="outer", scope="openid email",
            redirect_uri="https://evil.example/", response_type="token", prompt="login",
        )
    )  # fmt: skip
    answer = answer_of(person.address)
    assert set(answer) == {"code", "iss"}
    tokens = party.rp.redeem(answer["code"]).get_json()
    assert tokens["scope"] == "openid"
    assert "nonce" not in party.rp.claims(tokens["id_token"])


def test_claims_and_max_age_may_be_json_and_resources_an_array(
    party: SigningParty, portal: Portal, person: Person
) -> None:
    api, other = "https://api.example.ch/", "https://more.example.ch/"
    party.register(resources=[api, other])
    request_object = party.object(
        max_age=10_000, claims={"id_token": {"email": {"essential": True}}}, resource=[api, other]
    )
    person.open(party.by_value(request_object))
    tokens = party.rp.redeem(answer_of(person.address)["code"]).get_json()
    assert party.rp.claims(tokens["id_token"])["email"] == "helene@example.ch"
    person.open(party.by_value(party.object(resource=api, claims=json.dumps({"userinfo": {"email": None}}))))
    assert "code" in answer_of(person.address)


def test_what_an_object_may_have(party: SigningParty, clock: FrozenClock) -> None:
    now = int(clock.now().timestamp())
    accepted: list[dict[str, Any]] = [
        {}, {"typ": None}, {"typ": "JWT"}, {"typ": "OAuth-Authz-Req+JWT"}, {"aud": [ISSUER, "https://other.example"]},
        {"nbf": now + 8}, {"nbf": now - 59 * MINUTE, "exp": now + 1 * MINUTE}, {"exp": now + 60 * MINUTE},
        {"exp": now - 5}, {"sub": "somebody"}, {"unknown": {"a": [1]}}, {"iat": None},
    ]  # fmt: skip
    for changes in accepted:
        assert outcome(party, party.object(**changes)) == (201, ""), changes


def test_what_an_object_must_not_have(party: SigningParty, clock: FrozenClock) -> None:
    now = int(clock.now().timestamp())
    refused: list[dict[str, Any]] = [
        {"aud": None}, {"aud": "https://other.example"}, {"aud": f"{ISSUER}/"}, {"aud": f"{ISSUER}/par"}, {"aud": []},
        {"aud": {"a": ISSUER}}, {"aud": 5}, {"iss": None}, {"iss": "client-other"}, {"client_id": None},
        {"client_id": "client-other"}, {"sub": party.rp.client_id}, {"exp": None}, {"nbf": None},
        {"exp": now - 5 * MINUTE}, {"exp": now + 61 * MINUTE}, {"nbf": now - 61 * MINUTE, "exp": now + 1},
        {"nbf": now - 60 * MINUTE - 5, "exp": now - 5}, {"nbf": now + 62}, {"exp": "soon"}, {"nbf": True},
        {"exp": 1e300}, {"request": "x.y.z"}, {"request_uri": "urn:ietf:params:oauth:request_uri:x"},
        {"typ": "at+jwt"}, {"typ": "dpop+jwt"}, {"typ": "client-authentication+jwt"}, {"typ": ""},
        {"state": 5}, {"scope": ["openid"]}, {"max_age": "x" * 3, "state": None, "nonce": {"a": 1}}, {"max_age": True},
        {"max_age": 1.5}, {"state": "a\0b"}, {"state": "\ud800"}, {"claims": []}, {"resource": [5]},
        {"redirect_uri": ["https://cpx.example.ch/callback"]},
    ]  # fmt: skip
    for changes in refused:
        assert outcome(party, party.object(**changes)) == (400, "invalid_request_object"), changes


def test_the_ordinary_checks_follow(party: SigningParty) -> None:
    assert outcome(party, party.object(redirect_uri=None)) == (400, "invalid_request")
    assert outcome(party, party.object(redirect_uri="https://evil.example/")) == (400, "invalid_request")
    assert outcome(party, party.object(code_challenge=None)) == (400, "invalid_request")
    assert outcome(party, party.object(max_age="soon")) == (400, "invalid_request")
    assert outcome(party, party.object(), request_uri="urn:x") == (400, "invalid_request")


def test_a_registered_algorithm_is_the_only_one(rp: RelyingParty, clock: FrozenClock) -> None:
    party = SigningParty(rp, clock, "PS256")
    party.register(request_object_signing_alg="RS256")
    assert outcome(party, party.object()) == (400, "invalid_request_object")
    assert outcome(party, sign(party.claims(), KEYS["RS256"], "RS256")) == (201, "")


def test_the_fapi2_profile_leaves_rs256_out(rp: RelyingParty, portal: Portal, clock: FrozenClock) -> None:
    party = SigningParty(rp, clock, "PS256")
    party.register(security_profile="fapi2")
    assert verified(portal, party.object(), None)["client_id"] == portal.client_id
    with pytest.raises(InvalidToken):
        verified(portal, sign(party.claims(), KEYS["RS256"], "RS256"), None)


def test_a_portal_that_registered_so_must_sign(party: SigningParty, person: Person) -> None:
    party.register(require_signed_request_object=True)
    unsigned = push(party.rp)
    assert (unsigned.status_code, unsigned.get_json()["error"]) == (400, "invalid_request")
    person.open(party.rp.request())
    assert answer_of(person.address)["error"] == "invalid_request"
    response = party.rp.post("/par", request=party.object())
    for address in (party.by_value(party.object()), at(party.rp, response.get_json()["request_uri"])):
        person.open(address)
        assert "code" in answer_of(person.address)


def test_an_unusable_object_is_complained_of_at_a_proved_address_or_on_a_page(
    party: SigningParty, person: Person
) -> None:
    bad = party.object(aud="https://other.example")
    person.open(party.by_value(bad))
    assert (person.page.status_code, "Location" in person.page.headers) == (400, False)
    person.open(party.by_value(bad, redirect_uri="https://evil.example/"))
    assert person.page.status_code == 400
    assert "invalid_request_object" in person.text
    person.open(party.by_value(bad, redirect_uri=party.rp.redirect_uri, state="s-2"))
    answer = answer_of(person.address)
    assert (answer["error"], answer["state"], answer["iss"]) == ("invalid_request_object", "s-2", ISSUER)


def test_a_portal_without_keys_is_told_that_it_has_none(rp: RelyingParty, person: Person, clock: FrozenClock) -> None:
    party = SigningParty(rp, clock)
    for request_object in (party.object(), "eyJhbGciOiJub25lIn0.e30."):
        person.open(party.by_value(request_object, redirect_uri=rp.redirect_uri, state="s-3"))
        answer = answer_of(person.address)
        assert (answer["error"], answer["state"]) == ("request_not_supported", "s-3")
        person.open(party.by_value(request_object))
        assert person.page.status_code == 400


def test_objects_and_addresses_come_alone_and_addresses_are_our_own(
    web: Flask, party: SigningParty, person: Person
) -> None:
    address = push(party.rp).get_json()["request_uri"]
    both = party.by_value(party.object(), request_uri=address, redirect_uri=party.rp.redirect_uri)
    person.open(both)
    assert answer_of(person.address)["error"] == "invalid_request"
    person.open(f"{party.by_value(party.object())}&request=x")
    assert person.page.status_code == 400
    person.open(party.rp.request(request_uri="https://cpx.example.ch/request.jwt"))
    assert answer_of(person.address)["error"] == "request_uri_not_supported"


def test_a_key_of_an_unknown_kind_signs_nothing(party: SigningParty) -> None:
    other = ECKey.generate_key("P-384", private=True)
    party.register(jwks={"keys": [other.as_dict(private=False)]})
    assert outcome(party, party.object()) == (400, "invalid_request_object")


def test_the_document_says_what_may_sign(web: Flask) -> None:
    document = web.test_client().get("/.well-known/openid-configuration", base_url=ISSUER).get_json()
    assert document["request_parameter_supported"] is True
    assert document["request_uri_parameter_supported"] is False
    assert document["require_signed_request_object"] is False
    assert set(document["request_object_signing_alg_values_supported"]) == {
        "RS256",
        "PS256",
        "ES256",
        "EdDSA",
        "Ed25519",
    }


def test_what_can_be_stored() -> None:
    for text in ("", "é", "漢", "\U0001f600", "a b\n"):
        assert is_storable(text)
    for text in ("\0", "a\0", "\ud800", "x\udfff"):
        assert not is_storable(text)
