"""Clients of the admin API at the token endpoint: what they get, and that nothing of it passes for a portal's."""

from __future__ import annotations

import base64
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from idp.clock import FrozenClock
from idp.errors import BadInput
from idp.models.api_client import ApiClient, ApiToken
from idp.models.authorization import AccessToken
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.permissions import Scope
from tests.support.person import ISSUER
from tests.support.relying_party import PORTAL_SECRET

BOTH = ("persons:read", "codes:write")


@pytest.fixture
def made(web: Flask, services: Services, portal: Portal) -> tuple[ApiClient, str]:
    found = services.api_clients.add("Pension system", BOTH, portal.slug)
    db.session.commit()
    return found


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def ask(web: Flask, made: tuple[ApiClient, str], **form: Any) -> TestResponse:
    data = {"grant_type": "client_credentials", **form}
    return web.test_client().post("/token", data=data, headers=basic(made[0].client_id, made[1]), base_url=ISSUER)


def test_it_gets_a_short_opaque_token_with_its_scopes(
    web: Flask, services: Services, made: tuple[ApiClient, str], clock: FrozenClock
) -> None:
    body = ask(web, made).get_json()
    assert body == {
        "access_token": body["access_token"], "token_type": "Bearer", "expires_in": 600,
        "scope": "persons:read codes:write",
    }  # fmt: skip
    assert body["access_token"].startswith("cc_ap_")
    caller = services.api_clients.find(body["access_token"])
    assert caller is not None
    assert caller.client.client_id == made[0].client_id
    assert caller.rights.scopes == {Scope.PERSONS_READ, Scope.CODES_WRITE}
    db.session.expire_all()
    assert db.session.scalars(select(ApiClient)).one().used_at == clock.now()
    assert body["access_token"] not in str(db.session.scalars(select(ApiToken)).one().token_hash)
    clock.advance(timedelta(minutes=10))
    assert services.api_clients.find(body["access_token"]) is None


def test_it_may_ask_for_less_and_never_for_more(web: Flask, made: tuple[ApiClient, str]) -> None:
    assert ask(web, made, scope="codes:write codes:write").get_json()["scope"] == "codes:write"
    for scope in ("persons:write", "persons:read openid", "", "é"):
        assert ask(web, made, scope=scope).get_json()["error"] == "invalid_scope", scope
    assert ask(web, made, resource=f"{ISSUER}/api/v1").status_code == 200
    assert ask(web, made, resource=ISSUER).get_json()["error"] == "invalid_target"


@pytest.mark.parametrize("grant", ["authorization_code", "refresh_token", "password", "x"])
def test_it_has_no_other_grant(web: Flask, made: tuple[ApiClient, str], grant: str) -> None:
    assert ask(web, made, grant_type=grant).get_json()["error"] == "unauthorized_client"


def test_the_secret_may_stand_in_the_body_but_only_in_one_place(web: Flask, made: tuple[ApiClient, str]) -> None:
    client_id, secret = made[0].client_id, made[1]
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    assert web.test_client().post("/token", data=form, base_url=ISSUER).status_code == 200
    assert ask(web, made, client_secret=secret).get_json()["error"] == "invalid_request"
    assert ask(web, made, client_id="other").get_json()["error"] == "invalid_client"


def test_a_wrong_secret_and_an_unknown_client_are_answered_alike(web: Flask, made: tuple[ApiClient, str]) -> None:
    answers = [
        web.test_client().post(
            "/token", data={"grant_type": "client_credentials"}, headers=basic(client_id, "cc_cs_x"), base_url=ISSUER
        )
        for client_id in (made[0].client_id, "cc_api_unknown", "cc_api_\u00e9")
    ]
    assert {answer.status_code for answer in answers} == {401}
    assert len({answer.get_data() for answer in answers}) == 1


def test_two_secrets_are_good_while_it_changes(
    web: Flask, services: Services, made: tuple[ApiClient, str], clock: FrozenClock
) -> None:
    client, old = services.api_clients.load(made[0].client_id), made[1]
    fresh = services.api_clients.renew(client, timedelta(days=7))
    db.session.commit()
    assert [ask(web, (client, one)).status_code for one in (old, fresh)] == [200, 200]
    with pytest.raises(BadInput):
        services.api_clients.renew(client, None)
    clock.advance(timedelta(days=7))
    assert [ask(web, (client, one)).status_code for one in (old, fresh)] == [401, 200]


def test_revoked_it_is_gone_and_so_are_its_tokens(web: Flask, services: Services, made: tuple[ApiClient, str]) -> None:
    secret = ask(web, made).get_json()["access_token"]
    services.api_clients.revoke(services.api_clients.load(made[0].client_id))
    db.session.commit()
    assert services.api_clients.find(secret) is None
    assert ask(web, made).status_code == 401


def test_its_token_opens_nothing_of_the_portals(web: Flask, made: tuple[ApiClient, str], portal: Portal) -> None:
    """C-75: not userinfo, not introspection; and it authenticates nowhere but at the token endpoint."""
    token = ask(web, made).get_json()["access_token"]
    client = web.test_client()
    answer = client.get("/userinfo", headers={"Authorization": f"Bearer {token}"}, base_url=ISSUER)
    assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_token")
    headers = basic(portal.client_id, PORTAL_SECRET)
    said = client.post("/introspect", data={"token": token}, headers=headers, base_url=ISSUER).get_json()
    assert said == {"active": False}
    assert client.post("/revoke", data={"token": token}, headers=headers, base_url=ISSUER).status_code == 200
    for path in ("/introspect", "/revoke", "/par", "/device_authorization"):
        refused = client.post(path, data={"token": token}, headers=basic(made[0].client_id, made[1]), base_url=ISSUER)
        assert refused.status_code == 401, path
    assert db.session.scalars(select(AccessToken)).all() == []


def test_no_portal_gets_such_a_token_whatever_it_asks_for(web: Flask, services: Services, portal: Portal) -> None:
    portal.grant_types, portal.resources = ["client_credentials"], [f"{ISSUER}/api/v1"]
    portal.scopes = ["openid", *map(str, Scope)]
    db.session.commit()
    form = {"grant_type": "client_credentials", "scope": "persons:read", "resource": f"{ISSUER}/api/v1"}
    answer = web.test_client().post(
        "/token", data=form, headers=basic(portal.client_id, PORTAL_SECRET), base_url=ISSUER
    )
    assert services.api_clients.find(answer.get_json()["access_token"]) is None


@pytest.mark.parametrize(
    ("name", "scopes", "slug", "fault"),
    [
        ("", BOTH, None, "name"), ("a\nb", BOTH, None, "name"), ("x" * 81, BOTH, None, "name"),
        ("x", (), None, "scopes"), ("x", ("openid",), None, "scopes"), ("x", BOTH, "nirgends", "portal"),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_new_client_is_said(
    app: Flask, services: Services, name: str, scopes: tuple[str, ...], slug: str | None, fault: str
) -> None:
    with pytest.raises(BadInput, match=f"^{fault}: "):
        services.api_clients.add(name, scopes, slug)
