"""A redemption or refresh that is overtaken between its reading and its writing gives nothing, and ends both."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from flask import Flask

from idp.models.base import db
from idp.protocol import token_answer
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from tests.support.portal_client import PortalClient, client

Overtake = Callable[[Callable[[], Any]], dict[str, Any]]


@pytest.fixture
def portal(web: Flask, services: Services) -> PortalClient:
    return client(web, services)


@pytest.fixture
def overtake(monkeypatch: pytest.MonkeyPatch) -> Overtake:
    """Let somebody else do the same, before the tokens of the next request are made; what they got."""
    got: dict[str, Any] = {}

    def prepare(other: Callable[[], Any]) -> dict[str, Any]:
        build = token_answer.build

        def overtaken(*given: Any, **named: Any) -> Any:
            monkeypatch.undo()
            with ThreadPoolExecutor(1) as pool:
                got.update(pool.submit(other).result().get_json())
            return build(*given, **named)

        monkeypatch.setattr(token_answer, "build", overtaken)
        return got

    return prepare


def recorded() -> list[str]:
    with db.engine.connect() as connection:
        return list(connection.exec_driver_sql("SELECT tag FROM audit_event ORDER BY at, id").scalars())


@pytest.mark.parametrize("resource", ["", "https://elsewhere.example.ch"])
def test_a_redemption_that_is_overtaken(portal: PortalClient, overtake: Overtake, resource: str) -> None:
    """Right or wrong, it comes second, so the code was used twice."""
    code = portal.code()
    got = overtake(lambda: portal.redeem(code))
    answer = portal.redeem(code, **({"resource": resource} if resource else {}))
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_grant")
    assert portal.userinfo(got["access_token"]).status_code == 401
    assert portal.refresh(got["refresh_token"]).status_code == 400
    assert recorded() == [AuditTag.CODE_REPLAYED]


def test_a_refresh_that_is_overtaken(portal: PortalClient, overtake: Overtake) -> None:
    token = portal.tokens()["refresh_token"]
    got = overtake(lambda: portal.refresh(token))
    answer = portal.refresh(token)
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_grant")
    assert portal.userinfo(got["access_token"]).status_code == 401
    assert recorded() == [AuditTag.REFRESH_REPLAYED]
