"""Portals at the admin API: read, and changed by the service of the console with the same faults."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.api import System
from tests.support.builders import add_portal
from tests.support.person import ISSUER

ONE = "/portals/cpx"


@pytest.fixture
def system(web: Flask, services: Services, portal: Portal) -> System:
    return System(web, services)


def etag(system: System) -> str:
    return system("GET", ONE).headers["ETag"]


@pytest.mark.sqlite_only
def test_a_client_of_all_portals_sees_them_all_and_that_of_one_its_own(
    web: Flask, services: Services, system: System
) -> None:
    add_portal("cpy")
    everywhere = System(web, services, None)
    assert [one["slug"] for one in everywhere("GET", "/portals").get_json()["portals"]] == ["cpx", "cpy"]
    assert [one["slug"] for one in system("GET", "/portals").get_json()["portals"]] == ["cpx"]
    shown = system("GET", ONE)
    assert shown.get_json()["client_id"] == "client-cpx"
    assert "secret" not in shown.get_data(as_text=True).replace("client_secret_basic", "")
    assert system("GET", ONE, If_None_Match=shown.headers["ETag"]).status_code == 304


def test_what_is_changed_is_stored_and_recorded(system: System) -> None:
    answer = system("PATCH", ONE, {"place": "Thun", "names": {"fr": "Caisse X"}}, If_Match=etag(system))
    assert (answer.status_code, answer.get_json()["place"], answer.get_json()["client_secret"]) == (200, "Thun", None)
    assert answer.headers["ETag"] == etag(system)
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.tag == "operator:portal:change")).one()
    assert (event.actor_id, event.detail["fields"]) == (system.client.id, "names place")
    back = system("PATCH", ONE, {"place": None}, If_Match=etag(system))
    assert back.get_json()["place"] == "", "null is the default again (RFC 7396)"


FAULTS: list[tuple[dict[str, Any], str]] = [
    ({"slug": "cpz"}, "/slug"),
    ({"subject_type": "public"}, "/subject_type"),
    ({"consent": True}, "/consent"),
    ({"client_id": "x"}, "/client_id"),
    ({"code_life_days": "30"}, "/code_life_days"),
    ({"code_life_days": 7}, "/code_life_days"),
    ({"email": "x"}, "/email"),
    ({"names": None}, "/names"),
    ({"names": {"de": "Kasse"}}, "/names"),
    ({"names": {"fr": ""}}, "/names/fr"),
    ({"redirect_uris": []}, "/redirect_uris"),
    ({"redirect_uris": ["http://x.example/"]}, "/redirect_uris/0"),
    ({"security_profile": "fapi2"}, "/token_endpoint_auth_method"),
]


@pytest.mark.sqlite_only
def test_the_faults_are_those_of_the_console(system: System) -> None:
    before = system("GET", ONE).get_json()
    for change, pointer in FAULTS:
        answer = system("PATCH", ONE, change, If_Match=etag(system))
        assert answer.status_code == 422, change
        assert pointer in [one["pointer"] for one in answer.get_json()["errors"]], (change, answer.get_json())
    assert system("GET", ONE).get_json() == before


@pytest.mark.sqlite_only
def test_what_was_stored_under_an_older_rule_is_told_as_it_is(web: Flask, services: Services) -> None:
    add_portal(scopes=["openid", "pensions.read"], brand_color="blue")
    system = System(web, services)
    answer = system.web.test_client().get(
        "/api/v1/portals/cpx", base_url=ISSUER, headers={"Authorization": f"Bearer {system.token}"}
    )
    assert (answer.status_code, answer.get_json()["brand_color"]) == (200, "blue")


def test_nobody_writes_over_what_they_have_not_read(system: System) -> None:
    known = etag(system)
    assert system("PATCH", ONE, {"place": "Thun"}).status_code == 428
    assert system("PATCH", ONE, {"place": "Thun"}, If_Match='"old"').status_code == 412
    assert system("PATCH", ONE, {"place": "Thun"}, If_Match=known).status_code == 200
    assert system("PATCH", ONE, {"place": "Biel"}, If_Match=known).status_code == 412
    assert system("GET", ONE).get_json()["place"] == "Thun"


@pytest.mark.sqlite_only
def test_a_secret_that_became_necessary_is_told_this_once(web: Flask, services: Services) -> None:
    add_portal(token_endpoint_auth_method="private_key_jwt", jwks_uri="https://cpx.example.ch/jwks")
    system = System(web, services)
    change = {"token_endpoint_auth_method": "client_secret_basic", "jwks_uri": None}
    answer = system("PATCH", ONE, change, If_Match=etag(system))
    assert answer.get_json()["client_secret"].startswith("cc_cs_")
    assert "cc_cs_" not in system("GET", ONE).get_data(as_text=True)
