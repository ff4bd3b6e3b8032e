"""What the server of a portal asks for: requests a second and their slowest hundredth, against oidc-provider on Redis.

One core for the server, the other for load and databases. The peers take turns within a round, and each call is made
once with its answer looked at before it is timed. Connect writes every token durably; the peer's Redis keeps nothing.
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import requests
from sqlalchemy import insert

from bench import peers
from bench.load import CONNECTIONS, Answered, Call, drive
from bench.report import RATIO, Figure, Report, circumstances
from bench.walk import LOAD_CORE, SERVER_CORE, Place, place
from idp.chance import hash_of, new_id, token
from idp.models.authorization import AccessToken, AuthorizationCode, Grant, RefreshToken
from idp.models.base import db
from tests.support import servers
from tests.support.engines import empty_postgresql_database
from tests.support.relying_party import PORTAL_SECRET, VERIFIER, challenge
from tests.support.walks import add_account

ROUNDS, SECONDS = 5, 3
QUICK_ROUNDS, QUICK_SECONDS = 1, 1
FASTEST = 5_000  # a second: so many codes are made ahead for one run
SCOPE = "openid profile email offline_access"
LIFE = timedelta(hours=1)


@dataclass(frozen=True)
class Side:
    """A provider under load: where it is, what its portal is called there, and how codes and tokens are made."""

    origin: str
    paths: dict[str, str]
    basic: str
    redirect_uri: str
    made: Callable[[str, int], list[str]]


@dataclass(frozen=True)
class Task:
    """One kind of call and the least ratio to the peer that we want."""

    name: str
    endpoint: str
    target: float
    body: dict[str, str] | None = None
    needs: str = ""  # what each request spends, or, with `is_shared`, all use
    is_shared: bool = False
    bearer: bool = False
    shows: str = ""  # what a right answer contains


VALUE = "VALUE"
CODE = {"grant_type": "authorization_code", "code": VALUE, "code_verifier": VERIFIER}
REFRESH = {"grant_type": "refresh_token", "refresh_token": VALUE}
TASKS = (
    Task("exchange", "token", 1.3, CODE, needs="code", shows="id_token"),
    Task("refresh", "token", 1.2, REFRESH, needs="refresh", shows="refresh_token"),
    Task("credentials", "token", 1.2, {"grant_type": "client_credentials"}, shows="access_token"),
    Task("userinfo", "userinfo", 1.2, needs="access", is_shared=True, bearer=True, shows="family_name"),
    Task("introspect", "introspect", 1.2, {"token": VALUE}, needs="access", is_shared=True, shows="client_id"),
    Task("discovery", "discovery", 1.0, shows="token_endpoint"),
    Task("keys", "jwks", 1.0, shows="kid"),
)
OURS = {
    "token": "/token", "userinfo": "/userinfo", "introspect": "/introspect", "jwks": "/jwks",
    "discovery": "/.well-known/openid-configuration",
}  # fmt: skip
THEIRS = {**OURS, "userinfo": "/me", "introspect": "/token/introspection"}


def measure(*, quick: bool) -> Report:
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, SECONDS)
    report = Report("portal_calls", circumstances(
        rounds=rounds, database="PostgreSQL 15, synchronous_commit=on", seconds=seconds, connections=CONNECTIONS,
        peer="oidc-provider on Redis without persistence, one process", signature="ES256", access_token="opaque",
    ))  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="connect-bench-") as name, sides(Path(name)) as (us, them):
        for task in TASKS:
            pairs = []
            for number in range(rounds):
                found = []
                for side in (us, them):
                    values = Path(name) / "values"
                    found.append(_run(side, task, seconds, values, is_first=number == 0))
                pairs.append(found)
            report.figures += _figures(task, pairs)
    return report


def _figures(task: Task, pairs: list[list[Answered]]) -> Iterator[Figure]:
    ours, theirs = zip(*pairs, strict=True)
    ratios = [us.per_second / them.per_second for us, them in pairs]
    tails = [us.p99_ms / them.p99_ms for us, them in pairs]
    yield Figure(f"{task.name}, requests", "/s", [one.per_second for one in ours])
    yield Figure(f"{task.name}, requests of the peer", "/s", [one.per_second for one in theirs])
    yield Figure(f"{task.name}, against the peer", RATIO, ratios, task.target, more_is_better=True)
    yield Figure(f"{task.name}, p99", "ms", [one.p99_ms for one in ours])
    yield Figure(f"{task.name}, p99 against the peer's", RATIO, tails, 0.5)


def _run(side: Side, task: Task, seconds: int, values: Path, *, is_first: bool) -> Answered:
    count = 0 if not task.needs else 1 if task.is_shared else FASTEST * seconds
    first, *made = side.made(task.needs, count + 1) if count else ["", ""]
    body = {**task.body, "redirect_uri": side.redirect_uri} if task.needs == "code" and task.body else task.body
    form = urlencode(body) if body else ""
    authorization = f"Bearer {VALUE}" if task.bearer else side.basic if task.body else ""
    if is_first:
        _look(side, task, form, authorization, first)
    method = "POST" if task.body else "GET"
    if count and not task.is_shared:
        values.write_text("\n".join(quote(one) for one in made) + "\n", encoding="ascii")
        call = Call(method, side.paths[task.endpoint], authorization, form, values)
    else:
        form, authorization = form.replace(VALUE, quote(made[0])), authorization.replace(VALUE, made[0])
        call = Call(method, side.paths[task.endpoint], authorization, form)
    return drive(side.origin, call, seconds=seconds, core=LOAD_CORE)


def _look(side: Side, task: Task, form: str, authorization: str, value: str) -> None:
    """One call outside the measurement, whose answer must be what the others are taken for."""
    headers = {"Authorization": authorization.replace(VALUE, value)} if authorization else {}
    if form:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    answer = requests.request(
        "POST" if form else "GET", side.origin + side.paths[task.endpoint],
        data=form.replace(VALUE, quote(value)) or None, headers=headers, timeout=30,
    )  # fmt: skip
    if answer.status_code != requests.codes.ok or task.shows not in answer.text:
        raise RuntimeError(f"{task.name} was answered wrongly by {side.origin}: {answer.status_code} {answer.text}")


@contextmanager
def sides(folder: Path) -> Iterator[tuple[Side, Side]]:
    """Connect on a durable PostgreSQL, and the peer."""
    run = servers.new_run_folder()
    try:
        servers.postgresql(run, is_durable=True)
        url = empty_postgresql_database(run, "bench")
        peer = peers.oidc_provider(servers.shared_redis(run), "ES256", folder / "peer.log", core=SERVER_CORE)
        with place(CONNECT_DATABASE_URL=url) as at, peer as other:
            us = connect(at)
            at.start("--blocking-threads", "2")  # more wait for each other on one core
            them = Side(other.origin, THEIRS, _basic(peers.CLIENT_ID), peers.REDIRECT_URI, other.made)
            yield us, them
    finally:
        servers.stop_all(run)


def connect(at: Place) -> Side:
    """The served installation as its portal sees it; codes and tokens are written to its tables."""
    portal = at.portals[0]
    portal.id_token_signed_response_alg, portal.resources = "ES256", ["https://api.cpx.example.ch/v1"]
    portal.grant_types = ["authorization_code", "refresh_token", "client_credentials"]
    account = add_account(at.services, portal, "owner@example.ch")
    secret = at.services.sessions.open(account, browser_hash="b" * 64, acr="mfa", amr=["pwd", "sms", "mfa"])
    db.session.commit()
    session = at.services.sessions.load(secret)
    if session is None:
        raise LookupError("the session that was opened is not there")
    sid = at.services.sessions.portal_session(session, portal)
    db.session.commit()
    now = at.services.clock.now()
    grant = {
        "portal_id": portal.id, "account_id": account.id, "session_id": session.id, "sid": sid.id, "scope": SCOPE,
        "nonce": "n", "auth_time": now, "acr": session.acr, "amr": session.amr, "created_at": now,
        "expires_at": now + LIFE,
    }  # fmt: skip
    shared = {"code": {"redirect_uri": portal.redirect_uris[0], "code_challenge": challenge(), "portal_id": portal.id},
              "refresh": {"scope": SCOPE},
              "access": {"scope": SCOPE, "portal_id": portal.id, "created_at": now}}  # fmt: skip
    tables = {"code": (AuthorizationCode, "code_hash", "cc_code_"), "refresh": (RefreshToken, "token_hash", "cc_rt_"),
              "access": (AccessToken, "token_hash", "cc_at_")}  # fmt: skip

    def made(kind: str, count: int) -> list[str]:
        table, column, prefix = tables[kind]
        grants: list[dict[str, Any]] = [{"id": new_id(at.services.random, now), **grant} for _ in range(count)]
        secrets = [token(at.services.random, prefix) for _ in range(count)]
        db.session.execute(insert(Grant), grants)
        db.session.execute(insert(table), [
            {"id": one["id"], column: hash_of(secret), "grant_id": one["id"], "expires_at": now + LIFE, **shared[kind]}
            for one, secret in zip(grants, secrets, strict=True)
        ])  # fmt: skip
        db.session.commit()
        return secrets

    return Side(at.issuer, OURS, _basic(portal.client_id), portal.redirect_uris[0], made)


def _basic(client_id: str) -> str:
    return "Basic " + base64.b64encode(f"{client_id}:{PORTAL_SECRET}".encode()).decode()
