"""Factor resets as two operators agree on them, without their pages."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.base import db
from idp.models.factor_reset import FactorReset
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.operators import add_operator

COOLED = timedelta(hours=24)


def two_operators(services: Services) -> tuple[UUID, UUID]:
    return tuple(add_operator(services, f"{name}@fund.example.ch", ["support@cpx"]) for name in ("olga", "peter"))  # type: ignore[return-value]


def asked(services: Services, account: Account, portal: Portal, by: UUID) -> FactorReset:
    """Asked for, and waiting for the second operator."""
    record = services.accounts.record_of(account.id, portal.id)
    assert record is not None
    reset = services.factor_resets.ask(record, account, by, "lost", "name birth number more")
    db.session.commit()
    return reset


def agreed(services: Services, account: Account, portal: Portal, by: tuple[UUID, UUID]) -> FactorReset:
    """Approved, and cooling off from now on."""
    reset = asked(services, account, portal, by[0])
    assert services.factor_resets.approve(reset, by[1])
    db.session.commit()
    return reset


def ready(
    services: Services, account: Account, portal: Portal, by: tuple[UUID, UUID], clock: FrozenClock
) -> FactorReset:
    """Cooled off: the next sign-in may set up a new factor."""
    reset = agreed(services, account, portal, by)
    clock.advance(COOLED)
    return reset
