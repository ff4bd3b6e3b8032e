"""Two tabs change one account in the same moment: each change is whole, and the account keeps a way in."""

from __future__ import annotations

from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import func, select

from flows.journeys import CLOSING, CODES, LINK, REMOVAL, Journey
from idp.clock import FrozenClock
from idp.models.account import Account, RecoveryCode
from idp.models.base import db
from idp.models.person import RegistrationCode
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.actions import letter
from tests.support.builders import add_portal
from tests.support.instances import Instances
from tests.support.person import Person
from tests.support.prepared import Stand, stand
from tests.support.walks import SEED

pytestmark = pytest.mark.both_engines

TABS = 8


def tabs(
    services: Services, portal: Portal, journey: Journey, step: str, account: Account, **facts: str
) -> list[Stand]:
    """Tabs of one fresh session of this account, each a click away from the end of its walk."""
    session = services.sessions.open(account, browser_hash="b", acr="mfa", amr=["pwd", "sms", "mfa"])
    known = {"account_id": str(account.id), **facts}
    if journey.is_own:
        known["proved_at"] = services.clock.now().isoformat()
    found = [stand(services, portal, journey, step, **known) for _ in range(TABS)]
    db.session.commit()
    return [replace(tab, session=session) for tab in found]


def remove(app: Flask, tabs: list[Stand], number: int) -> int:
    return tabs[number].post(app, factor=("app", "sms")[number % 2]).status_code


def close_or_link(app: Flask, both: tuple[list[Stand], list[Stand]], number: int) -> int:
    closing, linking = both
    return (linking if number else closing)[number].post(app, agree="yes", birth_date="27.3.1958").status_code


def press(app: Flask, tabs: list[Stand], number: int) -> int:
    return tabs[number].post(app).status_code


def test_tabs_that_make_recovery_codes_at_once_leave_five(
    services: Services, portal: Portal, person: Person, environment: dict[str, str], clock: FrozenClock,
    instances: Instances,
) -> None:  # fmt: skip
    account = db.session.scalars(select(Account)).one()
    rounds = [tabs(services, portal, CODES, "make_codes", account) for _ in range(3)]
    outcomes = instances.race(environment, clock.now(), press, rounds, TABS)
    assert {status for outcome in outcomes for status in outcome} == {303}
    db.session.rollback()
    assert db.session.scalar(select(func.count()).select_from(RecoveryCode)) == 5
    assert services.recovery_codes.left(account.id) == 5


def test_tabs_that_remove_one_method_each_leave_one(
    services: Services, portal: Portal, person: Person, environment: dict[str, str], clock: FrozenClock,
    instances: Instances,
) -> None:  # fmt: skip
    account = db.session.scalars(select(Account)).one()
    for _ in range(3):
        services.accounts.add_phone(account.id, "+41791234567")
        services.totp.enrol(account.id, SEED, 0)
        db.session.commit()
        rounds = [tabs(services, portal, REMOVAL, "remove_method", account, method="sms", factor_proved="yes")]
        (outcome,) = instances.race(environment, clock.now(), remove, rounds, TABS)
        assert set(outcome) == {303}
        db.session.rollback()
        assert len(services.accounts.factors(account.id).names) == 1


def test_nothing_is_tied_to_an_account_that_is_being_closed(
    services: Services, portal: Portal, person: Person, environment: dict[str, str], clock: FrozenClock,
    instances: Instances,
) -> None:  # fmt: skip
    account, fund = db.session.scalars(select(Account)).one(), add_portal("fon")
    letter(services, fund, "P-2")
    code = db.session.scalars(select(RegistrationCode).where(RegistrationCode.redeemed_at.is_(None))).one()
    closing = tabs(services, portal, CLOSING, "close", account, method="sms", factor_proved="yes")
    linking = tabs(
        services, fund, LINK, "second_item", account, code_id=str(code.id), person_id=str(code.insured_person_id)
    )
    assert services.registration_codes.reserve(code, linking[-1].run_id)
    db.session.commit()
    instances.race(environment, clock.now(), close_or_link, [(closing, linking)], TABS)
    db.session.rollback()
    assert db.session.get_one(Account, account.id).status == "closed"
    assert services.accounts.records_of(account.id) == []
