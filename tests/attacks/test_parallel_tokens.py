"""C-29, C-31: what serves once serves once, however many ask at that moment; and a fault of ours uses nothing up."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.authorization import AccessToken, Grant
from idp.models.base import db
from idp.models.signing_key import SigningKey
from idp.services.bundle import Services
from idp.services.devices import normalise
from idp.services.issuing import keep_grant
from tests.support.holder import ProofKey
from tests.support.portal_client import DEVICE, PortalClient, client, sign_in

pytestmark = pytest.mark.both_engines

PARALLEL = 32


@pytest.fixture
def portal(web: Flask, services: Services) -> PortalClient:
    return client(web, services, grant_types=["authorization_code", "refresh_token", DEVICE])


def at_once(ask: Callable[[], int]) -> Counter[int]:
    db.session.remove()
    barrier = Barrier(PARALLEL)

    def one(_: int) -> int:
        barrier.wait()
        return ask()

    with ThreadPoolExecutor(PARALLEL) as pool:
        return Counter(pool.map(one, range(PARALLEL)))


def test_an_allowed_device_code_gives_tokens_once(portal: PortalClient, services: Services) -> None:
    begun = portal.post("/device_authorization", {"scope": "openid offline_access"}).get_json()
    session, _ = sign_in(services, portal.portal)
    waiting = services.devices.find_waiting(normalise(begun["user_code"]))
    assert waiting is not None
    sid = services.sessions.portal_session(session.id, portal.portal.id)
    grant = services.tokens.make_grant(session, portal.portal, sid, scope=waiting.scope, nonce=None)
    keep_grant(grant)
    assert services.devices.approve(waiting, grant["id"])
    db.session.commit()
    body = {"grant_type": DEVICE, "device_code": begun["device_code"]}
    assert at_once(lambda: portal.post("/token", body).status_code) == {200: 1, 400: PARALLEL - 1}
    assert db.session.scalar(select(func.count()).select_from(AccessToken)) == 1
    assert db.session.scalars(select(Grant)).one().revoked_at is not None


def test_a_proof_serves_once(portal: PortalClient, clock: FrozenClock) -> None:
    portal.dpop = key = ProofKey(clock)
    token = portal.tokens()["access_token"]
    proof = {"DPoP": key.proof("GET", "/userinfo", token)}
    assert at_once(lambda: portal.userinfo(token, headers=proof).status_code) == {200: 1, 401: PARALLEL - 1}


def test_an_assertion_serves_once(web: Flask, services: Services) -> None:
    portal = client(web, services, "key", token_endpoint_auth_method="private_key_jwt")
    assertion = portal.assertion()
    asked = at_once(lambda: portal.post("/introspect", {"token": "x", "client_assertion": assertion}).status_code)
    assert asked == {200: 1, 401: PARALLEL - 1}


def test_a_token_that_stays_serves_all_of_them(web: Flask, services: Services) -> None:
    portal = client(web, services, "stays", refresh_rotation=False)
    token = portal.tokens()["refresh_token"]
    assert at_once(lambda: portal.refresh(token).status_code) == {200: PARALLEL}


def test_of_parallel_rotations_none_leaves_a_family_alive(portal: PortalClient) -> None:
    token = portal.tokens()["refresh_token"]
    assert at_once(lambda: portal.refresh(token).status_code) == {200: 1, 400: PARALLEL - 1}
    assert db.session.scalars(select(Grant)).one().revoked_at is not None


def test_a_fault_of_ours_uses_nothing_up(portal: PortalClient, services: Services) -> None:
    """No signing key: the exchange is taken back as a whole, and the portal may try again."""
    code, token = portal.code(), portal.tokens()["refresh_token"]
    kept = [{c.key: getattr(row, c.key) for c in SigningKey.__table__.columns} for row in services.keyring.rows()]
    db.session.query(SigningKey).delete()
    db.session.commit()
    services.keyring._forget()
    assert portal.redeem(code).status_code == 500
    assert portal.refresh(token).status_code == 500
    db.session.add_all(SigningKey(**values) for values in kept)
    db.session.commit()
    services.keyring._forget()
    assert portal.redeem(code).status_code == 200
    assert portal.refresh(token).status_code == 200
