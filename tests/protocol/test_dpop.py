"""DPoP (RFC 9449) at the token endpoint and at userinfo: what a proof must be, and what it binds."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from hypothesis import given
from hypothesis import strategies as st
from joserfc.jwk import ECKey
from sqlalchemy import text
from werkzeug.test import TestResponse

from idp.clock import FrozenClock
from idp.models.base import db
from idp.protocol.dpop import normalised
from idp.services.bundle import Services
from idp.settings import Settings
from tests.support.holder import MAKERS, ProofKey, b64url, signed
from tests.support.person import ISSUER
from tests.support.portal_client import PortalClient, change, client
from wsgi import create_app


@pytest.fixture
def portal(web: Flask, services: Services, clock: FrozenClock) -> PortalClient:
    return client(web, services, dpop=ProofKey(clock))


def proof_of(portal: PortalClient) -> ProofKey:
    assert portal.dpop is not None
    return portal.dpop


def error_of(response: TestResponse) -> tuple[int, str]:
    return response.status_code, response.get_json()["error"]


@pytest.mark.parametrize("alg", ["ES256", "PS256", "EdDSA", "Ed25519"])
def test_a_token_is_bound_to_the_key_of_the_proof(web: Flask, services: Services, clock: FrozenClock, alg: str) -> None:
    portal = client(web, services, dpop=ProofKey(clock, alg))
    tokens = portal.tokens()
    assert tokens["token_type"] == "DPoP"
    assert portal.userinfo(tokens["access_token"]).status_code == 200
    refreshed = portal.refresh(tokens["refresh_token"]).get_json()
    assert refreshed["token_type"] == "DPoP"


def test_the_scheme_is_read_in_any_case(portal: PortalClient) -> None:
    token, key = portal.tokens()["access_token"], proof_of(portal)
    for scheme in ("DPoP", "dpop", "dPOP", "DPOP"):
        headers = {"Authorization": f"{scheme} {token}", "dPoP": key.proof("GET", "/userinfo", token)}
        assert web_get(portal, headers).status_code == 200


def web_get(portal: PortalClient, headers: dict[str, str]) -> TestResponse:
    return portal.web.test_client().get("/userinfo", headers=headers, base_url=ISSUER)


def test_a_refresh_token_of_a_confidential_client_is_bound_to_the_client_and_not_to_the_key(
    portal: PortalClient, clock: FrozenClock
) -> None:
    refresh_token = portal.tokens()["refresh_token"]
    portal.dpop = ProofKey(clock)
    tokens = portal.refresh(refresh_token).get_json()
    assert tokens["token_type"] == "DPoP"
    assert portal.userinfo(tokens["access_token"]).status_code == 200


def test_where_registered_no_token_goes_out_without_a_proof(portal: PortalClient) -> None:
    change(portal.portal, dpop_bound_access_tokens=True)
    key, code = portal.dpop, portal.code()
    portal.dpop = None
    assert error_of(portal.redeem(code)) == (400, "invalid_dpop_proof")
    portal.dpop = key
    tokens = portal.redeem(code).get_json()  # the refusal left the code usable
    portal.dpop = None
    assert error_of(portal.refresh(tokens["refresh_token"])) == (400, "invalid_dpop_proof")
    portal.dpop = key
    assert portal.refresh(tokens["refresh_token"]).status_code == 200


def test_without_a_proof_and_where_nothing_is_registered_the_token_is_a_bearer_token(portal: PortalClient) -> None:
    portal.dpop = None
    tokens = portal.tokens()
    assert tokens["token_type"] == "Bearer"
    assert portal.userinfo(tokens["access_token"]).status_code == 200


def test_a_code_asked_for_with_dpop_jkt_is_redeemed_with_that_key_alone(
    portal: PortalClient, clock: FrozenClock
) -> None:
    key = proof_of(portal)
    assert portal.redeem(portal.code(dpop_jkt=key.jkt)).status_code == 200
    code = portal.code(dpop_jkt=key.jkt)
    portal.dpop = ProofKey(clock)
    assert error_of(portal.redeem(code)) == (400, "invalid_grant")
    portal.dpop = None
    assert error_of(portal.redeem(portal.code(dpop_jkt=key.jkt))) == (400, "invalid_grant")


OTHER = MAKERS["ES256"]()
WRONG_HEADERS: dict[str, dict[str, Any]] = {
    "no typ": {"typ": None}, "wrong typ": {"typ": "JWT"}, "no jwk": {"jwk": None},
    "another jwk": {"jwk": OTHER.as_dict(private=False)}, "private jwk": {"jwk": OTHER.as_dict(private=True)},
}  # fmt: skip
WRONG_CLAIMS: dict[str, dict[str, Any]] = {
    "no jti": {"jti": None}, "empty jti": {"jti": ""}, "jti a number": {"jti": 7}, "long jti": {"jti": "j" * 201},
    "no htm": {"htm": None}, "wrong htm": {"htm": "PUT"}, "htm in lower case": {"htm": "get"},
    "no htu": {"htu": None}, "wrong path": {"htu": f"{ISSUER}/other"}, "wrong host": {"htu": "http://localhost:9/x"},
    "htu a number": {"htu": 7}, "htu without scheme": {"htu": "localhost:8000/userinfo"},
    "no iat": {"iat": None}, "iat a text": {"iat": "now"}, "iat true": {"iat": True},
    "exp past": {"exp": 1_600_000_000}, "exp a text": {"exp": "soon"}, "nbf to come": {"nbf": 2**32},
}  # fmt: skip


def refusals(key: ProofKey, method: str, path: str, token: str | None = None) -> dict[str, str]:
    """The corpus of the FAPI suite's dpop-negative-tests, for one request."""
    now = int(key.clock.now().timestamp())
    claims = key.claims(method, path, token)
    head, body, signature = key.proof(method, path, token).split(".")
    found = {
        name: signed(key.header(**changes), key.claims(method, path, token), key.key)
        for name, changes in WRONG_HEADERS.items()
    }
    found |= {name: key.proof(method, path, token, **changes) for name, changes in WRONG_CLAIMS.items()}
    rsa = ProofKey(key.clock, "RS256")
    found |= {
        "an hour old": key.proof(method, path, token, iat=now - 3600),
        "an hour ahead": key.proof(method, path, token, iat=now + 3600),
        "two minutes old": key.proof(method, path, token, iat=now - 120),
        "eleven seconds ahead": key.proof(method, path, token, iat=now + 11),
        "RS256": rsa.proof(method, path, token),
        "none": f"{b64url(json.dumps({**key.header(), 'alg': 'none'}).encode())}.{body}.",
        "no alg": f"{b64url(json.dumps(key.header(alg=None)).encode())}.{body}.{signature}",
        "bad signature": f"{head}.{body}.{signature[:-4]}AAAA",
        "changed claims": f"{head}.{b64url(json.dumps({**claims, 'jti': 'x'}).encode())}.{signature}",
        "two headers": f"{key.proof(method, path, token)}, {key.proof(method, path, token)}",
        "malformed": "not.a.jwt", "empty": "", "text": "é",
    }  # fmt: skip
    return found


