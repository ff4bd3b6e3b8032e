"""O-04, O-10: a stolen code or refresh token is worth nothing without the verifier, the client and the moment."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.services.bundle import Services
from tests.actions import link
from tests.support.builders import add_portal
from tests.support.person import ISSUER, Person
from tests.support.relying_party import PORTAL_SECRET, RelyingParty, answer_of, challenge

pytestmark = pytest.mark.both_engines


def code_for(rp: RelyingParty, person: Person, **changes: str | None) -> str:
    person.open(rp.request(**changes))
    return answer_of(person.address)["code"]


@pytest.fixture
def thief(web: Flask, services: Services) -> RelyingParty:
    """Another portal, with a secret of its own."""
    portal = add_portal("thief", client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET))
    return RelyingParty(web, portal.client_id, portal.redirect_uris[0], PORTAL_SECRET)


@pytest.mark.parametrize(
    "wrong",
    [
        {"code_verifier": "w" * 43},
        {"code_verifier": None},
        {"code_verifier": ""},
        {"code_verifier": "v" * 42},
        {"code_verifier": "v" * 129},
        {"code_verifier": challenge()},
        {"code_verifier": "ü" * 43},
        {"redirect_uri": "https://cpx.example.ch/other"},
        {"redirect_uri": None},
    ],
)
def test_a_wrong_verifier_or_address_is_refused_and_burns_the_code(
    rp: RelyingParty, person: Person, wrong: dict[str, str | None]
) -> None:
    code = code_for(rp, person)
    refused = rp.redeem(code, **wrong)
    assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_grant")
    assert rp.redeem(code).get_json()["error"] == "invalid_grant"


def test_another_clients_attempt_fails_and_burns_nothing(rp: RelyingParty, person: Person, thief: RelyingParty) -> None:
    code = code_for(rp, person)
    assert thief.redeem(code, redirect_uri=rp.redirect_uri).get_json()["error"] == "invalid_grant"
    tokens = rp.redeem(code)
    assert tokens.status_code == 200
    stolen = tokens.get_json()["refresh_token"]
    assert thief.refresh(stolen).get_json()["error"] == "invalid_grant"
    assert rp.refresh(stolen).status_code == 200


@pytest.mark.parametrize(
    "changes",
    [
        {"code_challenge": None, "code_challenge_method": None},
        {"code_challenge_method": None},
        {"code_challenge_method": "plain"},
        {"code_challenge_method": "s256"},
        {"code_challenge": "short"},
        {"code_challenge": "x" * 44},
        {"code_challenge": None},
    ],
)
def test_no_request_without_an_s256_challenge(rp: RelyingParty, person: Person, changes: dict[str, str | None]) -> None:
    person.open(rp.request(**changes))
    assert answer_of(person.address)["error"] == "invalid_request"


def test_a_portal_exempted_by_name_may_leave_pkce_out_but_not_send_a_verifier_alone(
    web: Flask, services: Services, person: Person
) -> None:
    portal = add_portal("old", require_pkce=False, client_secret_hash=services.vault.mac("client-secret", "x"))
    rp = RelyingParty(web, portal.client_id, portal.redirect_uris[0], "x")
    link(services, portal)
    none: dict[str, str | None] = {"code_challenge": None, "code_challenge_method": None}
    assert rp.redeem(code_for(rp, person, **none), code_verifier=None).status_code == 200
    assert rp.redeem(code_for(rp, person, **none)).get_json()["error"] == "invalid_grant"


def test_a_refresh_token_ends_when_unused_and_in_any_case(rp: RelyingParty, person: Person, clock: FrozenClock) -> None:
    token = rp.redeem(code_for(rp, person)).get_json()["refresh_token"]
    for _ in range(4):
        clock.advance(timedelta(days=6, hours=23))
        token = rp.refresh(token).get_json()["refresh_token"]
    clock.advance(timedelta(days=3))  # used in time, but thirty days are over
    assert rp.refresh(token).get_json()["error"] == "invalid_grant"


def test_an_unused_refresh_token_ends_after_a_week(rp: RelyingParty, person: Person, clock: FrozenClock) -> None:
    token = rp.redeem(code_for(rp, person)).get_json()["refresh_token"]
    clock.advance(timedelta(days=7, seconds=1))
    assert rp.refresh(token).get_json()["error"] == "invalid_grant"


def test_sign_out_withdraws_every_token(rp: RelyingParty, person: Person) -> None:
    tokens = rp.redeem(code_for(rp, person)).get_json()
    waiting = code_for(rp, person)
    person.client.get("/logout", query_string={"id_token_hint": tokens["id_token"]}, base_url=ISSUER)
    assert rp.userinfo(tokens["access_token"]).status_code == 401
    assert rp.refresh(tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert rp.redeem(waiting).get_json()["error"] == "invalid_grant"
