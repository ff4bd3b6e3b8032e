"""T-01, C-29, C-31: one code, token or assertion, 64 clients of two instances at once: one success, on any engine."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.authorization import AccessToken, AuthorizationCode, Grant, RefreshToken
from idp.models.base import Base, db
from idp.models.portal import Portal
from idp.models.session import Session
from idp.protocol.authorization import AuthorizationRequest
from idp.protocol.authorization_code import grant_code
from idp.services.bundle import Services
from tests.support.instances import Instances
from tests.support.person import Person
from tests.support.portal_client import as_signed_on
from tests.support.relying_party import PORTAL_SECRET, RelyingParty, challenge

pytestmark = pytest.mark.both_engines

REDIRECT = "https://cpx.example.ch/callback"
ONE_OF_64 = {200: 1, 400: 63}


def redeem(app: Flask, code: str, _: int) -> int:
    return RelyingParty(app, "client-cpx", REDIRECT, PORTAL_SECRET).redeem(code).status_code


def refresh(app: Flask, token: str, _: int) -> int:
    return RelyingParty(app, "client-cpx", REDIRECT, PORTAL_SECRET).refresh(token).status_code


def codes(services: Services, portal: Portal, count: int) -> list[str]:
    """Authorization codes of the session of `person`, as /authorize gives them."""
    session = db.session.scalars(select(Session)).one()
    wanted = AuthorizationRequest(
        redirect_uri=REDIRECT, scope="openid offline_access", asked_at=services.clock.now(), code_challenge=challenge()
    )
    made = [grant_code(services, portal, wanted, as_signed_on(session)) for _ in range(count)]
    db.session.commit()
    return made


def rows(model: type[Base], **where: Any) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model).filter_by(**where)) or 0


@pytest.mark.parametrize("rounds", [3, pytest.param(1000, marks=pytest.mark.long)])
def test_of_64_redemptions_of_one_code_one_succeeds(
    services: Services, portal: Portal, person: Person, environment: dict[str, str], clock: FrozenClock,
    instances: Instances, rounds: int,
) -> None:  # fmt: skip
    given = codes(services, portal, rounds)
    outcomes = instances.race(environment, clock.now(), redeem, given)
    assert [Counter(outcome) for outcome in outcomes] == [ONE_OF_64] * rounds
    assert rows(AccessToken) == rows(RefreshToken) == rounds
    assert rows(AuthorizationCode, used_at=None) == 0
    assert rows(Grant, revoked_at=None) == 0  # sixty-three replays of each


@pytest.mark.parametrize("rounds", [3, pytest.param(1000, marks=pytest.mark.long)])
def test_of_64_uses_of_one_refresh_token_one_succeeds(
    services: Services, portal: Portal, person: Person, rp: RelyingParty, environment: dict[str, str],
    clock: FrozenClock, instances: Instances, rounds: int,
) -> None:  # fmt: skip
    tokens = [rp.redeem(code).get_json()["refresh_token"] for code in codes(services, portal, rounds)]
    outcomes = instances.race(environment, clock.now(), refresh, tokens)
    assert [Counter(outcome) for outcome in outcomes] == [ONE_OF_64] * rounds
    assert rows(RefreshToken) == 2 * rounds
    assert rows(Grant, revoked_at=None) == 0
