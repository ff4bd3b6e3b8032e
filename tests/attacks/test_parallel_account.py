"""Two tabs change one account in the same moment: each change is whole, and the account keeps a way in."""

from __future__ import annotations

from dataclasses import replace

from flask import Flask
from sqlalchemy import func, select

from flows.journeys import CODES
from idp.clock import FrozenClock
from idp.models.account import Account, RecoveryCode
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.instances import Instances
from tests.support.person import Person
from tests.support.prepared import Stand, stand

TABS = 8


def signed_in(services: Services, account: Account) -> str:
    """The secret of a fresh session of this account."""
    return services.sessions.open(account, browser_hash="b", acr="mfa", amr=["pwd", "sms", "mfa"])


def press(app: Flask, tabs: list[Stand], number: int) -> int:
    return tabs[number].post(app).status_code


def test_tabs_that_make_recovery_codes_at_once_leave_five(
    services: Services, portal: Portal, person: Person, environment: dict[str, str], clock: FrozenClock,
    instances: Instances,
) -> None:  # fmt: skip
    account = db.session.scalars(select(Account)).one()
    known = {"account_id": str(account.id), "proved_at": clock.now().isoformat()}
    rounds = []
    for _ in range(3):
        session = signed_in(services, account)
        tabs = [stand(services, portal, CODES, "make_codes", **known) for _ in range(TABS)]
        rounds.append([replace(tab, session=session) for tab in tabs])
    db.session.commit()
    outcomes = instances.race(environment, clock.now(), press, rounds, TABS)
    assert {status for outcome in outcomes for status in outcome} == {303}
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(RecoveryCode)) == 5
    assert services.recovery_codes.left(account.id) == 5
