"""Introspection (RFC 7662, RFC 9701) and revocation (RFC 7009): whose business a token is, and whose it is not."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import KeySet

from idp.clock import FrozenClock
from idp.services.bundle import Services
from tests.support.holder import ProofKey
from tests.support.person import ISSUER
from tests.support.portal_client import PortalClient, change, client
from tests.support.relying_party import header_of

API = "https://api.cpx.example.ch/v1"
SIGNED = "application/token-introspection+jwt"
NOTHING = b'{"active":false}'


@pytest.fixture
def portal(web: Flask, services: Services) -> PortalClient:
    return client(web, services, resources=[API])


@pytest.fixture
def stranger(web: Flask, services: Services) -> PortalClient:
    """May ask for tokens for the same resource, and is not the resource."""
    return client(web, services, "stranger", resources=[API])


@pytest.fixture
def api(web: Flask, services: Services) -> PortalClient:
    """The resource server."""
    return client(web, services, "api", home_url="https://api.cpx.example.ch/")


def test_a_portal_learns_of_its_own_tokens(portal: PortalClient, clock: FrozenClock) -> None:
    portal.dpop = ProofKey(clock)
    tokens = portal.tokens(scope="openid email offline_access")
    now = int(clock.now().timestamp())
    said = portal.post("/introspect", {"token": tokens["access_token"], "token_type_hint": "refresh_token"}).get_json()
    expected = {
        "active": True, "token_type": "DPoP", "scope": "openid email offline_access", "iss": ISSUER, "aud": ISSUER,
        "client_id": portal.portal.client_id, "iat": now, "exp": now + 600,
    }  # fmt: skip
    assert {name: said[name] for name in expected} == expected
    assert said["cnf"] == {"jkt": portal.dpop.jkt}
    assert (said["acr"], said["amr"], said["auth_time"]) == ("mfa", ["pwd", "sms", "mfa"], now)
    assert said["sub"] == portal.userinfo(tokens["access_token"]).get_json()["sub"]
    refresh = portal.post("/introspect", {"token": tokens["refresh_token"]}).get_json()
    assert refresh == {
        "active": True, "iss": ISSUER, "sub": said["sub"], "client_id": portal.portal.client_id,
        "scope": "openid email offline_access", "exp": now + 7 * 24 * 3600,
    }  # fmt: skip


def test_a_resource_server_learns_of_tokens_that_are_meant_for_it(portal: PortalClient, api: PortalClient) -> None:
    token = portal.tokens(resources=(API,))["access_token"]
    said = api.post("/introspect", {"token": token}).get_json()
    assert (said["active"], said["aud"], said["client_id"]) == (True, API, portal.portal.client_id)
    for other in (portal.tokens()["access_token"], portal.tokens(resources=(API,))["refresh_token"]):
        assert api.post("/introspect", {"token": other}).data == NOTHING


def test_everybody_else_learns_the_same_of_every_token(
    portal: PortalClient, stranger: PortalClient, clock: FrozenClock
) -> None:
    tokens = portal.tokens(resources=(API,))
    mine = portal.tokens()
    portal.post("/revoke", {"token": mine["access_token"]})
    expired = portal.tokens()["access_token"]
    answers = [
        stranger.post("/introspect", {"token": token, "token_type_hint": hint})
        for token in (
            tokens["access_token"], tokens["refresh_token"], tokens["id_token"], "cc_at_" + "A" * 43,
            "cc_rt_" + "A" * 43, "", "é", "a.b.c", "cc_code_" + "A" * 43, "x" * 5000,
        )
        for hint in ("access_token", "refresh_token", "id_token", "é")
    ]  # fmt: skip
    clock.advance(timedelta(minutes=11))
    answers += [portal.post("/introspect", {"token": token}) for token in (mine["access_token"], expired)]
    assert {(answer.status_code, answer.data, answer.content_type) for answer in answers} == {
        (200, NOTHING, "application/json")
    }
    assert len({frozenset(name for name, _ in answer.headers) for answer in answers}) == 1


def test_who_asks_must_be_a_client_and_name_a_token(portal: PortalClient, web: Flask) -> None:
    token = portal.tokens()["access_token"]
    for path in ("/introspect", "/revoke"):
        anonymous = web.test_client().post(path, data={"token": token}, base_url=ISSUER)
        assert (anonymous.status_code, anonymous.get_json()["error"]) == (401, "invalid_client")
        nothing = portal.post(path, {})
        assert (nothing.status_code, nothing.get_json()["error"]) == (400, "invalid_request")
        assert portal.post(f"{path}?token={token}", {"token": token}).status_code == 400
        assert portal.post(path, {"token": [token, token]}).status_code == 400
        assert web.test_client().get(f"{path}?token={token}", base_url=ISSUER).status_code == 405
    assert portal.userinfo(token).status_code == 200


@pytest.mark.parametrize("alg", [None, "RS256", "PS256", "ES256", "EdDSA"])
def test_a_signed_statement_is_made_for_who_asks_for_it(
    portal: PortalClient, web: Flask, clock: FrozenClock, alg: str | None
) -> None:
    change(portal.portal, introspection_signed_response_alg=alg)
    token = portal.tokens()["access_token"]
    plain = portal.post("/introspect", {"token": token}).get_json()
    answer = portal.post("/introspect", {"token": token}, headers={"Accept": SIGNED})
    assert answer.content_type == SIGNED
    statement = answer.get_data(as_text=True)
    assert (header_of(statement)["typ"], header_of(statement)["alg"]) == ("token-introspection+jwt", alg or "RS256")
    keys = KeySet.import_key_set(web.test_client().get("/jwks", base_url=ISSUER).get_json())
    claims = jwt.decode(statement, keys, algorithms=[alg or "RS256"]).claims
    assert claims == {
        "iss": ISSUER, "aud": portal.portal.client_id, "iat": int(clock.now().timestamp()),
        "token_introspection": plain,
    }  # fmt: skip
    unknown = portal.post("/introspect", {"token": "x"}, headers={"Accept": SIGNED}).get_data(as_text=True)
    assert jwt.decode(unknown, keys, algorithms=[alg or "RS256"]).claims["token_introspection"] == {"active": False}


@pytest.mark.parametrize(
    "accept", ["application/json", "*/*", "", "application/jwt", f"{SIGNED};q=0", "application/*", "é", ";;,"]
)
def test_every_other_accept_header_gets_json(portal: PortalClient, accept: str) -> None:
    answer = portal.post("/introspect", {"token": "x"}, headers={"Accept": accept})
    assert (answer.data, answer.content_type) == (NOTHING, "application/json")


def test_one_access_token_is_given_back_and_the_rest_stays(portal: PortalClient) -> None:
    tokens = portal.tokens()
    more = portal.refresh(tokens["refresh_token"]).get_json()
    for hint in ("refresh_token", "access_token", "nonsense", None):
        answer = portal.post("/revoke", {"token": tokens["access_token"], "token_type_hint": hint})
        assert (answer.status_code, answer.get_json()) == (200, {})
    assert portal.userinfo(tokens["access_token"]).status_code == 401
    assert portal.userinfo(more["access_token"]).status_code == 200


@pytest.mark.parametrize("is_used", [False, True])
def test_a_refresh_token_takes_its_family_along(portal: PortalClient, is_used: bool) -> None:
    tokens = portal.tokens()
    more = portal.refresh(tokens["refresh_token"]).get_json()
    given = tokens["refresh_token"] if is_used else more["refresh_token"]
    answer = portal.post("/revoke", {"token": given, "token_type_hint": "access_token"})
    assert answer.status_code == 200
    for token in (tokens, more):
        assert portal.userinfo(token["access_token"]).status_code == 401
    assert portal.refresh(more["refresh_token"]).get_json()["error"] == "invalid_grant"


def test_only_own_tokens_are_given_back(portal: PortalClient, stranger: PortalClient, api: PortalClient) -> None:
    tokens = portal.tokens(resources=(API,))
    answers: list[Any] = []
    for other in (stranger, api):
        for token in (tokens["access_token"], tokens["refresh_token"], "cc_at_x", "cc_rt_x", "", "é"):
            answer = other.post("/revoke", {"token": token})
            answers.append((answer.status_code, answer.data))
    assert set(answers) == {(200, b"{}")}
    assert portal.post("/introspect", {"token": tokens["access_token"]}).get_json()["active"] is True
    assert portal.refresh(tokens["refresh_token"]).status_code == 200


def test_neither_endpoint_uses_up_more_than_one_assertion(web: Flask, services: Services) -> None:
    """A chain of endpoint classes that each authenticate the client refuses its own client's second look."""
    portal = client(web, services, "key", token_endpoint_auth_method="private_key_jwt")
    tokens = portal.tokens()
    for token in (tokens["access_token"], tokens["refresh_token"], "cc_rt_x", "unknown"):
        assert portal.post("/introspect", {"token": token}).status_code == 200
        assert portal.post("/revoke", {"token": token}).status_code == 200
