"""O-15 to O-19, C-52, C-55 to C-58: a forged request object opens nothing, by value or pushed, and is never a 500."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from joserfc.jwk import ECKey, RSAKey

from idp.clock import FrozenClock
from idp.models.authorization import PushedRequest
from idp.models.base import db
from idp.services.bundle import Services
from tests.attacks.test_forged_tokens import forgeries, part
from tests.support.builders import add_portal
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of
from tests.support.signing_party import KEYS, SigningParty, push, sign


@pytest.fixture
def party(rp: RelyingParty, clock: FrozenClock) -> SigningParty:
    made = SigningParty(rp, clock, "RS256")
    made.register()
    return made


def assert_refused(party: SigningParty, person: Person, forged: str, name: str = "") -> None:
    response = party.rp.post("/par", request=forged)
    assert (response.status_code, response.get_json()["error"]) == (400, "invalid_request_object"), name
    person.open(party.by_value(forged, redirect_uri=party.rp.redirect_uri))
    assert answer_of(person.address)["error"] == "invalid_request_object", name
    person.open(party.by_value(forged))
    assert person.page.status_code == 400, name


def test_the_corpus_of_forged_tokens_is_refused(party: SigningParty, person: Person) -> None:
    genuine = party.object(kid="portal-key")
    for name, forged in forgeries(genuine, KEYS["RS256"].as_dict(private=False)).items():
        if name not in {"kid path", "kid SQL", "no kid", "kid huge"}:
            assert_refused(party, person, forged, name)
    assert db.session.query(PushedRequest).count() == 0
    assert party.rp.post("/par", request=genuine).status_code == 201


def test_another_portals_key_signs_nothing_here(web: Flask, party: SigningParty, person: Person) -> None:
    other = ECKey.generate_key("P-256", private=True)
    add_portal("fon", jwks={"keys": [other.as_dict(private=False)]})
    assert_refused(party, person, sign(party.claims(), other, "ES256"))
    own = sign(party.claims(iss="client-fon", client_id="client-fon"), other, "ES256")
    assert_refused(party, person, own)
    assert_refused(party, person, sign(party.claims(), RSAKey.generate_key(2048, private=True), "RS256"))


def test_tokens_of_other_kinds_are_no_request_objects(party: SigningParty, person: Person, services: Services) -> None:
    person.open(party.rp.request(response_mode="jwt"))
    signed_answer = answer_of(person.address)["response"]
    person.open(party.rp.request())
    id_token = party.rp.redeem(answer_of(person.address)["code"]).get_json()["id_token"]
    assertion = party.assertion()["client_assertion"]
    ours = services.keyring.sign(party.claims(), alg="RS256", typ="oauth-authz-req+jwt")
    for name, token in (("JARM", signed_answer), ("ID token", id_token), ("assertion", assertion), ("ours", ours)):
        assert_refused(party, person, token, name)


def test_a_request_object_is_neither_an_assertion_nor_a_hint(party: SigningParty, person: Person) -> None:
    party.register(token_endpoint_auth_method="private_key_jwt")
    party.rp.secret = ""
    request_object = party.object(sub="somebody", jti="j-1")
    response = party.push(
        client_assertion=request_object,
        client_assertion_type="urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    )
    assert (response.status_code, response.get_json()["error"]) == (401, "invalid_client")
    person.open(party.rp.request(id_token_hint=request_object))
    assert answer_of(person.address)["error"] == "invalid_request"


def test_a_signed_answer_is_no_hint(rp: RelyingParty, person: Person) -> None:
    person.open(rp.request(response_mode="jwt"))
    response = answer_of(person.address)["response"]
    person.open(rp.request(id_token_hint=response, prompt="none"))
    assert answer_of(person.address)["error"] == "invalid_request"
    page = person.client.get("/logout", query_string={"id_token_hint": response}, base_url=ISSUER)
    assert page.status_code == 200  # a question, not a sign-out
    person.open(rp.request(prompt="none"))
    assert "code" in answer_of(person.address)


def test_hostile_members_never_break_anything(party: SigningParty, person: Person) -> None:
    deep: Any = []
    for _ in range(500):
        deep = [deep]
    hostile: list[dict[str, Any]] = [
        {"claims": "[" * 5000}, {"claims": {"userinfo": {"name": {"value": float("nan")}}}}, {"claims": {"a": deep}},
        {"state": deep}, {"resource": deep}, {"resource": [deep]}, {"aud": deep}, {"exp": [1]}, {"nbf": {}},
        {"scope": "openid\n"}, {"redirect_uri": "\ud800"}, {"nonce": "\0"}, {"acr_values": "\udfff"},
        {"login_hint": "\0"}, {"ui_locales": "\ud800"}, {"client_id": deep}, {"iss": deep},
        {"prompt": None, "max_age": 10**30}, {"max_age": -1}, {"response_mode": 5}, {"dpop_jkt": []},
        {"response_type": ["code"]}, {"id_token_hint": {"a": 1}}, {"__proto__": {"a": 1}, "scope": 7},
    ]  # fmt: skip
    for changes in hostile:
        response = party.rp.post("/par", request=party.object(**changes))
        assert response.status_code == 400, changes
        assert response.get_json()["error"] in {"invalid_request", "invalid_scope", "invalid_request_object"}, changes
        person.open(party.by_value(party.object(**changes), redirect_uri=party.rp.redirect_uri))
        assert person.page.status_code < 500, changes


def test_a_huge_object_is_refused_quickly(party: SigningParty, person: Person) -> None:
    assert_refused(party, person, f"{part({'alg': 'RS256'})}.{'A' * 20_000}.{'A' * 300}")
    assert push(party.rp, request="x" * 70_000).status_code == 413
