"""A provider under load, and Connect as one: where it answers, who its portals are, how codes and sessions are made."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from flask import current_app
from sqlalchemy import insert

from bench.walk import Place
from idp.chance import hash_of, new_id, token
from idp.models.account import Account
from idp.models.authorization import AccessToken, AuthorizationCode, Grant, RefreshToken
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.builders import add_person
from tests.support.relying_party import PORTAL_SECRET, challenge
from tests.support.walks import add_account

ES256, RS256 = "ES256", "RS256"
SLUGS = {ES256: "cpx", RS256: "fon"}  # the portal whose ID tokens are signed so
SCOPE = "openid profile email offline_access"
LIFE = timedelta(hours=1)
OWNER = "owner@example.ch"


@dataclass(frozen=True)
class Client:
    """A portal as its provider knows it."""

    client_id: str
    redirect_uri: str

    @property
    def basic(self) -> str:
        return "Basic " + base64.b64encode(f"{self.client_id}:{PORTAL_SECRET}".encode()).decode()


@dataclass(frozen=True)
class Side:
    """`made(kind, client_id, count)`: so many fresh codes (`code`), refresh tokens (`refresh`), access tokens
    (`access`) of a portal, or the cookies of browsers that are signed in (`session`).
    """

    name: str
    origin: str
    paths: dict[str, str]
    clients: dict[str, Client] = field(repr=False)  # by the algorithm of their ID tokens
    made: Callable[[str, str, int], list[str]] = field(repr=False)
    certificate: str | bool = True  # the file of one that none of the known issuers signed

    def client(self, algorithm: str) -> Client:
        """The portal with this algorithm; any where nothing is signed."""
        return self.clients[algorithm] if algorithm else next(iter(self.clients.values()))


OURS = {
    "token": "/token", "userinfo": "/userinfo", "introspect": "/introspect", "jwks": "/jwks", "par": "/par",
    "authorize": "/authorize", "discovery": "/.well-known/openid-configuration",
}  # fmt: skip


def connect(at: Place, name: str) -> Side:
    """The served installation as its portals see it; codes and tokens are written to its tables."""
    bundle, app = at.services, current_app._get_current_object()  # type: ignore[attr-defined]
    account = add_account(bundle, at.portals[0], OWNER)
    for portal in at.portals[1:]:
        add_person(portal, f"of-{OWNER}").link(account.id, bundle.clock.now())
    for algorithm, portal in zip(SLUGS, at.portals, strict=True):
        portal.id_token_signed_response_alg, portal.resources = algorithm, ["https://api.cpx.example.ch/v1"]
        portal.grant_types = ["authorization_code", "refresh_token", "client_credentials"]
    db.session.commit()
    owner, now = account.id, bundle.clock.now()
    grants = {portal.client_id: _grant(bundle, portal, account, now) for portal in at.portals}
    clients = {
        algorithm: Client(portal.client_id, portal.redirect_uris[0])
        for algorithm, portal in zip(SLUGS, at.portals, strict=True)
    }
    callbacks = {client.client_id: client.redirect_uri for client in clients.values()}

    def made(kind: str, client_id: str, count: int) -> list[str]:
        with app.app_context():
            if kind == "session":
                fresh = [f"connect_session={_session(bundle, owner)}" for _ in range(count)]
            else:
                fresh = _insert(bundle, kind, grants[client_id], callbacks[client_id], count)
            db.session.commit()
        return fresh

    return Side(name, at.issuer, OURS, clients, made)


def _session(bundle: Services, account_id: Any) -> str:
    account = db.session.get_one(Account, account_id)
    browser = hashlib.sha256(token(bundle.random, "cc_br_").encode()).hexdigest()
    return bundle.sessions.open(account, browser_hash=browser, acr="mfa", amr=["pwd", "sms", "mfa"])


def _grant(bundle: Services, portal: Portal, account: Account, now: datetime) -> dict[str, Any]:
    """What a grant of this person to this portal says."""
    session = bundle.sessions.load(_session(bundle, account.id))
    if session is None:
        raise LookupError("the session that was opened is not there")
    sid = bundle.sessions.portal_session(session.id, portal.id)
    db.session.commit()
    return {
        "portal_id": portal.id, "account_id": account.id, "session_id": session.id, "sid": sid, "scope": SCOPE,
        "nonce": "n", "auth_time": now, "acr": session.acr, "amr": session.amr,
    }  # fmt: skip


TABLES = {
    "code": (AuthorizationCode, "code_hash", "cc_code_"), "refresh": (RefreshToken, "token_hash", "cc_rt_"),
    "access": (AccessToken, "token_hash", "cc_at_"),
}  # fmt: skip


def _insert(bundle: Services, kind: str, grant: dict[str, Any], callback: str, count: int) -> list[str]:
    table, column, prefix = TABLES[kind]
    now, portal_id = bundle.clock.now(), grant["portal_id"]
    shared = {
        "code": {"portal_id": portal_id, "redirect_uri": callback, "code_challenge": challenge()},
        "refresh": {"scope": SCOPE},
        "access": {"scope": SCOPE, "portal_id": portal_id, "created_at": now},
    }[kind]
    fresh = {**grant, "created_at": now, "expires_at": now + LIFE}
    grants: list[dict[str, Any]] = [{"id": new_id(bundle.random, now), **fresh} for _ in range(count)]
    secrets = [token(bundle.random, prefix) for _ in range(count)]
    db.session.execute(insert(Grant), grants)
    db.session.execute(insert(table), [
        {"id": one["id"], column: hash_of(secret), "grant_id": one["id"], "expires_at": now + LIFE, **shared}
        for one, secret in zip(grants, secrets, strict=True)
    ])  # fmt: skip
    return secrets
