"""The client credentials grant: a token in the portal's own name, which says nothing of any person."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from idp.models.authorization import AccessToken, RefreshToken
from idp.models.base import db
from idp.services.bundle import Services
from tests.support.portal_client import PortalClient, change, client

API, FILES = "https://api.cpx.example.ch/v1", "https://files.cpx.example.ch/"


@pytest.fixture
def portal(web: Flask, services: Services) -> PortalClient:
    return client(web, services, grant_types=["client_credentials"], resources=[API, FILES])


def ask(portal: PortalClient, **more: object) -> dict[str, object]:
    body: dict[str, object] = portal.post("/token", {"grant_type": "client_credentials", **more}).get_json()
    return body


def test_the_answer_has_an_access_token_alone(portal: PortalClient) -> None:
    body = ask(portal)
    assert set(body) == {"access_token", "token_type", "expires_in"}
    assert db.session.scalars(select(RefreshToken)).all() == []
    assert db.session.scalars(select(AccessToken)).one().grant_id is None


def test_it_is_for_the_registered_resources(portal: PortalClient) -> None:
    said = portal.post("/introspect", {"token": ask(portal)["access_token"]}).get_json()
    assert (said["active"], said["aud"]) == (True, [API, FILES])
    assert said["sub"] == said["client_id"] == portal.portal.client_id
    assert not {"auth_time", "acr", "amr", "sid", "scope"} & set(said)
    narrow = portal.post("/introspect", {"token": ask(portal, resource=FILES)["access_token"]}).get_json()
    assert narrow["aud"] == FILES
    assert ask(portal, resource="https://other.example.ch")["error"] == "invalid_target"


def test_it_opens_no_persons_data(portal: PortalClient) -> None:
    change(portal.portal, resources=[])
    answer = portal.userinfo(str(ask(portal)["access_token"]))
    assert (answer.status_code, answer.get_json()["error"]) == (403, "insufficient_scope")
    assert answer.headers["WWW-Authenticate"] == ('Bearer realm="connect", error="insufficient_scope", scope="openid"')


@pytest.mark.parametrize("scope", ["openid", "profile", "email openid", "insurance", "offline_access", "admin", "é"])
def test_no_scope_of_a_person_is_given(portal: PortalClient, scope: str) -> None:
    assert ask(portal, scope=scope)["error"] == "invalid_scope"


def test_a_scope_of_its_own_is_given_once(portal: PortalClient) -> None:
    change(portal.portal, scopes=["openid", "pensions.read", "pensions.write"])
    assert ask(portal, scope="pensions.read pensions.read")["scope"] == "pensions.read"
    assert ask(portal, scope="pensions.read openid")["error"] == "invalid_scope"


def test_it_dies_with_its_portal(portal: PortalClient, services: Services) -> None:
    other = client(portal.web, services, "rs", home_url=API)
    token = ask(portal, resource=API)["access_token"]
    assert other.post("/introspect", {"token": token}).get_json()["active"] is True
    change(portal.portal, disabled_at=services.clock.now())
    assert other.post("/introspect", {"token": token}).get_json() == {"active": False}