def test_at_the_token_endpoint_a_wrong_proof_is_refused_and_costs_nothing(portal: PortalClient) -> None:
    code = portal.code()
    for name, proof in refusals(proof_of(portal), "POST", "/token").items():
        refused = portal.post("/token", {"grant_type": "authorization_code", "code": code}, headers={"DPoP": proof})
        assert error_of(refused) == (400, "invalid_dpop_proof"), name
        assert refused.headers["Cache-Control"] == "no-store"
        assert refused.get_json()["error_description"].isascii()
    assert portal.redeem(code).status_code == 200


def test_at_userinfo_a_wrong_proof_is_refused_with_a_challenge(portal: PortalClient, clock: FrozenClock) -> None:
    token, key = portal.tokens()["access_token"], proof_of(portal)
    wrong = refusals(key, "GET", "/userinfo", token)
    wrong |= {
        "no ath": key.proof("GET", "/userinfo", token, ath=None),
        "ath of another": key.proof("GET", "/userinfo", "cc_at_other"),
        "ath a number": key.proof("GET", "/userinfo", token, ath=7),
        "ath no ascii": key.proof("GET", "/userinfo", token, ath="é"),
    }
    for name, proof in wrong.items():
        refused = portal.userinfo(token, headers={"DPoP": proof})
        assert error_of(refused) == (401, "invalid_dpop_proof"), name
        expected = 'DPoP realm="connect", error="invalid_dpop_proof", algs="ES256 PS256 EdDSA Ed25519"'
        assert refused.headers["WWW-Authenticate"] == expected, name
    stranger = ProofKey(clock)
    refused = portal.userinfo(token, headers={"DPoP": stranger.proof("GET", "/userinfo", token)})
    assert error_of(refused) == (401, "invalid_token")
    bare = web_get(portal, {"Authorization": f"DPoP {token}"})
    assert error_of(bare) == (401, "invalid_dpop_proof")
    assert portal.userinfo(token).status_code == 200


