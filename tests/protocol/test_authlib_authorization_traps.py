"""What Authlib 1.9 does at the authorization, registration and logout endpoints, which is why ours are our own.

Each test shows the flaw of a stock server first: what the first half no longer finds, the library has cured.
"""

from __future__ import annotations

import base64
import json
import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from flask import Flask
from flask.testing import FlaskClient
from joserfc.jwk import ECKey
from joserfc.jws import JWSRegistry
from joserfc.jwt import encode

from idp.clock import FrozenClock
from idp.models.base import db
from idp.services.bundle import Services
from tests.protocol.test_registration import CALLBACK as REGISTERED
from tests.protocol.test_registration import DESCRIBED
from tests.support import stock_authorization
from tests.support.person import ISSUER, Person
from tests.support.relying_party import RelyingParty, answer_of
from tests.support.signing_party import SigningParty
from tests.support.stock_authorization import BYE, CALLBACK, CLIENT_KEY, SERVER_KEY

pytestmark = pytest.mark.sqlite_only
Ask = dict[str, str | None]


@pytest.fixture
def stock() -> FlaskClient:
    return stock_authorization.build().test_client()


def at_stock(stock: FlaskClient, **changes: str | None) -> dict[str, str]:
    """What the stock server sends to its portal."""
    wanted: Ask = {
        "client_id": "client", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid", "state": "s-1",
        "nonce": "n-1", **changes,
    }  # fmt: skip
    kept = {name: value for name, value in wanted.items() if value is not None}
    answer = stock.get(f"/authorize?{urlencode(kept)}")
    assert answer.status_code == 302, answer.data
    return answer_of(answer.headers["Location"])


def at_ours(person: Person, rp: RelyingParty, **changes: str | None) -> dict[str, str]:
    """What we send to ours, for somebody who is signed in."""
    person.open(rp.request(**changes))
    assert person.address.startswith(rp.redirect_uri), person.address
    return answer_of(person.address)


PLAIN: Ask = {"code_challenge": "c" * 43, "code_challenge_method": "plain"}


@pytest.mark.parametrize(
    "changes",
    [
        PLAIN,
        {**PLAIN, "code_challenge_method": None},
        {"code_challenge": None, "code_challenge_method": None},
        {"prompt": "unheard-of"},
        {"max_age": "abc"},
        {"max_age": "-1"},
        {"claims": "no JSON"},
        {"response_mode": "unheard-of"},
    ],
    ids=[
        "plain PKCE", "plain PKCE by default", "no PKCE of a confidential client", "an unknown prompt",
        "a max_age that is no number", "a negative max_age", "claims that are no JSON", "an unknown response_mode",
    ],
)  # fmt: skip
def test_a_bad_parameter_is_taken(stock: FlaskClient, person: Person, rp: RelyingParty, changes: Ask) -> None:
    assert "code" in at_stock(stock, **changes)
    assert at_ours(person, rp, **changes)["error"] == "invalid_request"


