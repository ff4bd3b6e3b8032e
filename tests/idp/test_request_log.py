"""What the log says of a request: an id that a trusted proxy may give it, and what was slow, without a value."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import structlog
from flask import Flask
from sqlalchemy import event, text
from sqlalchemy.exc import OperationalError

from idp.models.base import db
from idp.models.portal import Portal
from idp.services.assembly import build_services
from idp.services.bundle import Services
from idp.services.statements import bare
from idp.settings import Settings
from idp.web import log
from tests.support.person import ISSUER
from wsgi import create_app

UUID, TRACE = "01920a3b-5c6d-7e8f-9a0b-1c2d3e4f5a6b", "4bf92f3577b34da6a3ce929d0e0e4736"
HEAVY = "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n WHERE x < 300000) SELECT count(*) FROM n"
Make = Callable[..., Flask]


@pytest.fixture
def make(app: Flask, environment: dict[str, str]) -> Make:
    """An application with other settings on the same database."""

    def make(**changes: str) -> Flask:
        given = {f"CONNECT_{name.upper()}": value for name, value in changes.items()}
        return create_app(services=build_services(Settings.from_environ({**environment, **given})))

    return make


@contextmanager
def lines(level: str = "info") -> Iterator[list[dict[str, Any]]]:
    """What is written meanwhile, as production writes it."""
    configured, root = structlog.get_config(), logging.getLogger()
    handlers, before = root.handlers[:], root.level
    said: list[dict[str, Any]] = []
    stream = io.StringIO()
    log.configure(level)
    (handler,) = root.handlers
    assert isinstance(handler, logging.StreamHandler)
    handler.setStream(stream)
    try:
        yield said
    finally:
        said.extend(json.loads(line) for line in stream.getvalue().splitlines())
        root.handlers[:] = handlers
        root.setLevel(before)
        structlog.configure(**configured)


def request_id(web: Flask, **headers: str) -> str:
    given = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.test_client().get("/livez", base_url=ISSUER, headers=given).headers["X-Request-Id"]


@pytest.mark.sqlite_only
def test_the_proxy_may_name_a_request_and_nobody_else(make: Make) -> None:
    alone, behind = make(), make(trusted_proxies="1")
    traced = f"00-{TRACE}-00f067aa0ba902b7-01"
    assert request_id(behind, X_Request_Id=UUID) == UUID
    assert request_id(behind, X_Request_Id="f" * 32, Traceparent=traced) == "f" * 32
    assert request_id(behind, Traceparent=traced) == TRACE
    for given in ({"X_Request_Id": UUID}, {"Traceparent": traced}):
        assert request_id(alone, **given) not in {UUID, TRACE}
    for odd in (
        "",
        "756.9217.0769.85",
        "helene@example.ch",
        "A" * 32,
        "a" * 31,
        "a" * 33,
        f"{UUID} x",
        "ABCD-EFGH-JKMN",
    ):
        found = request_id(behind, X_Request_Id=odd)
        assert len(found) == 32
        assert found != odd
    for odd in (
        f"01-{TRACE}-00f067aa0ba902b7-01",
        f"00-{'0' * 32}-00f067aa0ba902b7-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"{traced}-x",
    ):
        assert request_id(behind, Traceparent=odd) != TRACE


@pytest.mark.sqlite_only
def test_a_slow_request_and_its_slow_statement_say_so_under_one_id(make: Make, portal: Portal) -> None:
    web = make(slow_query_ms="10", slow_request_ms="10", trusted_proxies="1")
    with web.app_context():
        engine = db.engine

    @event.listens_for(engine, "before_cursor_execute", retval=True)
    def _heavier(_connection: object, _cursor: object, said: str, values: Any, *_: Any) -> tuple[str, Any]:
        if said.startswith("SELECT portal.id"):
            said = said.replace("FROM portal", f"FROM portal JOIN ({HEAVY}) ON 'geheim' != 'offen'", 1)
        return said, values

    with lines() as said:
        web.test_client().get("/cpx/login", base_url=ISSUER, headers={"X-Request-Id": UUID})
    slow = [line for line in said if line["event"] == "slow_query"]
    (request,) = [line for line in said if line["event"] == "slow_request"]
    assert slow
    assert {line["request_id"] for line in (*slow, request)} == {UUID}
    assert all(line["ms"] > 10 and line["statement"].startswith("SELECT portal.id") for line in slow)
    assert all("WHERE portal.slug = ?" in line["statement"] for line in slow)
    assert request["ms"] >= request["database_ms"] >= sum(line["ms"] for line in slow) - 1
    assert (request["rule"], request["method"]) == ("/<slug>/login", "GET")
    assert request["statements"] >= len(slow)
    assert "geheim" not in json.dumps(said)


def test_what_is_quick_says_nothing(make: Make, portal: Portal) -> None:
    web = make(slow_query_ms="60000", slow_request_ms="60000")
    with lines() as said:
        web.test_client().get("/cpx/login", base_url=ISSUER)
    assert {line["event"] for line in said} == {"request"}


def test_a_statement_that_ran_into_its_time_limit_is_slow_too(make: Make, services: Services) -> None:
    if not services.settings.database_url.startswith("postgresql"):
        return  # SQLite has no such limit
    web = make(slow_query_ms="50")
    with lines() as said, web.app_context():
        db.session.execute(text("SET statement_timeout = 200"))
        with pytest.raises(OperationalError):
            db.session.execute(text("SELECT pg_sleep(:long)"), {"long": 3})
        db.session.rollback()
        db.session.remove()
    (slow,) = [line for line in said if line["event"] == "slow_query"]
    assert slow["ms"] >= 200
    assert slow["statement"] == "SELECT pg_sleep(%(long)s)"


@pytest.mark.no_database
def test_a_statement_is_one_line_without_what_is_quoted() -> None:
    assert bare("SELECT a\n  FROM b WHERE c = 'O''Neill' AND d = ?") == "SELECT a FROM b WHERE c = '…' AND d = ?"
    long = bare("SELECT " + "x, " * 10_000 + "y FROM z WHERE a = ?")
    assert len(long) < 1010
    assert (long.startswith("SELECT x"), long.endswith("WHERE a = ?")) == (True, True)
