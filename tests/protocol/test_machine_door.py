"""The door of the machines answers what Flask's dispatch answers, header by header, and lets by what is not plain."""

from __future__ import annotations

import base64
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event
from sqlalchemy.exc import OperationalError

from idp.clock import FrozenClock
from idp.models.base import db
from idp.services.bundle import Services
from idp.web import log
from tests.support.engines import held_connections
from tests.support.person import ISSUER
from tests.support.portal_client import EVERY_GRANT, PortalClient, client
from tests.support.relying_party import PORTAL_SECRET
from wsgi import create_app

OF_ITS_OWN = {"X-Request-Id", "Date"}
FORM = "application/x-www-form-urlencoded"


@pytest.fixture
def both(app: Flask, services: Services, signing_keys: None) -> tuple[Flask, list[str]]:
    """An application with its door open, and the paths that went to the dispatch."""
    made = create_app(services=services)
    door: Any = made.wsgi_app
    seen: list[str] = []
    dispatch = door.dispatch

    def noted(environ: Any, start_response: Any) -> Any:
        seen.append(environ["PATH_INFO"])
        return dispatch(environ, start_response)

    door.dispatch = noted
    return made, seen


@pytest.fixture
def portal(both: tuple[Flask, list[str]], services: Services) -> PortalClient:
    return client(both[0], services, grant_types=EVERY_GRANT, resources=["https://api.example.ch"])


def basic(client_id: str, secret: str = PORTAL_SECRET) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


def corpus(portal: PortalClient) -> dict[str, tuple[str, str, dict[str, Any]]]:
    """Requests whose answers do not change by being asked twice; the token path's good cases are in their own tests."""
    own, access = basic(portal.portal.client_id), portal.tokens()["access_token"]
    return {
        "keys": ("GET", "/jwks", {}),
        "discovery": ("GET", "/.well-known/openid-configuration", {}),
        "discovery of OAuth": ("GET", "/.well-known/oauth-authorization-server", {}),
        "keys again": ("GET", "/jwks", {"headers": {"If-None-Match": '"x"'}}),
        "userinfo": ("GET", "/userinfo", {"headers": {"Authorization": f"Bearer {access}"}}),
        "userinfo of nobody": ("GET", "/userinfo", {}),
        "userinfo of a wrong token": ("GET", "/userinfo", {"headers": {"Authorization": "Bearer cc_at_x"}}),
        "introspection": ("POST", "/introspect", {"headers": own, "data": {"token": access}}),
        "introspection of nothing": ("POST", "/introspect", {"headers": own, "data": {"a": "b"}}),
        "revocation of nothing": ("POST", "/revoke", {"headers": own, "data": {"token": "x"}}),
        "no grant type": ("POST", "/token", {"headers": own, "data": {"scope": "openid"}}),
        "unknown grant type": ("POST", "/token", {"headers": own, "data": {"grant_type": "magic"}}),
        "wrong code": ("POST", "/token", {"headers": own, "data": {"grant_type": "authorization_code", "code": "x"}}),
        "wrong secret": ("POST", "/token", {"headers": basic("client-cpx", "no"), "data": {"grant_type": "x"}}),
        "no client": ("POST", "/token", {"data": {"grant_type": "authorization_code"}}),
        "a parameter twice": ("POST", "/token", {"headers": own, "data": {"grant_type": ["a", "b"]}}),
        "a NUL": ("POST", "/token", {"headers": own, "data": {"grant_type": "a\0b"}}),
        "an empty form": ("POST", "/token", {"headers": own, "data": b"", "content_type": FORM}),
        "no text": ("POST", "/token", {"headers": own, "data": b"grant_type=%ff%fe", "content_type": FORM}),
        "bytes of no text": ("POST", "/token", {"headers": own, "data": b"grant_type=\xff", "content_type": FORM}),
        "escapes and spaces": (
            "POST", "/token", {"headers": own, "data": b"grant_type=a+%62&&=c&d&e=%zz;f=1", "content_type": FORM},
        ),
        "less than was announced": (
            "POST", "/token", {
                "headers": own, "data": b"grant_type=client_credentials", "content_type": FORM,
                "environ_overrides": {"CONTENT_LENGTH": "400"},
            },
        ),
        "another origin's": ("POST", "/token", {"headers": {**own, "Origin": "https://evil.ch"}, "data": {"a": "b"}}),
        "with a cookie": ("GET", "/jwks", {"headers": {"Cookie": "connect_session=x; a=%00"}}),
    }  # fmt: skip


