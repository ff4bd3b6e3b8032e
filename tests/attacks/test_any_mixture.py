"""F-17: whoever is signed in had both factors typed in one walk of that browser, in whatever order people click.

No page names anybody else, no code counts twice, no page is broken or a dead end (tests/support/mixture.py).
"""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from tests.support.builders import add_portal
from tests.support.mixture import Mixture
from tests.support.relying_party import PORTAL_SECRET

pytestmark = pytest.mark.sqlite_only

Setting = tuple[Flask, Services, FrozenClock, Portal]
SMOKE = 16


def linked_once() -> bool:
    """Nobody's record is another's, and no letter was redeemed twice."""
    redeemed = select(func.count()).select_from(AuditEvent).where(AuditEvent.tag == AuditTag.REGISTERED.value)
    owners = db.session.scalars(select(InsuredPerson.account_id).where(InsuredPerson.account_id.is_not(None))).all()
    count = db.session.scalar(redeemed) or 0
    db.session.rollback()
    return count <= 1 and len(owners) <= 3


@pytest.fixture
def environment(environment: dict[str, str]) -> dict[str, str]:
    plenty = dict.fromkeys(("SIGN_INS_PER_HOUR", "LETTER_CODES_PER_HOUR", "SENDS_PER_HOUR"), "100000")
    return environment | {f"CONNECT_{name}": value for name, value in plenty.items()}


@pytest.fixture
def setting(web: Flask, services: Services, clock: FrozenClock) -> Setting:
    return web, services, clock, add_portal(client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET))


def walk_all(setting: Setting, numbers: range) -> set[str]:
    """Walk these runs; returns what was recorded in them."""
    done: set[str] = set()
    for number in numbers:
        Mixture(*setting, number).run()
        assert linked_once(), f"run {number}"
        done |= set(db.session.scalars(select(AuditEvent.tag).distinct()))
    return done


def test_no_mixture_signs_in_a_stranger_or_ends_nowhere(setting: Setting) -> None:
    done = walk_all(setting, range(SMOKE))
    assert done >= {
        tag.value for tag in (AuditTag.SIGNED_IN, AuditTag.PASSWORD_REFUSED, AuditTag.RECOVERY_CODE_USED)
    }, sorted(done)


@pytest.mark.long
@pytest.mark.parametrize("part", range(10))
def test_five_thousand_mixtures_do_not_either(setting: Setting, part: int) -> None:
    walk_all(setting, range(1_000 + part * 500, 1_500 + part * 500))
