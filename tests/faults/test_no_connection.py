"""Nobody gets a connection to the database in time: said as an outage that passes, never as a fault (R-04)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from flask import Flask
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool

from idp.models.base import db
from idp.models.portal import Portal
from tests.support.person import ISSUER
from tests.support.relying_party import RelyingParty


@pytest.fixture
def exhausted(web: Flask, portal: Portal) -> Iterator[None]:
    """Every connection that the application may have is in use."""
    with web.app_context(), ExitStack() as held:
        pool = db.engine.pool
        assert isinstance(pool, QueuePool)
        pool._timeout = 0.1
        for _ in range(100):
            try:
                held.enter_context(db.engine.connect())
            except PoolTimeout:
                break
        yield


def test_a_person_is_shown_the_page_of_an_outage(web: Flask, exhausted: None) -> None:
    answer = web.test_client().get("/cpx/login", base_url=ISSUER)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert 'lang="fr"' in answer.get_data(as_text=True)


def test_an_address_that_is_not_there_is_still_not_there(web: Flask, exhausted: None) -> None:
    answer = web.test_client().get("/cpx/nowhere", base_url=ISSUER)
    assert answer.status_code == 404


def test_a_portal_is_told_when_to_come_again(rp: RelyingParty, exhausted: None) -> None:
    answer = rp.redeem("cc_code_x")
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "10")
    assert answer.get_json() == {"error": "temporarily_unavailable"}
