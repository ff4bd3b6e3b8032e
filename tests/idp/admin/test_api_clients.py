"""The console's page of systems: registered, given a new secret, ended."""

from __future__ import annotations

import re

import pytest
from flask import Flask

from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.operators import add_operator, sign_in
from tests.support.person import Person

pytestmark = pytest.mark.sqlite_only
NEW = "/admin/api-clients/new"


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, "olga@fund.example.ch", ["superuser"])
    return sign_in(web, services, "olga@fund.example.ch")


def shown(person: Person) -> tuple[str, str]:
    """The id and the secret on this page."""
    client_id, secret = re.findall(r'data-copy="([^"]+)"', person.text)
    return client_id, secret


def test_a_system_is_registered_its_secret_changed_and_its_access_ended(services: Services, olga: Person) -> None:
    olga.open(NEW)
    olga.submit(1, name="Pension system", portal="cpx", scopes_0="yes", scopes_6="yes")
    client_id, secret = shown(olga)
    client = services.api_clients.authenticated(client_id, secret)
    assert client is not None
    assert (client.name, client.scopes) == ("Pension system", ["persons:read", "audit:read"])
    assert client.created_by is not None
    olga.open("/admin/api-clients")
    assert "Pension system" in olga.text
    assert "jamais" in olga.text
    assert secret not in olga.text
    one = f"/admin/api-clients/{client_id}"
    olga.open(one)
    olga.submit(1, keep="hand")
    _, fresh = shown(olga)
    db.session.expire_all()
    assert all(services.api_clients.authenticated(client_id, one) for one in (secret, fresh))
    olga.open(one)
    olga.submit(1)
    db.session.expire_all()
    assert services.api_clients.authenticated(client_id, secret) is None
    olga.open(f"{one}/revoke")
    olga.submit(1)
    assert olga.address.startswith("/admin/api-clients?")
    db.session.expire_all()
    assert services.api_clients.authenticated(client_id, fresh) is None
    olga.open(one)
    assert olga.page.status_code == 404


def test_what_is_wrong_is_said_and_the_rest_is_kept(services: Services, olga: Person) -> None:
    olga.open(NEW)
    olga.submit(1, portal="nirgends", scopes_1="yes")
    assert sorted(olga.errors()) == ["name", "portal"]
    assert 'name="scopes_1" value="yes" checked' in olga.text
    olga.open(NEW)
    olga.submit(1, name="Pension system")
    assert "Choisissez au moins une chose" in olga.text
    assert services.api_clients.all() == []
