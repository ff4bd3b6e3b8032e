"""Tabs of one session at once: one presence a portal, and nothing given while it is signed out lives on."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, replace
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.chance import hash_of
from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.authorization import Grant
from idp.models.base import db
from idp.models.portal import Portal
from idp.models.session import PortalSession, Session
from idp.protocol import pending
from idp.protocol.authorization import AuthorizationRequest
from idp.protocol.authorization_code import Overtaken, grant_code
from idp.services.bundle import Services
from tests.support.instances import Instances
from tests.support.person import ISSUER, Person
from tests.support.portal_client import as_signed_on
from tests.support.relying_party import RelyingParty, challenge

pytestmark = pytest.mark.both_engines

BROWSER = "cc_br_" + "b" * 43
ROUNDS = pytest.mark.parametrize("rounds", [4, pytest.param(200, marks=pytest.mark.long)])


@dataclass(frozen=True)
class Tab:
    """A session's cookie, and where its tabs go."""

    secret: str
    session_id: UUID
    address: str


def sessions(services: Services, rp: RelyingParty, count: int) -> list[Tab]:
    account = db.session.scalars(select(Account)).one()
    tabs = []
    for number in range(count):
        secret = services.sessions.open(account, browser_hash=f"b{number}", acr="mfa", amr=["pwd", "sms", "mfa"])
        newest = services.sessions.load(secret)
        assert newest is not None
        tabs.append(Tab(secret, newest.id, rp.request()))
    db.session.commit()
    return tabs


def sign_on(app: Flask, tab: Tab, _: int) -> str:
    client = app.test_client()
    client.set_cookie("connect_session", tab.secret, domain="localhost")
    client.set_cookie("connect_browser", BROWSER, domain="localhost")
    answer = client.get(tab.address, base_url=ISSUER)
    return "code" if "code=" in answer.headers.get("Location", "") else f"{answer.status_code}"


def sign_on_or_out(app: Flask, tab: Tab, number: int) -> str:
    if number % 8:
        return sign_on(app, tab, number)
    services: Services = app.extensions["connect"]
    with app.app_context():
        services.sign_out.session(db.session.get_one(Session, tab.session_id))
        db.session.commit()
    return "out"


@ROUNDS
def test_many_tabs_at_once_are_one_presence_and_each_gets_its_code(
    services: Services, rp: RelyingParty, person: Person, environment: dict[str, str], clock: FrozenClock,
    instances: Instances, rounds: int,
) -> None:  # fmt: skip
    tabs = sessions(services, rp, rounds)
    outcomes = instances.race(environment, clock.now(), sign_on, tabs, clients=16)
    assert [Counter(outcome) for outcome in outcomes] == [{"code": 16}] * rounds
    db.session.rollback()
    made = select(func.count()).select_from(PortalSession).group_by(PortalSession.session_id)
    assert set(db.session.scalars(made)) == {1}


@ROUNDS
def test_nothing_is_given_past_a_sign_out(
    services: Services, rp: RelyingParty, person: Person, environment: dict[str, str], clock: FrozenClock,
    instances: Instances, rounds: int,
) -> None:  # fmt: skip
    tabs = sessions(services, rp, rounds)
    outcomes = instances.race(environment, clock.now(), sign_on_or_out, tabs, clients=16)
    assert {answer for outcome in outcomes for answer in outcome} <= {"code", "303", "out"}
    db.session.rollback()
    ended = [tab.session_id for tab in tabs]
    live = select(Grant.session_id).where(Grant.session_id.in_(ended), Grant.revoked_at.is_(None))
    assert db.session.scalars(live).all() == []


@ROUNDS
@pytest.mark.parametrize("is_first", [True, False])
def test_a_request_that_waited_is_answered_once(
    services: Services, portal: Portal, person: Person, rp: RelyingParty, environment: dict[str, str],
    clock: FrozenClock, instances: Instances, rounds: int, is_first: bool,
) -> None:  # fmt: skip
    """Whoever presses the last button again and again has one code, and is led on everywhere else."""
    wanted = AuthorizationRequest(
        redirect_uri=portal.redirect_uris[0], scope="openid", asked_at=clock.now(), code_challenge=challenge(),
        state="s",
    )  # fmt: skip
    tabs = []
    for tab in sessions(services, rp, rounds):
        if not is_first:
            services.sessions.portal_session(tab.session_id, portal.id)
        handle = pending.keep(services, portal, wanted, hash_of(BROWSER))
        tabs.append(replace(tab, address=f"/authorize/resume/{handle}"))
    db.session.commit()
    outcomes = instances.race(environment, clock.now(), sign_on, tabs, clients=16)
    assert [Counter(outcome) for outcome in outcomes] == [{"code": 1, "303": 15}] * rounds
    db.session.rollback()
    given = select(func.count()).select_from(Grant).group_by(Grant.session_id)
    assert db.session.scalars(given).all() == [1] * rounds


@pytest.mark.parametrize("is_first", [True, False])
def test_a_session_that_ended_since_it_was_read_gives_nothing(
    services: Services, portal: Portal, person: Person, app: Flask, is_first: bool
) -> None:
    session = db.session.scalars(select(Session)).one()
    sid = None if is_first else services.sessions.portal_session(session.id, portal.id)
    services.sign_out.session(session)
    db.session.commit()
    wanted = AuthorizationRequest(
        redirect_uri=portal.redirect_uris[0], scope="openid", asked_at=services.clock.now(), code_challenge=challenge()
    )
    with pytest.raises(Overtaken):
        grant_code(services, portal, wanted, as_signed_on(session)._replace(sid=sid))
    db.session.commit()
    assert db.session.scalars(select(Grant).where(Grant.revoked_at.is_(None))).all() == []
