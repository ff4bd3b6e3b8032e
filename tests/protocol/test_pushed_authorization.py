"""RFC 9126: a portal leaves its request beforehand; only `client_id` and `request_uri` travel through the browser."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.errors import ProtocolError
from idp.models.authorization import AuthorizationCode, PushedRequest
from idp.models.base import db
from idp.models.portal import Portal
from idp.protocol import par
from idp.services.bundle import Services
from tests.actions import sign_in
from tests.support.builders import add_portal
from tests.support.person import ISSUER, Person
from tests.support.relying_party import PORTAL_SECRET, RelyingParty, answer_of
from tests.support.signing_party import SigningParty, at, push, pushed
from tests.support.walks import waiting_handle

JKT = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"


def test_a_pushed_request_is_answered_like_any_other(rp: RelyingParty, person: Person) -> None:
    response = push(rp, state="pushed-state", nonce="pushed-nonce")
    body = response.get_json()
    assert response.status_code == 201
    assert set(body) == {"request_uri", "expires_in"}
    assert 90 <= body["expires_in"] < 600
    assert body["request_uri"].startswith("urn:ietf:params:oauth:request_uri:cc_ru_")
    assert len(body["request_uri"].rpartition("_")[2]) == 43
    assert response.headers["Cache-Control"] == "no-store"
    person.open(at(rp, body["request_uri"]))
    answer = answer_of(person.address)
    assert (answer["state"], answer["iss"]) == ("pushed-state", ISSUER)
    assert rp.claims(rp.redeem(answer["code"]).get_json()["id_token"])["nonce"] == "pushed-nonce"


def test_what_stands_beside_the_request_uri_counts_for_nothing(rp: RelyingParty, person: Person) -> None:
    address = at(
        rp, push(rp, scope="openid", state=None, nonce=None).get_json()["request_uri"], state="outer", nonce="outer",
        scope="openid email", redirect_uri="https://evil.example/", response_type="token", prompt="none",
        response_mode="form_post", claims="{",
    )  # fmt: skip
    person.open(address)
    answer = answer_of(person.address)
    assert set(answer) == {"code", "iss"}
    tokens = rp.redeem(answer["code"]).get_json()
    assert tokens["scope"] == "openid"
    assert "nonce" not in rp.claims(tokens["id_token"])


def test_only_what_is_known_is_kept_and_never_a_secret(web: Flask, services: Services) -> None:
    portal = add_portal(
        "post", token_endpoint_auth_method="client_secret_post",
        client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET),
    )  # fmt: skip
    rp = RelyingParty(web, portal.client_id, portal.redirect_uris[0])
    assert push(rp, client_secret=PORTAL_SECRET, extra="foobar").status_code == 201
    kept = db.session.query(PushedRequest).one()
    assert set(kept.parameters["given"]) == set(answer_of(rp.request()))
    assert PORTAL_SECRET not in str(kept.parameters)


def test_visiting_twice_before_the_answer_works_and_afterwards_never(
    web: Flask, rp: RelyingParty, person: Person, clock: FrozenClock
) -> None:
    clock.advance(timedelta(hours=13))
    address = pushed(rp)
    stranger = Person(web)
    for visitor in (stranger, person, person):
        visitor.open(address)
        assert "Connexion à" in visitor.title
    clock.advance(timedelta(minutes=3))
    sign_in(person)
    assert "code" in answer_of(person.address)
    person.open(address)
    assert person.page.status_code == 400
    assert "invalid_request_uri: the pushed request was answered before" in person.text


def test_of_two_tabs_that_wait_one_gets_the_answer(
    rp: RelyingParty, person: Person, clock: FrozenClock, services: Services
) -> None:
    clock.advance(timedelta(minutes=3))
    address = pushed(rp, prompt="login")
    logins = [person.client.get(address, base_url=ISSUER).headers["Location"] for _ in range(2)]
    handles = [waiting_handle(services, login) for login in logins]
    for handle in handles[:1]:
        person.open(f"/cpx/login?for={handle}")
        sign_in(person)
        assert "code" in answer_of(person.address)
    person.open(f"/authorize/resume/{handles[1]}")
    assert person.page.status_code == 400
    assert "invalid_request_uri" in person.text
    assert db.session.query(AuthorizationCode).count() == 1


def test_an_error_uses_the_request_up_too(web: Flask, rp: RelyingParty) -> None:
    address, stranger = pushed(rp, prompt="none"), Person(web)
    stranger.open(address)
    assert answer_of(stranger.address)["error"] == "login_required"
    stranger.open(address)
    assert stranger.page.status_code == 400


def test_an_expired_request_is_refused(rp: RelyingParty, person: Person, clock: FrozenClock) -> None:
    address = pushed(rp)
    clock.advance(timedelta(seconds=299))
    assert person.client.get(address, base_url=ISSUER).status_code == 303
    address = pushed(rp)
    clock.advance(timedelta(seconds=300))
    person.open(address)
    assert person.page.status_code == 400
    assert "the pushed request has expired" in person.text


def test_a_person_may_take_longer_than_the_request_lives(
    web: Flask, rp: RelyingParty, person: Person, clock: FrozenClock
) -> None:
    clock.advance(timedelta(hours=13))
    person.open(pushed(rp))
    clock.advance(timedelta(minutes=20))
    sign_in(person)
    assert "code" in answer_of(person.address)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"redirect_uri": "https://evil.example/"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"request_uri": "urn:ietf:params:oauth:request_uri:x"}, "invalid_request"),
        ({"request_uri": "https://evil.example/r"}, "invalid_request"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"scope": "email"}, "invalid_scope"),
        ({"scope": " ".join(["openid"] * 1000)}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"claims": "{"}, "invalid_request"),
        ({"resource": "https://api.example.ch/"}, "invalid_target"),
        ({"dpop_jkt": "short"}, "invalid_request"),
        ({"request": "x.y.z"}, "request_not_supported"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"client_id": "client-other"}, "invalid_client"),
    ],
)
def test_faults_are_told_at_once(rp: RelyingParty, changes: dict[str, Any], error: str) -> None:
    response = push(rp, **changes)
    assert response.content_type == "application/json"
    assert (response.status_code, response.get_json()["error"]) == (401 if error == "invalid_client" else 400, error)
    assert db.session.query(PushedRequest).count() == 0


def test_the_client_authenticates_as_at_the_token_endpoint(
    web: Flask, rp: RelyingParty, portal: Portal, clock: FrozenClock
) -> None:
    parameters = answer_of(rp.request())
    client = web.test_client()
    nobody = client.post("/par", data=parameters, base_url=ISSUER)
    assert (nobody.status_code, nobody.get_json()["error"]) == (401, "invalid_client")
    basic = base64.b64encode(f"{rp.client_id}:wrong".encode()).decode()
    wrong = client.post("/par", data=parameters, headers={"Authorization": f"Basic {basic}"}, base_url=ISSUER)
    assert wrong.status_code == 401
    assert wrong.headers["WWW-Authenticate"].startswith("Basic")
    both = push(rp, client_secret=PORTAL_SECRET)
    assert both.get_json()["error"] == "invalid_request"
    party = SigningParty(RelyingParty(web, rp.client_id, rp.redirect_uri), clock)
    party.register(token_endpoint_auth_method="private_key_jwt")
    assert party.push(**party.assertion()).status_code == 201
    assert party.push(client_id=None, **party.assertion()).status_code == 201
    again = party.assertion()
    assert party.push(**again).status_code == 201
    assert party.push(**again).get_json()["error"] == "invalid_client"


def test_only_a_form_by_post_is_taken(web: Flask, rp: RelyingParty) -> None:
    client = web.test_client()
    for method in ("GET", "PUT", "DELETE", "PATCH"):
        response = client.open("/par", method=method, base_url=ISSUER)
        assert (response.status_code, response.content_type) == (405, "application/json")
        assert "POST" in response.headers["Allow"]
    assert rp.post("/par?client_id=x").get_json()["error"] == "invalid_request"
    twice = client.post("/par", data="client_id=a&client_id=b", base_url=ISSUER)
    assert twice.get_json()["error"] == "invalid_request"
    as_json = client.post("/par", json={"client_id": rp.client_id}, base_url=ISSUER)
    assert as_json.get_json()["error"] == "invalid_request"


def test_a_portal_that_registered_so_must_push(rp: RelyingParty, portal: Portal, person: Person) -> None:
    db.session.get_one(Portal, portal.id).require_par = True
    db.session.commit()
    person.open(rp.request())
    answer = answer_of(person.address)
    assert (answer["error"], answer["state"], answer["iss"]) == ("invalid_request", "s-1", ISSUER)
    person.open(pushed(rp))
    assert "code" in answer_of(person.address)


def test_the_key_that_dpop_jkt_names_is_bound_to_the_code(rp: RelyingParty, person: Person) -> None:
    for address in (pushed(rp, dpop_jkt=JKT), rp.request(dpop_jkt=JKT)):
        person.open(address)
        assert "code" in answer_of(person.address)
    assert [row.dpop_jkt for row in db.session.query(AuthorizationCode)] == [JKT, JKT]
    assert db.session.query(PushedRequest).one().dpop_jkt == JKT


def test_a_proof_that_cannot_be_judged_is_never_ignored(rp: RelyingParty) -> None:
    basic = base64.b64encode(f"{rp.client_id}:{rp.secret}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}", "DPoP": "x"}
    response = rp.app.test_client().post("/par", data=answer_of(rp.request()), base_url=ISSUER, headers=headers)
    assert (response.status_code, response.get_json()["error"]) == (400, "invalid_dpop_proof")


def test_the_two_ways_to_name_a_key_must_agree() -> None:
    other = "A" * 43
    assert par.bound_key(None, None) is None
    assert par.bound_key(JKT, None) == par.bound_key(None, JKT) == par.bound_key(JKT, JKT) == JKT
    with pytest.raises(ProtocolError) as refused:
        par.bound_key(JKT, other)
    assert refused.value.code == "invalid_request"


def test_a_request_that_waits_is_checked_again(rp: RelyingParty, portal: Portal, person: Person) -> None:
    address = pushed(rp)
    db.session.get_one(Portal, portal.id).redirect_uris = ["https://cpx.example.ch/new"]
    db.session.commit()
    person.open(address)
    assert person.page.status_code == 400
    assert "Location" not in person.page.headers


def test_the_document_says_where(web: Flask) -> None:
    document = web.test_client().get("/.well-known/openid-configuration", base_url=ISSUER).get_json()
    assert document["pushed_authorization_request_endpoint"] == f"{ISSUER}/par"
    assert document["require_pushed_authorization_requests"] is False
