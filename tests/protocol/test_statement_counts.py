"""What each request of a portal asks the database, statement by statement: nothing is queried twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import event

from idp.clock import FrozenClock
from idp.models import known_portals
from idp.models.base import db, writes_in_queries
from idp.services.bundle import Services
from tests.support.holder import ProofKey
from tests.support.person import ISSUER
from tests.support.portal_client import EVERY_GRANT, EXCHANGE, PortalClient, client, sign_in
from tests.support.relying_party import answer_of, challenge
from tests.support.walks import waiting_handle

TABLE = re.compile(
    r"(?:WITH \w+ AS\s*\()?(?:(UPDATE)\s+(\w+)|(SELECT|INSERT|DELETE).*?(?:FROM|INTO)\s+(\w+))", re.DOTALL
)
API = "https://api.example.ch"


@contextmanager
def counted(web: Flask) -> Iterator[list[str]]:
    """The statements of the web application, as `SELECT portal`, and its commits."""
    seen: list[str] = []
    with web.app_context():
        engine = db.engine

    def statement(_c: Any, _k: Any, text: str, *_: Any) -> None:
        found = TABLE.match(text)
        assert found, text
        seen.append(" ".join(part for part in found.groups() if part))

    def commit(_: Any) -> None:
        seen.append("COMMIT")

    event.listen(engine, "before_cursor_execute", statement)
    event.listen(engine, "commit", commit)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", statement)
        event.remove(engine, "commit", commit)


@pytest.fixture(autouse=True)
def _fresh_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    """Portals are read once a second, however slow the machine is."""
    monkeypatch.setattr(known_portals, "FRESH_FOR_S", 3600.0)


@pytest.fixture
def portal(web: Flask, services: Services) -> PortalClient:
    made = client(web, services, grant_types=EVERY_GRANT, resources=[API])
    made.tokens()  # the signing keys are read once a second, not once a request
    return made


def spent(portal: PortalClient, ask: Callable[[], Any], status: int = 200) -> list[str]:
    with counted(portal.web) as seen:
        assert ask().status_code == status
    return seen


def used(table: str, *more: str) -> list[str]:
    """PostgreSQL uses what was shown and keeps what it gives by one statement, which needs no transaction."""
    return [f"UPDATE {table}", *([] if writes_in_queries() else [*more, "COMMIT"])]


def exchanged() -> list[str]:
    return ["SELECT oauth_grant", *used("authorization_code", "INSERT access_token", "INSERT refresh_token")]


@pytest.mark.parametrize("form", ["opaque", "jwt"])
def test_a_code_exchange_is_a_read_its_use_and_one_commit(web: Flask, services: Services, form: str) -> None:
    portal = client(web, services, access_token_format=form)
    portal.tokens()
    code = portal.code()
    assert spent(portal, lambda: portal.redeem(code)) == exchanged()


def test_a_key_and_a_proof_cost_one_statement_and_one_commit_each(
    web: Flask, services: Services, clock: FrozenClock
) -> None:
    portal = client(
        web, services, dpop=ProofKey(clock), token_endpoint_auth_method="private_key_jwt", security_profile="fapi2",
    )  # fmt: skip
    portal.tokens()
    code = portal.code()
    jti = ["INSERT assertion_id", *([] if writes_in_queries() else ["COMMIT"])]
    assert spent(portal, lambda: portal.redeem(code)) == [
        *jti, *jti, *exchanged(), *(["COMMIT"] if writes_in_queries() else []),  # of the session that spent them
    ]  # fmt: skip


def test_a_refresh_is_a_read_and_its_use(portal: PortalClient, services: Services) -> None:
    stays = client(portal.web, services, "stays", refresh_rotation=False)
    kept, token = stays.tokens()["refresh_token"], portal.tokens()["refresh_token"]
    rotated, prolonged = (
        used("refresh_token", "INSERT access_token", "INSERT refresh_token"),
        used("refresh_token", "INSERT access_token"),
    )
    assert spent(portal, lambda: portal.refresh(token)) == ["SELECT oauth_grant", *rotated]
    assert spent(stays, lambda: stays.refresh(kept)) == ["SELECT oauth_grant", *prolonged]


def test_a_replay_is_seen_at_once_and_recorded(portal: PortalClient) -> None:
    code = portal.code()
    portal.redeem(code)
    assert spent(portal, lambda: portal.redeem(code), 400) == [
        "SELECT oauth_grant", "UPDATE oauth_grant", "INSERT audit_event", "COMMIT",
    ]  # fmt: skip


def test_the_other_endpoints_for_clients(portal: PortalClient) -> None:
    tokens = portal.tokens()
    access, refresh = tokens["access_token"], tokens["refresh_token"]
    used_nothing = ["INSERT access_token", *([] if writes_in_queries() else ["COMMIT"])]
    asked: dict[str, tuple[Callable[[], Any], list[str]]] = {
        "client credentials": (
            lambda: portal.post("/token", {"grant_type": "client_credentials"}), used_nothing,
        ),
        "exchange": (
            lambda: portal.post("/token", {
                "grant_type": EXCHANGE, "subject_token": access, "resource": API,
                "subject_token_type": "urn:ietf:params:oauth:token-type:access_token",
            }),
            ["SELECT access_token", "INSERT access_token", "COMMIT"],
        ),
        "introspection": (lambda: portal.post("/introspect", {"token": access}), ["SELECT access_token"]),
        "introspection of a refresh token": (
            lambda: portal.post("/introspect", {"token": refresh}), ["SELECT oauth_grant"],
        ),
        "introspection of nothing": (lambda: portal.post("/introspect", {"token": "x"}), ["SELECT access_token"]),
        "revocation": (lambda: portal.post("/revoke", {"token": access}), ["UPDATE access_token", "COMMIT"]),
        "revocation of a family": (
            lambda: portal.post("/revoke", {"token": refresh}), ["UPDATE oauth_grant", "COMMIT"],
        ),
        "device": (
            lambda: portal.post("/device_authorization", {"scope": "openid"}),
            ["INSERT device_authorization", "COMMIT"],
        ),
    }  # fmt: skip
    for name, (ask, expected) in asked.items():
        seen = [one for one in spent(portal, ask) if one != "COMMIT" or "COMMIT" in expected]
        assert seen == expected, name


def test_a_pushed_request_is_one_statement(portal: PortalClient) -> None:
    pushed = {
        "response_type": "code", "redirect_uri": portal.portal.redirect_uris[0], "scope": "openid", "nonce": "n",
        "state": "s", "code_challenge": "c" * 43, "code_challenge_method": "S256",
    }  # fmt: skip
    seen = spent(portal, lambda: portal.post("/par", pushed), 201)
    assert seen == ["INSERT pushed_request", *([] if writes_in_queries() else ["COMMIT"])]


def test_a_sign_on_is_a_read_and_the_statement_that_keeps_its_code(
    portal: PortalClient, services: Services, clock: FrozenClock
) -> None:
    browser = portal.web.test_client()
    browser.set_cookie("connect_session", sign_in(services, portal.portal)[1], domain="localhost")
    asked = {
        "client_id": portal.portal.client_id, "response_type": "code", "redirect_uri": portal.portal.redirect_uris[0],
        "scope": "openid profile", "state": "s", "nonce": "n", "code_challenge": challenge(),
        "code_challenge_method": "S256",
    }  # fmt: skip

    def sign_on() -> Any:
        answer = browser.get("/authorize", query_string=asked, base_url=ISSUER)
        assert "code" in answer_of(answer.headers["Location"])
        return answer

    def keeps(*first: str) -> list[str]:
        """That the session is used is written once a minute; PostgreSQL keeps all by one statement."""
        if writes_in_queries():
            return ["SELECT session"]
        return ["UPDATE session", *first, "INSERT oauth_grant", "INSERT authorization_code", "COMMIT"]

    assert spent(portal, sign_on, 303) == ["SELECT session", *keeps("INSERT portal_session")]
    assert spent(portal, sign_on, 303) == ["SELECT session", *keeps()]
    clock.advance(timedelta(seconds=61))
    assert "UPDATE session" in spent(portal, sign_on, 303)


def test_a_request_that_waits_is_kept_with_its_walk_and_answered_by_one_statement(
    portal: PortalClient, services: Services
) -> None:
    browser = portal.web.test_client()
    asked = {
        "client_id": portal.portal.client_id, "response_type": "code", "redirect_uri": portal.portal.redirect_uris[0],
        "scope": "openid profile", "state": "s", "nonce": "n", "code_challenge": challenge(),
        "code_challenge_method": "S256",
    }  # fmt: skip
    addresses = []

    def ask(path: str, **query: str) -> Any:
        answer = browser.get(path, query_string=query, base_url=ISSUER)
        addresses.append(answer.headers["Location"])
        return answer

    ends = [] if writes_in_queries() else ["COMMIT"]
    kept = spent(portal, lambda: ask("/authorize", **asked), 303)
    assert kept == ["INSERT pending_request", "INSERT flow_run", *ends]
    handle = waiting_handle(services, addresses[-1])
    browser.set_cookie("connect_session", sign_in(services, portal.portal)[1], domain="localhost")
    answered = spent(portal, lambda: ask(f"/authorize/resume/{handle}"), 303)
    assert "code" in answer_of(addresses[-1])
    assert answered[:2] == ["SELECT pending_request", "SELECT session"]
    given = ["portal_session", "oauth_grant", "authorization_code"]
    one_by_one = ["UPDATE session", "UPDATE pending_request", *(f"INSERT {table}" for table in given)]
    assert answered[2:] == (["SELECT session"] if writes_in_queries() else [*one_by_one, "COMMIT"])


def test_userinfo_asks_for_the_token_with_its_person(portal: PortalClient) -> None:
    token = portal.tokens(scope="openid profile email insurance")["access_token"]
    seen = [name for name in spent(portal, lambda: portal.userinfo(token)) if name != "COMMIT"]
    assert seen == ["SELECT access_token"]
