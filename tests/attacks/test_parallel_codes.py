"""F-12, C-30: of 64 clients of two instances that show the same one-time code at once, one is believed."""

from __future__ import annotations

from collections import Counter
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select

from flows.journeys import LOGIN, REGISTRATION
from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.person import RegistrationCode
from idp.models.portal import Portal
from idp.protocol.client_assertion import _spend
from idp.services.bundle import Services
from idp.services.challenges import Kind
from tests.actions import letter
from tests.support.instances import Instances
from tests.support.prepared import send_codes, stand
from tests.support.walks import add_account, app_code

pytestmark = pytest.mark.both_engines

CODES = pytest.mark.parametrize("codes", [3, pytest.param(1000, marks=pytest.mark.long)])
CLIENTS = 64
ONE = {True: 1, False: CLIENTS - 1}
OTP = "314159"


def show_app_code(app: Flask, shown: tuple[UUID, str], _: int) -> bool:
    bundle: Services = app.extensions["connect"]
    with app.app_context():
        is_right = bundle.totp.verify(*shown).step is not None
        db.session.commit()
        return is_right


def show_sent_code(app: Flask, shown: tuple[Kind, UUID, str], _: int) -> bool:
    bundle: Services = app.extensions["connect"]
    kind, run_id, recipient = shown
    with app.app_context():
        verdict = bundle.challenges.judge(kind, run_id=run_id, recipient=recipient, code=OTP)
        db.session.commit()
        return verdict.value == "right"


def show_assertion_id(app: Flask, jti: str, _: int) -> bool:
    bundle: Services = app.extensions["connect"]
    with app.app_context():
        portal = bundle.portals.load("cpx")
        return _spend(portal, jti, bundle.clock.now())


def redeem_letter_code(app: Flask, shown: tuple[UUID, UUID], _: int) -> bool:
    bundle: Services = app.extensions["connect"]
    with app.app_context():
        is_redeemed = bundle.registration_codes.redeem(*shown, None)
        db.session.commit()
        return is_redeemed


@CODES
def test_a_letter_code_is_redeemed_once(
    app: Flask, services: Services, portal: Portal, environment: dict[str, str], clock: FrozenClock,
    instances: Instances, codes: int,
) -> None:  # fmt: skip
    for at in range(codes):
        letter(services, portal, f"P-{at}")
    rows = db.session.scalars(select(RegistrationCode)).all()
    holder = UUID(int=1)
    assert all(services.registration_codes.reserve(row, holder) for row in rows)
    db.session.commit()
    shown = [(row.id, holder) for row in rows]
    outcomes = instances.race(environment, clock.now(), redeem_letter_code, shown, CLIENTS)
    assert [Counter(outcome) for outcome in outcomes] == [ONE] * codes


@CODES
def test_an_app_code_opens_one_of_64_sign_ins(
    app: Flask, services: Services, portal: Portal, environment: dict[str, str], clock: FrozenClock,
    instances: Instances, codes: int,
) -> None:  # fmt: skip
    accounts = [add_account(services, portal, f"p{at}@example.ch", "app").id for at in range(codes)]
    shown = [(account_id, app_code(clock)) for account_id in accounts]
    outcomes = instances.race(environment, clock.now(), show_app_code, shown, CLIENTS)
    assert [Counter(outcome) for outcome in outcomes] == [ONE] * codes


@CODES
@pytest.mark.parametrize("kind", Kind)
def test_a_sent_code_is_believed_once(
    app: Flask, services: Services, portal: Portal, environment: dict[str, str], clock: FrozenClock,
    instances: Instances, codes: int, kind: Kind,
) -> None:  # fmt: skip
    step, journey = ("email_code", REGISTRATION) if kind is Kind.EMAIL else ("sms_code", LOGIN)
    stands = [stand(services, portal, journey, step) for _ in range(codes)]
    recipients = [f"recipient {at}" for at in range(codes)]
    send_codes(services, kind, stands, recipients, OTP)
    shown = [(kind, one.run_id, recipient) for one, recipient in zip(stands, recipients, strict=True)]
    outcomes = instances.race(environment, clock.now(), show_sent_code, shown, CLIENTS)
    assert [Counter(outcome) for outcome in outcomes] == [ONE] * codes


@CODES
def test_a_client_assertion_is_accepted_once(
    app: Flask, portal: Portal, environment: dict[str, str], clock: FrozenClock, instances: Instances, codes: int
) -> None:
    shown = [f"jti {at}" for at in range(codes)]
    outcomes = instances.race(environment, clock.now(), show_assertion_id, shown, CLIENTS)
    assert [Counter(outcome) for outcome in outcomes] == [ONE] * codes