def test_a_bound_token_is_no_bearer_token_and_a_bearer_token_does_not_pass_for_bound(portal: PortalClient) -> None:
    bound, key = portal.tokens()["access_token"], proof_of(portal)
    refused = web_get(portal, {"Authorization": f"Bearer {bound}"})
    assert error_of(refused) == (401, "invalid_token")
    assert refused.headers["WWW-Authenticate"].startswith("DPoP ")
    with_proof = {"Authorization": f"Bearer {bound}", "DPoP": key.proof("GET", "/userinfo", bound)}
    assert web_get(portal, with_proof).status_code == 401
    in_body = portal.web.test_client().post("/userinfo", data={"access_token": bound}, base_url=ISSUER)
    assert in_body.status_code == 401
    portal.dpop = None
    bearer = portal.tokens()["access_token"]
    headers = {"Authorization": f"DPoP {bearer}", "DPoP": key.proof("GET", "/userinfo", bearer)}
    refused = web_get(portal, headers)
    assert error_of(refused) == (401, "invalid_token")
    assert refused.headers["WWW-Authenticate"].startswith("Bearer ")


def test_what_a_right_proof_may_look_like(portal: PortalClient) -> None:
    token, key = portal.tokens()["access_token"], proof_of(portal)
    now = int(key.clock.now().timestamp())
    fine: list[dict[str, Any]] = [
        {"iat": now - 10}, {"iat": now + 10}, {"iat": now - 119}, {"iat": now + 0.5}, {"exp": now + 60, "nbf": now - 5},
        {"nbf": now + 10}, {"extra": {"unknown": [1, 2]}}, {"nonce": "not asked for"}, {"jti": "é\ud800"},
        {"htu": f"{ISSUER}/userinfo?x=1"}, {"htu": f"{ISSUER}/userinfo#x"}, {"htu": "HTTP://LOCALHOST:8000/userinfo"},
        {"htu": "http://localhost:8000/user%69nfo"},
    ]  # fmt: skip
    for changes in fine:
        answer = portal.userinfo(token, headers={"DPoP": key.proof("GET", "/userinfo", token, **changes)})
        assert answer.status_code == 200, changes


def test_a_proof_serves_once(portal: PortalClient, clock: FrozenClock) -> None:
    token, key = portal.tokens()["access_token"], proof_of(portal)
    proof = key.proof("GET", "/userinfo", token)
    assert portal.userinfo(token, headers={"DPoP": proof}).status_code == 200
    assert error_of(portal.userinfo(token, headers={"DPoP": proof})) == (401, "invalid_dpop_proof")
    at_token = key.proof("POST", "/token")
    code, other = portal.code(), portal.code()
    given = {"grant_type": "authorization_code", "code_verifier": "v" * 43}
    given["redirect_uri"] = portal.portal.redirect_uris[0]
    assert portal.post("/token", {**given, "code": code}, headers={"DPoP": at_token}).status_code == 200
    replay = portal.post("/token", {**given, "code": other}, headers={"DPoP": at_token})
    assert error_of(replay) == (400, "invalid_dpop_proof")
    assert portal.post("/token", {**given, "code": other}).status_code == 200  # the replay left the code alone


def test_a_stranger_cannot_use_up_somebodys_proof(portal: PortalClient) -> None:
    """Only who is authenticated spends a proof, so nobody fills the table of spent ones either."""
    key = proof_of(portal)
    proof = key.proof("POST", "/token")
    anonymous = portal.web.test_client().post(
        "/token", data={"grant_type": "authorization_code"}, headers={"DPoP": proof}, base_url=ISSUER
    )
    assert anonymous.status_code == 401
    code = portal.code()
    given = {"grant_type": "authorization_code", "code": code, "code_verifier": "v" * 43}
    given["redirect_uri"] = portal.portal.redirect_uris[0]
    assert portal.post("/token", given, headers={"DPoP": proof}).status_code == 200


def test_two_keys_may_choose_the_same_jti(portal: PortalClient, clock: FrozenClock) -> None:
    for _ in range(2):
        portal.dpop = ProofKey(clock)
        proof = portal.dpop.proof("POST", "/token", jti="the-same")
        assert portal.refresh(portal.tokens()["refresh_token"]).status_code == 200
        answer = portal.post("/token", {"grant_type": "refresh_token", "refresh_token": "x"}, headers={"DPoP": proof})
        assert error_of(answer) == (400, "invalid_grant")