DETOURS: dict[str, tuple[str, str, dict[str, Any]]] = {
    "a query": ("POST", "/token?grant_type=x", {"data": {"grant_type": "x"}}),
    "a language": ("GET", "/jwks?lang=de", {}),
    "another host": ("GET", "/jwks", {"base_url": "http://evil.example"}),
    "JSON": ("POST", "/token", {"json": {"grant_type": "x"}}),
    "another character set": ("POST", "/token", {"data": "a=b", "content_type": f"{FORM}; charset=latin-1"}),
    "too much": ("POST", "/token", {"data": {"grant_type": "x" * 70_000}}),
    "a length without an end": (
        "POST", "/token", {"data": {"a": "b"}, "environ_overrides": {"CONTENT_LENGTH": "1" * 5000}},
    ),
    "a length that is none": ("POST", "/token", {"data": {"a": "b"}, "environ_overrides": {"CONTENT_LENGTH": "-1"}}),
    "the wrong method": ("GET", "/token", {}),
    "only the head": ("HEAD", "/jwks", {}),
    "a body of a GET": ("GET", "/jwks", {"data": "x", "content_type": "text/plain"}),
    "a form of userinfo": ("POST", "/userinfo", {"data": {"access_token": "x"}}),
    "an address beside it": ("POST", "/token/", {"data": {"grant_type": "x"}}),
}  # fmt: skip


def sent(app: Flask, method: str, path: str, given: dict[str, Any]) -> tuple[int, dict[str, str], bytes]:
    answer = app.test_client().open(path, method=method, **{"base_url": ISSUER, **given})
    headers = {name: value for name, value in answer.headers.items() if name not in OF_ITS_OWN}
    return answer.status_code, headers, answer.get_data()


def test_both_ways_answer_alike(both: tuple[Flask, list[str]], portal: PortalClient) -> None:
    app, seen = both
    door: Any = app.wsgi_app
    table = door.table
    for name, (method, path, given) in corpus(portal).items():
        seen.clear()
        by_door = sent(app, method, path, given)
        assert seen == [], name
        door.table = {}
        behind = sent(app, method, path, given)
        door.table = table
        assert seen == [path], name
        assert by_door == behind, name


@pytest.mark.parametrize("name", DETOURS)
def test_what_is_not_plain_goes_behind_the_dispatch(both: tuple[Flask, list[str]], name: str) -> None:
    app, seen = both
    method, path, given = DETOURS[name]
    status, _, _ = sent(app, method, path, given)
    assert seen == [path.partition("?")[0]]
    assert status < 500


@pytest.mark.parametrize("path", ["/jwks", "/.well-known/openid-configuration"])
def test_what_the_asker_has_already_is_not_sent_again(both: tuple[Flask, list[str]], path: str) -> None:
    app, seen = both
    door: Any = app.wsgi_app
    known = {"headers": {"If-None-Match": sent(app, "GET", path, {})[1]["ETag"]}}
    by_door = sent(app, "GET", path, known)
    assert seen == []
    door.table = {}
    assert by_door == sent(app, "GET", path, known)
    assert (by_door[0], by_door[2]) == (304, b"")


def test_what_needs_no_database_is_answered_while_it_is_away(
    both: tuple[Flask, list[str]], monkeypatch: pytest.MonkeyPatch, clock: FrozenClock
) -> None:
    app, seen = both
    tries: list[object] = []

    def away(*_: object) -> Any:
        tries.append(0)
        raise OperationalError("", {}, Exception("away"))

    monkeypatch.setattr(db.session, "execute", away)
    for _ in range(3):
        assert sent(app, "GET", "/.well-known/openid-configuration", {})[0] == 200
    assert (len(tries), seen) == (1, [])


