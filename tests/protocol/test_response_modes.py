"""The answer in each mode, success and error alike: in the address, by a form, signed (Form Post, JARM, RFC 9207)."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.protocol.responses import signing_alg
from tests.actions import sign_in
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of, header_of

MODES = ["query", "form_post", "query.jwt", "form_post.jwt", "jwt"]


def received(rp: RelyingParty, person: Person, mode: str, alg: str = "RS256") -> dict[str, Any]:
    """What the portal gets, out of its envelope; the envelope is checked on the way."""
    if mode.startswith("form_post"):
        assert person.page.status_code == 200
        address, pairs = person.filled()
    else:
        address, pairs = person.address, answer_of(person.address)
    assert address.split("?")[0] == rp.redirect_uri
    if not mode.endswith("jwt"):
        assert pairs["iss"] == ISSUER
        return pairs
    assert set(pairs) == {"response"}
    assert header_of(pairs["response"]).keys() == {"alg", "kid", "typ"}
    claims = rp.claims(pairs["response"], alg)
    assert (claims["iss"], claims["aud"]) == (ISSUER, rp.client_id)
    return claims


@pytest.mark.parametrize("mode", MODES)
def test_success_and_errors_come_in_the_mode_that_was_asked_for(
    web: Flask, rp: RelyingParty, person: Person, clock: FrozenClock, mode: str
) -> None:
    person.open(rp.request(response_mode=mode))
    answer = received(rp, person, mode)
    assert answer["state"] == "s-1"
    assert set(answer) - {"aud", "exp"} == {"code", "state", "iss"}
    assert rp.redeem(answer["code"]).status_code == 200
    errors: list[tuple[dict[str, str], str]] = [
        ({"scope": "email"}, "invalid_scope"),
        ({"claims": "{"}, "invalid_request"),
        ({"max_age": "soon"}, "invalid_request"),
        ({"request": "x.y.z"}, "request_not_supported"),
        ({"response_type": "token"}, "unsupported_response_type"),
    ]
    for changes, error in errors:
        person.open(rp.request(response_mode=mode, **changes))
        answer = received(rp, person, mode)
        assert (answer["error"], answer["state"]) == (error, "s-1")
        assert set(answer) - {"aud", "exp"} == {"error", "error_description", "state", "iss"}
    stranger = Person(web)
    stranger.open(rp.request(response_mode=mode, prompt="none"))
    assert received(rp, stranger, mode)["error"] == "login_required"


def test_a_form_waits_at_the_end_of_a_sign_in_too(rp: RelyingParty, person: Person, clock: FrozenClock) -> None:
    clock.advance(timedelta(minutes=3))
    person.open(rp.request(response_mode="form_post", prompt="login"))
    sign_in(person)
    assert received(rp, person, "form_post")["state"] == "s-1"
    person.open(person.address)  # reload: nothing is given twice, and nothing is lost
    assert person.address == "https://cpx.example.ch/"


def test_the_form_posts_itself_by_a_script_of_ours_and_by_a_button(rp: RelyingParty, person: Person) -> None:
    person.open(rp.request(response_mode="form_post"))
    policy = person.page.headers["Content-Security-Policy"]
    assert "form-action 'self' https://cpx.example.ch;" in policy
    assert "script-src 'self';" in policy
    assert person.page.headers["Cache-Control"] == "no-store"
    assert person.page.content_type == "text/html; charset=utf-8"
    script = person.text.split('<script src="')[1].split('"')[0]
    with person.client.get(script, base_url=ISSUER) as answer:
        assert "submit()" in answer.get_data(as_text=True)
    assert "<script>" not in person.text
    assert '<button type="submit">Continuer</button>' in person.text
    assert "Vous retournez à Caisse CPX" in person.title


def test_what_comes_back_in_a_form_is_text_and_never_markup(rp: RelyingParty, person: Person) -> None:
    state = "\"><script>alert(1)</script>&amp;'\nä漢"
    person.open(rp.request(response_mode="form_post", state=state))
    assert received(rp, person, "form_post")["state"] == state
    assert "<script>alert" not in person.text


def test_without_state_none_is_made_up(rp: RelyingParty, person: Person) -> None:
    for mode in MODES:
        person.open(rp.request(response_mode=mode, state=None))
        assert "state" not in received(rp, person, mode)


@pytest.mark.parametrize("alg", ["RS256", "PS256", "ES256", "EdDSA"])
def test_a_signed_answer_is_signed_as_registered_and_short_lived(
    rp: RelyingParty, portal: Portal, person: Person, clock: FrozenClock, alg: str
) -> None:
    db.session.get_one(Portal, portal.id).authorization_signed_response_alg = alg
    db.session.commit()
    person.open(rp.request(response_mode="jwt"))
    claims = received(rp, person, "jwt", alg)
    assert claims["exp"] - int(clock.now().timestamp()) == 300
    assert header_of(answer_of(person.address)["response"])["alg"] == alg


def test_under_fapi2_the_algorithm_of_the_id_token_stands_in_for_rs256(portal: Portal) -> None:
    portal.id_token_signed_response_alg = "ES256"
    assert signing_alg(portal) == "RS256"
    portal.security_profile = "fapi2"
    assert signing_alg(portal) == "ES256"


def test_a_redirect_uri_with_a_query_keeps_it(rp: RelyingParty, portal: Portal, person: Person) -> None:
    address = "https://cpx.example.ch/callback?dummy1=lorem&dummy2=ipsum"
    db.session.get_one(Portal, portal.id).redirect_uris = [address]
    db.session.commit()
    rp.redirect_uri = address
    person.open(rp.request())
    assert person.address.startswith(f"{address}&code=")
    person.open(rp.request(response_mode="form_post"))
    assert person.filled()[0] == address


@pytest.mark.parametrize("mode", ["", "fragment", "fragment.jwt", "web_message", "QUERY", "form-post"])
def test_an_unknown_mode_is_refused_by_a_plain_redirect(rp: RelyingParty, person: Person, mode: str) -> None:
    person.open(rp.request(response_mode=mode))
    assert answer_of(person.address)["error"] == "invalid_request"
    assert not urlsplit(person.address).fragment


def test_the_document_lists_them(web: Flask) -> None:
    document = web.test_client().get("/.well-known/openid-configuration", base_url=ISSUER).get_json()
    assert sorted(document["response_modes_supported"]) == sorted(MODES)
    assert document["authorization_response_iss_parameter_supported"] is True
    assert set(document["authorization_signing_alg_values_supported"]) == {"RS256", "PS256", "ES256", "EdDSA"}