def test_when_it_cannot_be_known_whether_a_proof_is_new_nothing_is_given(portal: PortalClient) -> None:
    token = portal.tokens()["access_token"]
    code = portal.code()
    db.session.execute(text("ALTER TABLE assertion_id RENAME TO gone"))
    db.session.commit()
    assert portal.redeem(code).status_code >= 500
    assert portal.userinfo(token).status_code >= 500
    db.session.execute(text("ALTER TABLE gone RENAME TO assertion_id"))
    db.session.commit()
    assert portal.redeem(code).status_code == 200


@pytest.fixture
def strict(app: Flask, environment: dict[str, str], services: Services, signing_keys: None) -> Flask:
    """The same installation, asking for nonces."""
    settings = Settings.from_environ({**environment, "CONNECT_DPOP_NONCE": "true"})
    return create_app(services=replace(services, settings=settings))


def test_a_nonce_is_asked_for_where_the_installation_says_so(
    strict: Flask, services: Services, clock: FrozenClock
) -> None:
    portal = client(strict, services, dpop=ProofKey(clock), token_endpoint_auth_method="private_key_jwt")
    key, code, assertion = proof_of(portal), portal.code(), portal.assertion()
    given = {"grant_type": "authorization_code", "code": code, "code_verifier": "v" * 43}
    given |= {"redirect_uri": portal.portal.redirect_uris[0], "client_assertion": assertion}
    refused = portal.post("/token", given)
    assert error_of(refused) == (400, "use_dpop_nonce")
    nonce = refused.headers["DPoP-Nonce"]
    # Neither code nor assertion was used up by the question.
    answer = portal.post("/token", given, headers={"DPoP": key.proof("POST", "/token", nonce=nonce)})
    assert answer.status_code == 200
    token, nonce = answer.get_json()["access_token"], answer.headers["DPoP-Nonce"]
    refused = portal.userinfo(token)
    assert error_of(refused) == (401, "use_dpop_nonce")
    assert refused.headers["WWW-Authenticate"].startswith('DPoP realm="connect", error="use_dpop_nonce"')
    assert refused.headers["DPoP-Nonce"] == nonce

    def ask() -> int:
        proof = key.proof("GET", "/userinfo", token, nonce=nonce)
        return portal.userinfo(token, headers={"DPoP": proof}).status_code

    assert ask() == 200
    clock.advance(timedelta(minutes=5))
    assert ask() == 200  # the one before is good for another five minutes
    clock.advance(timedelta(minutes=5))
    assert ask() == 401


def test_without_that_setting_no_nonce_is_offered(portal: PortalClient) -> None:
    assert "DPoP-Nonce" not in portal.redeem(portal.code()).headers


@pytest.mark.parametrize(
    ("address", "plain"),
    [
        ("https://Connect.Example.CH:443/token?x#y", "https://connect.example.ch/token"),
        ("HTTP://a.ch:80", "http://a.ch/"),
        ("https://a.ch:8443/%7Euser/%2f", "https://a.ch:8443/~user/%2F"),
        ("https://[2001:DB8::1]:443/x", "https://[2001:db8::1]/x"),
        ("https://user@a.ch/", None), ("ftp://a.ch/", None), ("https:///x", None), ("/token", None), ("", None),
        ("https://a.ch:port/", None), ("https://a.ch:99999/", None), ("https://[::1/", None), ("https://é.ch/", None),
        ("https://a.ch/\n", None), (None, None), (7, None), ([], None),
    ],
)  # fmt: skip
def test_addresses_are_compared_in_their_normal_form(address: object, plain: str | None) -> None:
    assert normalised(address) == plain


@given(st.text() | st.integers() | st.none())
def test_no_address_breaks_the_comparison(address: object) -> None:
    plain = normalised(address)
    assert plain is None or normalised(plain) == plain


def test_the_curve_of_the_key_must_be_that_of_the_algorithm(portal: PortalClient) -> None:
    wide = ECKey.generate_key("P-384", private=True)
    token = signed({"alg": "ES384", "typ": "dpop+jwt", "jwk": wide.as_dict(private=False)}, {}, wide)
    assert error_of(portal.post("/token", {}, headers={"DPoP": token}, grant_type="refresh_token")) == (
        400, "invalid_dpop_proof",
    )  # fmt: skip
