"""Token exchange (RFC 8693): an own token for a narrower one at a registered resource, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.services.bundle import Services
from tests.support.holder import ProofKey
from tests.support.portal_client import EVERY_GRANT, EXCHANGE, PortalClient, change, client

API, FILES = "https://api.cpx.example.ch/v1", "https://files.cpx.example.ch/"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"


@pytest.fixture(params=["opaque", "jwt"])
def portal(request: pytest.FixtureRequest, web: Flask, services: Services) -> PortalClient:
    form = request.param
    return client(web, services, grant_types=EVERY_GRANT, resources=[API, FILES], access_token_format=form)


def exchange(portal: PortalClient, token: str, **more: Any) -> tuple[int, dict[str, Any]]:
    given = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS, "resource": API}
    response = portal.post("/token", {**given, **more})
    return response.status_code, response.get_json()


def said(portal: PortalClient, token: str) -> dict[str, Any]:
    body: dict[str, Any] = portal.post("/introspect", {"token": token}).get_json()
    return body


def test_the_new_token_is_for_the_resource_and_says_who_acts(portal: PortalClient, clock: FrozenClock) -> None:
    token = portal.tokens(scope="openid email profile")["access_token"]
    clock.advance(timedelta(minutes=4))
    status, body = exchange(portal, token, scope="email")
    assert status == 200
    assert set(body) == {"access_token", "token_type", "expires_in", "scope", "issued_token_type"}
    assert (body["issued_token_type"], body["scope"], body["expires_in"]) == (ACCESS, "email", 360)
    before, after = said(portal, token), said(portal, body["access_token"])
    assert after["aud"] == API
    assert after["act"] == {"sub": portal.portal.client_id}
    assert (after["sub"], after["exp"], after["auth_time"]) == (before["sub"], before["exp"], before["auth_time"])
    assert portal.userinfo(body["access_token"]).status_code == 401


def test_audience_is_another_word_for_resource(portal: PortalClient) -> None:
    token = portal.tokens()["access_token"]
    _, body = exchange(portal, token, resource=None, audience=FILES)
    assert said(portal, body["access_token"])["aud"] == FILES
    _, both = exchange(portal, token, audience=[FILES, API])
    assert said(portal, both["access_token"])["aud"] == [API, FILES]


def test_it_dies_with_the_grant_of_the_first(portal: PortalClient) -> None:
    tokens = portal.tokens()
    _, body = exchange(portal, tokens["access_token"])
    portal.post("/revoke", {"token": tokens["refresh_token"]})
    assert said(portal, body["access_token"]) == {"active": False}


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"scope": "openid email insurance"}, "invalid_scope"), ({"resource": "https://evil.ch"}, "invalid_target"),
        ({"resource": None}, "invalid_target"), ({"audience": "client-other"}, "invalid_target"),
        ({"resource": f"{API}#x"}, "invalid_target"), ({"subject_token": None}, "invalid_request"),
        ({"subject_token": "cc_at_x"}, "invalid_request"), ({"subject_token": "é"}, "invalid_request"),
        ({"subject_token_type": None}, "invalid_request"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"requested_token_type": "urn:ietf:params:oauth:token-type:refresh_token"}, "invalid_request"),
        ({"actor_token": "x"}, "invalid_request"), ({"actor_token_type": ACCESS}, "invalid_request"),
    ],
)  # fmt: skip
def test_nothing_wider_and_nothing_else(portal: PortalClient, changes: dict[str, Any], error: str) -> None:
    token = portal.tokens(scope="openid email")["access_token"]
    assert exchange(portal, token, **changes)[1]["error"] == error
    assert exchange(portal, token, requested_token_type=ACCESS)[0] == 200


def test_only_an_own_access_token_of_a_person_is_exchanged(portal: PortalClient, services: Services) -> None:
    tokens = portal.tokens()
    other = client(portal.web, services, "other", grant_types=EVERY_GRANT, resources=[API])
    assert exchange(other, tokens["access_token"])[1]["error"] == "invalid_request"
    for wrong in (tokens["id_token"], tokens["refresh_token"], portal.code()):
        assert exchange(portal, wrong)[1]["error"] == "invalid_request"
    nobody = portal.post("/token", {"grant_type": "client_credentials"}).get_json()["access_token"]
    assert exchange(portal, nobody)[1]["error"] == "invalid_request"
    portal.post("/revoke", {"token": tokens["access_token"]})
    assert exchange(portal, tokens["access_token"])[1]["error"] == "invalid_request"


def test_what_came_of_an_exchange_is_not_exchanged_again(portal: PortalClient) -> None:
    _, body = exchange(portal, portal.tokens()["access_token"])
    assert exchange(portal, body["access_token"], resource=FILES)[1]["error"] == "invalid_request"


def test_a_bound_token_is_exchanged_by_the_holder_of_its_key(portal: PortalClient, clock: FrozenClock) -> None:
    portal.dpop = ProofKey(clock)
    token = portal.tokens()["access_token"]
    status, body = exchange(portal, token)
    assert (status, body["token_type"]) == (200, "DPoP")
    assert said(portal, body["access_token"])["cnf"] == {"jkt": portal.dpop.jkt}
    for other in (None, ProofKey(clock)):
        portal.dpop = other
        assert exchange(portal, token)[1]["error"] == "invalid_request"


def test_a_portal_must_have_registered_the_grant(portal: PortalClient) -> None:
    token = portal.tokens()["access_token"]
    change(portal.portal, grant_types=["authorization_code"])
    assert exchange(portal, token)[1]["error"] == "unauthorized_client"