@pytest.mark.postgresql_only
def test_what_one_statement_keeps_begins_no_transaction_and_what_belongs_together_does(
    both: tuple[Flask, list[str]], portal: PortalClient
) -> None:
    app, _ = both
    tokens, code = portal.tokens(), portal.code()
    access, refresh = tokens["access_token"], tokens["refresh_token"]
    portal.post("/introspect", {"token": access})  # what is read once a second is known
    begun: list[bool] = []
    with app.app_context():
        engine = db.engine

    def look(connection: Any, *_: Any) -> None:
        begun.append(not connection.connection.dbapi_connection.autocommit)

    event.listen(engine, "before_cursor_execute", look)
    try:
        for ask, status, expected in (
            (lambda: portal.userinfo(access), 200, [False]),
            (lambda: portal.post("/introspect", {"token": access}), 200, [False]),
            (lambda: portal.post("/token", {"grant_type": "client_credentials"}), 200, [False]),
            (lambda: portal.refresh(refresh), 200, [False]),
            (lambda: portal.redeem(code), 200, [False]),
            (lambda: portal.redeem(code), 400, [False, True]),  # withdrawn and recorded
        ):
            begun.clear()
            assert ask().status_code == status
            assert list(dict.fromkeys(begun)) == expected
    finally:
        event.remove(engine, "before_cursor_execute", look)
    assert held_connections(app) == 0, "a connection was not given back"


@pytest.mark.parametrize("path", ["/jwks", "/.well-known/openid-configuration"])
def test_what_lies_ready_is_sent_without_a_context_and_as_the_dispatch_sends_it(
    both: tuple[Flask, list[str]], portal: PortalClient, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    app, _ = both
    door: Any = app.wsgi_app
    portal.tokens()
    made = sent(app, "GET", path, {})
    table, door.table = door.table, {}
    dispatched = sent(app, "GET", path, {})
    door.table = table
    told: list[dict[str, Any]] = []
    monkeypatch.setattr(log, "ACCESS", SimpleNamespace(isEnabledFor=lambda _: True))
    monkeypatch.setattr(log, "access", SimpleNamespace(info=lambda _, **given: told.append(given)))
    with monkeypatch.context() as without:
        without.setattr(app, "app_context", None)
        answer = app.test_client().get(path, base_url=ISSUER)
        assert sent(app, "GET", path, {}) == made == dispatched
    assert told[0]["request_id"] == answer.headers["X-Request-Id"]
    assert {name: told[0][name] for name in ("rule", "method", "status_code")} == {
        "rule": path, "method": "GET", "status_code": 200,
    }  # fmt: skip


def test_what_lies_ready_is_made_anew_as_soon_as_it_changes_here(
    both: tuple[Flask, list[str]], portal: PortalClient, services: Services
) -> None:
    app, _ = both
    before = [sent(app, "GET", "/jwks", {}) for _ in range(2)]
    assert services.keyring.rotate()  # within the second in which nothing is asked of the database
    db.session.commit()
    after = [sent(app, "GET", "/jwks", {}) for _ in range(2)]
    assert before[0] == before[1] != after[0] == after[1]


def test_a_self_test_sees_whole_requests(
    both: tuple[Flask, list[str]], portal: PortalClient, services: Services
) -> None:
    app, seen = both
    services.self_tests.watch(portal.portal)
    db.session.commit()
    sent(app, "GET", "/jwks", {})
    assert seen == ["/jwks"]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (OperationalError("", {}, Exception("gone")), 503, "temporarily_unavailable"),
        (RuntimeError("ours"), 500, "server_error"),
    ],
)
def test_what_fails_is_said_without_its_cause(
    both: tuple[Flask, list[str]], error: Exception, status: int, code: str
) -> None:
    app, _ = both
    door: Any = app.wsgi_app

    def broken(_: object) -> Any:
        raise error

    answers: list[tuple[int, dict[str, str], bytes]] = []
    for table in ({("GET", "/jwks"): broken}, {}):
        door.table = table
        app.view_functions["discovery.jwks"] = _raising(error)
        answers.append(sent(app, "GET", "/jwks", {}))
    assert answers[0] == answers[1]
    assert answers[0][0] == status
    assert code in answers[0][2].decode()


def test_what_a_fault_wrote_is_taken_back(both: tuple[Flask, list[str]], portal: PortalClient) -> None:
    app, _ = both
    door: Any = app.wsgi_app
    answer = door.table["POST", "/token"]

    def writes_and_breaks(request: Any) -> Any:
        assert answer(request).status_code == 200
        raise RuntimeError("after the write")

    code = portal.code()
    door.table = {("POST", "/token"): writes_and_breaks}
    assert portal.redeem(code).status_code == 500
    door.table = {("POST", "/token"): answer}
    assert portal.redeem(code).status_code == 200


def _raising(error: Exception) -> Callable[[], Any]:
    def view() -> Any:
        raise error

    return view
