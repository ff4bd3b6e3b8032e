"""C-74, C-75: every operation of the admin API × every scope × one's own portal, another fund's and none.

Generated from the URL map and the table of scopes: nothing answers but what the scope of a client stands for.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.routing import Rule
from werkzeug.test import TestResponse

from idp.api.operation import Operation
from idp.api.routes import OPERATIONS
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.permissions import Scope
from idp.web.problems import API
from tests.support.api import System
from tests.support.builders import add_person, add_portal
from tests.support.person import ISSUER, Person

pytestmark = pytest.mark.sqlite_only  # the tables of rights are read alike on both
BY_NAME = {one.name: one for one in OPERATIONS}
OPEN = {"api.describe"}


def routes(web: Flask) -> Iterator[tuple[Rule, Operation]]:
    for rule in web.url_map.iter_rules():
        if rule.rule.startswith(f"{API}/") and rule.endpoint not in OPEN:
            yield rule, BY_NAME[rule.endpoint.removeprefix("api.")]


def filled(operation: Operation, slug: str = "cpx", person: str = "P-1") -> str:
    address = API + operation.path.replace("<slug>", slug).replace("<path:external_id>", person)
    for name in ("<webhook_id>", "<delivery_id>"):
        address = address.replace(name, "00000000-0000-7000-8000-000000000000")
    assert "<" not in address
    return address


def ask(web: Flask, operation: Operation, token: str | None, slug: str = "cpx", person: str = "P-1") -> TestResponse:
    """An empty request: what is allowed is refused for what is missing, or answered."""
    address = filled(operation, slug, person)
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    return web.test_client().open(address, method=operation.method, base_url=ISSUER, headers=headers)


def test_every_address_below_the_api_is_an_operation(web: Flask) -> None:
    assert {one.name for _, one in routes(web)} == set(BY_NAME)


def test_the_scope_decides_and_nothing_else(web: Flask, services: Services, portal: Portal) -> None:
    add_person(portal)
    for scope in Scope:
        system = System(web, services, "cpx", (scope,))
        for _, operation in routes(web):
            status = ask(web, operation, system.token).status_code
            assert (status != 403) == (operation.scope is scope), (operation.name, scope, status)
            assert status not in {401, 500}


def test_the_portal_of_another_fund_is_as_one_that_does_not_exist(
    web: Flask, services: Services, portal: Portal
) -> None:
    """The same bytes and the same headers, but for the number of the request."""
    add_person(add_portal("geheim", names={"fr": "Fondation Secrète"}))
    system, asked = System(web, services), 0
    for _, operation in routes(web):
        if not operation.is_about_portal:
            assert "Secrète" not in ask(web, operation, system.token).get_data(as_text=True)
            continue
        for person in ("P-1", "nobody"):
            other, none = (ask(web, operation, system.token, slug, person) for slug in ("geheim", "nirgends"))
            assert other.status_code == none.status_code == 404, operation.name
            assert other.get_data() == none.get_data()
            assert stripped(other) == stripped(none)
            asked += 1
    assert asked > 10


def stripped(answer: TestResponse) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in {"X-Request-Id", "Date"}}


def test_no_other_token_and_no_cookie_opens_it(web: Flask, services: Services, person: Person, portal: Portal) -> None:
    token = System(web, services).token
    client = web.test_client()
    for _, operation in routes(web):
        address = filled(operation)
        for shown in (None, "cc_ap_" + "x" * 43, "cc_at_" + "x" * 43, f"{token}x", "é", "x" * 20_000):
            answer = ask(web, operation, shown)
            assert answer.status_code == 401, (operation.name, shown)
            assert answer.headers["WWW-Authenticate"].startswith('Bearer realm="connect-api"')
        assert client.open(address, method=operation.method, query_string={"access_token": token},
                           base_url=ISSUER).status_code == 401  # fmt: skip
        answer = person.client.open(
            address, method=operation.method, base_url=ISSUER, headers={"Authorization": f"DPoP {token}"}
        )
        assert answer.status_code == 401


def test_a_revoked_client_and_a_portal_of_its_own_are_seen_at_once(
    web: Flask, services: Services, portal: Portal
) -> None:
    system = System(web, services)
    assert ask(web, BY_NAME["get_portal"], system.token).status_code == 200
    services.api_clients.revoke(services.api_clients.load(system.client.client_id))
    db.session.commit()
    assert ask(web, BY_NAME["get_portal"], system.token).status_code == 401


def test_methods_are_those_that_are_declared_and_no_other_origin_is_let_in(
    web: Flask, services: Services, portal: Portal
) -> None:
    system, client = System(web, services), web.test_client()
    by_address: dict[str, set[str]] = {}
    for _, operation in routes(web):
        by_address.setdefault(filled(operation), set()).add(operation.method)
    for address, methods in by_address.items():
        headers = {"Authorization": f"Bearer {system.token}", "Origin": "https://evil.example"}
        asked = client.options(address, base_url=ISSUER, headers=headers)
        allowed = set(asked.headers["Allow"].split(", "))
        assert allowed == methods | {"OPTIONS"} | ({"HEAD"} if "GET" in methods else set())
        assert not [name for name in asked.headers.keys() if name.startswith("Access-Control")]  # noqa: SIM118
        for method in {"PUT", "POST", "PATCH", "DELETE", "TRACE", "X"} - methods:
            wrong = client.open(address, method=method, base_url=ISSUER, headers=headers)
            assert (wrong.status_code, wrong.mimetype) == (405, "application/problem+json"), (method, address)
            assert set(wrong.headers["Allow"].split(", ")) == allowed
        if "GET" in methods:
            add = client.head(address, base_url=ISSUER, headers=headers)
            assert add.get_data() == b""


def test_what_is_below_the_api_and_no_address_is_a_problem_too(web: Flask, portal: Portal) -> None:
    client = web.test_client()
    for path in ("/api/v1", "/api/v1/", "/api/v1/x", "/api/v1/portals/", "/api/v1/portals/cpx/persons/"):
        answer = client.get(path, base_url=ISSUER)
        assert (answer.status_code, answer.mimetype) == (404, "application/problem+json"), path
        assert answer.get_json()["title"] == "There is no such thing, or it is not yours"
    elsewhere = client.get("/api/v1/portals", base_url="http://evil.example")
    assert (elsewhere.status_code, elsewhere.mimetype) == (421, "application/problem+json")


def test_reading_is_recorded_and_what_was_refused_is_not(web: Flask, services: Services, portal: Portal) -> None:
    add_person(portal)
    system = System(web, services, "cpx", ("persons:read",))
    before = db.session.scalar(select(func.count()).select_from(AuditEvent)) or 0
    ask(web, BY_NAME["get_person"], system.token)
    ask(web, BY_NAME["get_person"], system.token, person="nobody")
    ask(web, BY_NAME["list_codes"], system.token)
    assert db.session.scalar(select(func.count()).select_from(AuditEvent)) == before + 1
