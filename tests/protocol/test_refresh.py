"""Refresh: rotation that sees reuse, or a token that stays; narrower scopes; the sign-in that was stays what it was."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.base import db
from idp.services.bundle import Services
from tests.support.portal_client import PortalClient, change, client
from tests.support.relying_party import RelyingParty


@pytest.fixture
def portal(web: Flask, services: Services) -> PortalClient:
    return client(web, services)


@pytest.fixture
def stable(web: Flask, services: Services) -> PortalClient:
    return client(web, services, refresh_rotation=False)


def claims(portal: PortalClient, tokens: dict[str, Any]) -> dict[str, Any]:
    return RelyingParty(portal.web, portal.portal.client_id, "").claims(tokens["id_token"])


def test_a_rotated_token_that_comes_again_ends_the_family(portal: PortalClient) -> None:
    first = portal.tokens()
    second = portal.refresh(first["refresh_token"]).get_json()
    assert second["refresh_token"] != first["refresh_token"]
    replay = portal.refresh(first["refresh_token"])
    assert (replay.status_code, replay.get_json()["error"]) == (400, "invalid_grant")
    for token in (first, second):
        assert portal.userinfo(token["access_token"]).status_code == 401
        assert portal.refresh(token["refresh_token"]).get_json()["error"] == "invalid_grant"


def test_a_token_that_stays_works_again_and_again(stable: PortalClient, clock: FrozenClock) -> None:
    first = stable.tokens()
    for _ in range(3):
        clock.advance(timedelta(seconds=31))
        again = stable.refresh(first["refresh_token"])
        assert again.status_code == 200
        assert "refresh_token" not in again.get_json()
        assert stable.userinfo(again.get_json()["access_token"]).status_code == 200


def test_a_token_that_stays_ends_when_unused_and_in_any_case(stable: PortalClient, clock: FrozenClock) -> None:
    token = stable.tokens()["refresh_token"]
    for _ in range(4):
        clock.advance(timedelta(days=6, hours=23))
        assert stable.refresh(token).status_code == 200
    clock.advance(timedelta(days=3))
    assert stable.refresh(token).get_json()["error"] == "invalid_grant"
    idle = stable.tokens()["refresh_token"]
    clock.advance(timedelta(days=7, seconds=1))
    assert stable.refresh(idle).get_json()["error"] == "invalid_grant"


def test_the_sign_in_stays_what_it_was(portal: PortalClient, clock: FrozenClock) -> None:
    first = portal.tokens()
    clock.advance(timedelta(hours=2))
    second = portal.refresh(first["refresh_token"]).get_json()
    before, after = claims(portal, first), claims(portal, second)
    same = ("iss", "sub", "aud", "auth_time", "acr", "amr", "sid")
    assert [before[name] for name in same] == [after[name] for name in same]
    assert after["iat"] == before["iat"] + 7200
    assert "nonce" not in after


def test_a_scope_may_be_narrowed_and_never_widened(portal: PortalClient) -> None:
    token = portal.tokens(scope="openid email offline_access")["refresh_token"]
    for wide in ("openid profile", "address", "openid email offline_access insurance", "é"):
        refused = portal.refresh(token, scope=wide)
        assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_scope"), wide
    narrow = portal.refresh(token, scope="email").get_json()
    assert narrow["scope"] == "email"
    assert "id_token" not in narrow
    assert portal.userinfo(narrow["access_token"]).status_code == 403
    whole = portal.refresh(narrow["refresh_token"]).get_json()
    assert whole["scope"] == "openid email offline_access"


def test_another_client_gets_nothing_and_harms_nothing(portal: PortalClient, services: Services) -> None:
    token = portal.tokens()["refresh_token"]
    thief = client(portal.web, services, "thief")
    refused = thief.refresh(token)
    assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_grant")
    assert portal.refresh(token).status_code == 200


def test_without_client_authentication_nothing_is_refreshed(portal: PortalClient) -> None:
    token = portal.tokens()["refresh_token"]
    answer = portal.post(
        "/token", {"grant_type": "refresh_token", "refresh_token": token}, headers={"Authorization": "Basic eDp5"}
    )
    assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")


def test_a_refresh_token_is_given_only_where_it_was_asked_for_and_registered(portal: PortalClient) -> None:
    assert "refresh_token" not in portal.tokens(scope="openid email")
    change(portal.portal, grant_types=["authorization_code"])
    assert "refresh_token" not in portal.tokens()
    change(portal.portal, grant_types=["authorization_code", "refresh_token"], scopes=["openid", "email"])
    assert "refresh_token" not in portal.tokens()
    assert portal.refresh("cc_rt_x").get_json()["error"] == "unauthorized_client"


def test_a_disabled_account_gets_nothing_more(portal: PortalClient) -> None:
    tokens, code = portal.tokens(), portal.code()
    db.session.query(Account).update({"status": "disabled"})
    db.session.commit()
    assert portal.userinfo(tokens["access_token"]).status_code == 401
    assert portal.refresh(tokens["refresh_token"]).get_json()["error"] == "invalid_grant"
    assert portal.redeem(code).get_json()["error"] == "invalid_grant"
    assert portal.post("/introspect", {"token": tokens["access_token"]}).get_json() == {"active": False}
    assert portal.post("/introspect", {"token": tokens["refresh_token"]}).get_json() == {"active": False}