@pytest.mark.parametrize("name", ["nonce", "claims", "acr_values", "code_challenge", "prompt"])
def test_a_repeated_parameter_is_taken(stock: FlaskClient, person: Person, rp: RelyingParty, name: str) -> None:
    twice = f"&{name}=none&{name}=none"
    base = urlencode({"client_id": "client", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid"})
    if name not in {"code_challenge", "prompt"}:
        assert "code=" in stock.get(f"/authorize?{base}{twice}").headers["Location"]
    person.open(rp.request(**{name: None}) + twice)
    assert answer_of(person.address)["error"] == "invalid_request"


def test_max_age_does_not_ask_again(stock: FlaskClient, person: Person, rp: RelyingParty, clock: FrozenClock) -> None:
    assert "code" in at_stock(stock, max_age="1")
    clock.advance(timedelta(seconds=5))
    person.open(rp.request(max_age="1"))
    assert not person.address.startswith(rp.redirect_uri)
    assert 'name="password"' in person.text


def test_form_post_is_answered_in_the_address(stock: FlaskClient, person: Person, rp: RelyingParty) -> None:
    assert "code" in at_stock(stock, response_mode="form_post")
    person.open(rp.request(response_mode="form_post"))
    assert person.page.status_code == 200
    assert 'name="code"' in person.text


def test_an_error_does_not_say_who_sends_it(stock: FlaskClient, person: Person, rp: RelyingParty) -> None:
    assert at_stock(stock)["iss"] == stock_authorization.ISSUER
    wrong = at_stock(stock, response_type="token")
    assert (wrong["error"], "iss" in wrong) == ("unsupported_response_type", False)
    ours = at_ours(person, rp, response_type="token")
    assert (ours["error"], ours["iss"]) == ("unsupported_response_type", ISSUER)


def test_a_nonce_that_came_before_is_called_an_attack(person: Person, rp: RelyingParty) -> None:
    """A portal that tries again with its nonce is no attacker: the code is good once anyway."""
    stock = stock_authorization.build(frozenset({"n-1"})).test_client()
    assert at_stock(stock)["error_description"] == "Replay attack"
    assert "code" in at_ours(person, rp)
    assert "code" in at_ours(person, rp)


@pytest.mark.parametrize("changes", [{"redirect_uri": 'https://rp.example/"é"'}, {"response_type": 'co"dé'}])
def test_a_quote_or_an_umlaut_is_a_fault(stock: FlaskClient, person: Person, rp: RelyingParty, changes: Ask) -> None:
    wanted = {"client_id": "client", "redirect_uri": CALLBACK, "response_type": "code", **changes}
    assert stock.get(f"/authorize?{urlencode(wanted)}").status_code == 500
    person.open(rp.request(**changes))
    if "redirect_uri" in changes:
        assert person.page.status_code == 400
    else:
        assert answer_of(person.address)["error"] == "unsupported_response_type"


def part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


@pytest.mark.filterwarnings("ignore:JWS algorithm")  # joserfc warns of `none`, and verifies it
def test_a_request_object_needs_no_signature(
    stock: FlaskClient, person: Person, rp: RelyingParty, clock: FrozenClock
) -> None:
    inner = {"client_id": "client", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid"}
    assert "code" in at_stock(stock, request=f"{part({'alg': 'none'})}.{part(inner)}.")
    party = SigningParty(rp, clock)
    party.register()
    person.open(party.by_value(f"{part({'alg': 'none'})}.{part(party.claims())}."))
    assert "code" not in person.address
    assert "invalid_request_object" in person.address + person.text


@pytest.mark.parametrize(
    "changes",
    [{"aud": "https://other.example"}, {"iss": "other"}, {"exp": None}, {"aud": None}, {"typ": "at+jwt"}],
    ids=lambda changes: f"{next(iter(changes))} {next(iter(changes.values()))}",
)
def test_a_request_object_for_somebody_else_is_taken(
    stock: FlaskClient, person: Person, rp: RelyingParty, clock: FrozenClock, changes: dict[str, Any]
) -> None:
    inner = {"client_id": "client", "redirect_uri": CALLBACK, "response_type": "code", "scope": "openid"}
    kind = {"typ": changes["typ"]} if "typ" in changes else {}
    claims = {name: value for name, value in changes.items() if value is not None and name != "typ"}
    assert "code" in at_stock(
        stock, request=encode({"alg": "RS256", "kid": "client", **kind}, inner | claims, CLIENT_KEY)
    )
    party = SigningParty(rp, clock)
    party.register()
    person.open(party.by_value(party.object(**changes)))
    assert "invalid_request_object" in person.address + person.text


def test_an_access_token_ends_a_session(stock: FlaskClient, person: Person, rp: RelyingParty) -> None:
    """Ours are told apart by their typ, whoever's key they bear."""
    now = int(time.time())
    claims = {"iss": "https://other.example", "aud": "client", "sub": "s", "iat": now, "exp": now + 60}
    for kind in ("at+jwt", "logout+jwt"):
        hint = encode({"alg": "RS256", "kid": "server", "typ": kind}, claims, SERVER_KEY)
        answer = stock.get("/logout", query_string={"id_token_hint": hint, "post_logout_redirect_uri": BYE})
        assert answer.headers["Location"] == BYE
    tokens = rp.redeem(at_ours(person, rp)["code"]).get_json()
    query = {"id_token_hint": tokens["access_token"], "post_logout_redirect_uri": "https://cpx.example.ch/bye"}
    answer = person.client.get("/logout", query_string=query, base_url=ISSUER)
    assert (answer.status_code, "Location" in answer.headers) == (200, False)
    assert "code" in at_ours(person, rp, prompt="none")


@pytest.fixture
def invitation(web: Flask, services: Services) -> str:
    secret, _ = services.invites.invite(DESCRIBED, timedelta(days=14))
    db.session.commit()
    return secret


def register(web: Flask, invitation: str, metadata: Any) -> tuple[int, dict[str, Any]]:
    headers = {"Authorization": f"Bearer {invitation}"}
    answer = web.test_client().post("/register", json=metadata, headers=headers, base_url=ISSUER)
    return answer.status_code, answer.get_json()


@pytest.mark.parametrize(
    "metadata",
    [
        {"client_name": "no addresses"},
        {"redirect_uris": ["http://rp.example/callback"]},
        {"redirect_uris": ["javascript://rp.example/%0aalert(1)"]},
        {"redirect_uris": [REGISTERED], "token_endpoint_auth_method": "private_key_jwt"},
    ],
    ids=["no address", "http", "javascript", "no keys"],
)
def test_bad_metadata_are_registered(stock: FlaskClient, web: Flask, invitation: str, metadata: Any) -> None:
    made = stock.post("/register", json=metadata)
    assert made.status_code == 201
    assert made.get_json()["client_secret"]  # also for a client that has no use for one
    status, body = register(web, invitation, metadata)
    assert (status, body["error"]) in {(400, "invalid_redirect_uri"), (400, "invalid_client_metadata")}


@pytest.mark.parametrize("metadata", [[1], {"redirect_uris": [1]}, {"grant_types": 5}])
def test_metadata_of_another_type_are_a_fault(stock: FlaskClient, web: Flask, invitation: str, metadata: Any) -> None:
    assert stock.post("/register", json=metadata).status_code == 500
    status, body = register(web, invitation, metadata)
    assert (status, body["error"]) in {(400, "invalid_redirect_uri"), (400, "invalid_client_metadata")}


def test_what_the_library_does_not_know_is_dropped(stock: FlaskClient, web: Flask, invitation: str) -> None:
    known = {
        "backchannel_logout_uri": "https://fon.example.ch/ended", "dpop_bound_access_tokens": True,
        "require_pushed_authorization_requests": True,
    }  # fmt: skip
    made = stock.post("/register", json={"redirect_uris": [REGISTERED], **known}).get_json()
    assert not set(known) & set(made)
    status, body = register(web, invitation, {"redirect_uris": [REGISTERED], **known})
    assert status == 201
    assert {name: body[name] for name in known} == known


def test_the_algorithms_of_fapi_are_not_among_the_librarys_own(rp: RelyingParty, person: Person) -> None:
    """joserfc signs and verifies with HS256, RS256 and ES256 unless it is told; so a list is given everywhere."""
    assert {"PS256", "EdDSA", "Ed25519"} & set(JWSRegistry.recommended) == set()
    with pytest.raises(Exception, match="PS256"):
        encode({"alg": "PS256"}, {}, SERVER_KEY)
    assert encode({"alg": "ES256"}, {}, ECKey.generate_key("P-256", private=True))
