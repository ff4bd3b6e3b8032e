"""T-16: hostile bodies, headers and addresses at every operation of the admin API: no answer is 5xx."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from idp.api.operation import Operation
from idp.api.routes import OPERATIONS
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.web.problems import API
from tests.idp.api.test_strict_json import REFUSED
from tests.support.api import System
from tests.support.builders import add_person
from tests.support.person import ISSUER

pytestmark = pytest.mark.both_engines

SEED = 20260327
ODD: list[Any] = [
    None, True, 0, -1, 1.5, 2**53, "", " ", "x" * 5000, "\u202e", "'; DROP TABLE portal; --", "{{7*7}}", "é" * 64,
    "=cmd|'/c'!A1", [], [None], {}, {"fr": None}, [["x"]], "1958-03-27", "756.1234.5678.97", "\ufffe", "\u0085", "😀",
    "\r\nX: y",
]  # fmt: skip
JSON = {"Content-Type": "application/json", "If-Match": "*"}
HEADERS = {
    "If-Match": ["*", "", '"x"', "x" * 4000, "é"], "If-None-Match": ["*", '"', "W/*"],
    "Idempotency-Key": ["k", "é", " "],
    "Content-Type": ["application/json", "text/plain", "application/json; charset=x", "multipart/form-data", ""],
    "Content-Encoding": ["gzip", "identity"], "Expect": ["100-continue"], "X-HTTP-Method-Override": ["DELETE"],
}  # fmt: skip


def names(operation: Operation) -> list[str]:
    return [*(operation.body.model_fields if operation.body else ()), "__proto__", "id", "portal_id", "account_id"]


def body(chance: random.Random, operation: Operation) -> bytes:
    if chance.random() < 0.2:
        return REFUSED[chance.choice(sorted(REFUSED))]
    document: Any = {name: chance.choice(ODD) for name in names(operation) if chance.random() < 0.6}
    if chance.random() < 0.2:
        document = {"persons": [document, chance.choice(ODD)]}
    return json.dumps(chance.choice([document, document, document, chance.choice(ODD)])).encode()


def ask(web: Flask, chance: random.Random, operation: Operation, token: str) -> TestResponse:
    odd = ["P-1", "%00", "%ed%a0%80", "..%2f..", "x" * 3000, "%", "'", "%F0%9F%98%80", "*"]
    address = API + operation.path.replace("<slug>", chance.choice(["cpx", "cpx", "cpx", *odd]))
    address = address.replace("<path:external_id>", chance.choice(odd))
    for name in ("<webhook_id>", "<delivery_id>"):
        address = address.replace(name, "00000000-0000-7000-8000-000000000000")
    headers = {name: chance.choice(values) for name, values in HEADERS.items() if chance.random() < 0.2}
    query = "&".join(
        f"{name}={chance.choice(odd)}" for name in ("after", "limit", "since", "tag", "x") if chance.random() < 0.1
    )
    return web.test_client().open(
        address, method=operation.method, base_url=ISSUER, query_string=query,
        data=body(chance, operation) if operation.body else None,
        headers={"Content-Type": "application/json", **headers, "Authorization": f"Bearer {token}"},
    )  # fmt: skip


def walk(web: Flask, system: System, cases: int) -> None:
    chance = random.Random(SEED)
    for case in range(cases):
        operation = OPERATIONS[case % len(OPERATIONS)]
        answer = ask(web, chance, operation, system.token)
        assert answer.status_code < 500, (case, operation.name)
        if answer.status_code >= 400:
            assert answer.mimetype == "application/problem+json", (case, operation.name, answer.status_code)
            assert set(answer.get_json()) <= {"type", "title", "status", "detail", "errors"}
            assert "DROP TABLE" not in answer.get_data(as_text=True)


@pytest.fixture
def system(web: Flask, services: Services, portal: Portal) -> System:
    add_person(portal)
    return System(web, services)


def test_random_requests_are_answered(web: Flask, system: System) -> None:
    walk(web, system, 300)


@pytest.mark.long
def test_very_many_random_requests_are_answered(web: Flask, system: System, services: Services) -> None:
    services.throttle._per_hour = dict.fromkeys(services.throttle._per_hour, 10_000_000)
    walk(web, system, 50_000)


@pytest.mark.sqlite_only
def test_a_body_of_no_json_is_refused_with_400_at_every_operation(web: Flask, system: System) -> None:
    for operation in OPERATIONS:
        if operation.body is None:
            continue
        address = API + operation.path.replace("<slug>", "cpx").replace("<path:external_id>", "P-1")
        address = address.replace("<webhook_id>", "00000000-0000-7000-8000-000000000000")
        for name, sent in REFUSED.items():
            answer = web.test_client().open(
                address, method=operation.method, data=sent, base_url=ISSUER,
                headers={**JSON, "Authorization": f"Bearer {system.token}"},
            )  # fmt: skip
            assert answer.status_code == 400, (operation.name, name)


@pytest.mark.sqlite_only
def test_a_body_that_is_too_large_is_refused_before_it_is_read(web: Flask, system: System) -> None:
    for operation in OPERATIONS:
        if operation.body is None:
            continue
        address = API + operation.path.replace("<slug>", "cpx").replace("<path:external_id>", "P-1")
        address = address.replace("<webhook_id>", "00000000-0000-7000-8000-000000000000")
        answer = web.test_client().open(
            address, method=operation.method, data=b" " * (operation.largest + 1), base_url=ISSUER,
            headers={**JSON, "Authorization": f"Bearer {system.token}"},
        )  # fmt: skip
        assert (answer.status_code, answer.mimetype) == (413, "application/problem+json"), operation.name
