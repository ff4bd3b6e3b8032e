"""One client that asks without end is told when it may again, and slows down no other."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.api import System

AN_HOUR = 3


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    return {**environment, "CONNECT_API_CALLS_PER_HOUR": str(AN_HOUR)}


def test_a_client_that_asks_too_much_is_told_when_it_may_again(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    system, other = System(web, services), System(web, services)
    answers = [system("GET", "/portals/cpx") for _ in range(AN_HOUR + 1)]
    assert [one.status_code for one in answers] == [200] * AN_HOUR + [429]
    wait = int(answers[-1].headers["Retry-After"])
    assert 0 < wait <= 3600 // AN_HOUR
    assert other("GET", "/portals/cpx").status_code == 200, "each has its own"
    assert web.test_client().get("/api/v1/openapi.json", base_url="http://localhost:8000").status_code == 200
    clock.advance(timedelta(seconds=wait))
    system.token = system.ask_token()
    assert system("GET", "/portals/cpx").status_code == 200
