"""Userinfo as a protected resource: every way to show a token, every way to be refused (RFC 6750, RFC 9470)."""

from __future__ import annotations

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.services.bundle import Services
from tests.support.person import ISSUER
from tests.support.portal_client import PortalClient, change, client

FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def portal(web: Flask, services: Services) -> PortalClient:
    return client(web, services)


def test_get_post_and_form_give_the_same(portal: PortalClient, web: Flask) -> None:
    token = portal.tokens()["access_token"]
    by_get, by_post = portal.userinfo(token), portal.userinfo(token, "POST")
    by_form = web.test_client().post("/userinfo", data={"access_token": token}, base_url=ISSUER)
    assert by_get.data == by_post.data == by_form.data
    for answer in (by_get, by_post, by_form):
        assert answer.status_code == 200
        assert answer.content_type == "application/json"
        assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize(
    "accept", ["*/*", "application/json", "application/jwt", "text/html;q=0.1", "", "é", "a/b, c/d;q=x", "x" * 3000]
)
def test_odd_accept_headers_get_json(portal: PortalClient, accept: str) -> None:
    answer = portal.userinfo(portal.tokens()["access_token"], headers={"Accept": accept})
    assert (answer.status_code, answer.content_type) == (200, "application/json")


def ask(web: Flask, authorization: str | None = None, query: str = "", **body: str) -> TestResponse:
    headers = {"Authorization": authorization} if authorization is not None else {}
    if body:
        return web.test_client().post(f"/userinfo{query}", data=body, headers=headers, base_url=ISSUER)
    return web.test_client().get(f"/userinfo{query}", headers=headers, base_url=ISSUER)


def test_one_token_in_one_place_and_never_in_the_address(portal: PortalClient, web: Flask) -> None:
    token = portal.tokens()["access_token"]
    twice = web.test_client().post(
        "/userinfo", data=f"access_token={token}&access_token={token}", content_type=FORM, base_url=ISSUER
    )
    for answer in (
        ask(web, query=f"?access_token={token}"), ask(web, f"Bearer {token}", f"?access_token={token}"),
        ask(web, f"Bearer {token}", access_token=token), twice,
    ):  # fmt: skip
        assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_request")
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="connect", error="invalid_request"'


@pytest.mark.parametrize("shown", [None, "", "Bearer", "Bearer ", "DPoP ", "Basic eDp5", "x", "é"])
def test_who_shows_nothing_is_told_the_ways_and_no_error_code(web: Flask, shown: str | None) -> None:
    answer = ask(web, shown)
    assert answer.status_code == 401
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="connect", DPoP realm="connect", algs="ES256 PS256 EdDSA Ed25519"'
    )


def test_mutilated_tokens_are_no_tokens(portal: PortalClient, web: Flask) -> None:
    token = portal.tokens()["access_token"]
    flipped = token[:-1] + ("A" if token[-1] != "A" else "B")
    for wrong in (*(token[:at] for at in range(1, len(token), 7)), f"{token}A", flipped, token.upper(), f"{token} x"):
        answer = ask(web, f"Bearer {wrong}")
        assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_token"), wrong[:6]
        assert answer.headers["WWW-Authenticate"] == 'Bearer realm="connect", error="invalid_token"'
    assert ask(web, f"Bearer  {token} ").status_code == 200


def test_after_the_policy_was_raised_a_stronger_sign_in_is_asked_for(portal: PortalClient) -> None:
    token = portal.tokens()["access_token"]
    change(portal.portal, allowed_acr=["phr"])
    answer = portal.userinfo(token)
    assert (answer.status_code, answer.get_json()["error"]) == (401, "insufficient_user_authentication")
    assert answer.headers["WWW-Authenticate"] == (
        'Bearer realm="connect", error="insufficient_user_authentication", acr_values="phr"'
    )


def test_who_no_longer_belongs_to_the_portal_is_not_told_about(portal: PortalClient) -> None:
    token = portal.tokens()["access_token"]
    db.session.query(InsuredPerson).update({"account_id": None})
    db.session.commit()
    assert portal.userinfo(token).status_code == 401


def test_a_disabled_portal_learns_nothing(portal: PortalClient, services: Services) -> None:
    token = portal.tokens()["access_token"]
    change(portal.portal, disabled_at=services.clock.now())
    assert portal.userinfo(token).status_code == 401


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH"])
def test_other_methods_are_not_allowed(web: Flask, method: str) -> None:
    answer = web.test_client().open("/userinfo", method=method, base_url=ISSUER)
    assert (answer.status_code, answer.content_type) == (405, "application/json")
