"""Recovery letters as an operator prints them, without the paper."""

from __future__ import annotations

from idp.models.account import Account
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.recovery_letters import Request


def ask(services: Services, account: Account, portal: Portal) -> object:
    """As H2 does for this account; what it was answered."""
    person = services.accounts.record_of(account.id, portal.id)
    assert person is not None
    asked = services.recovery_letters.request(Request(account, person, portal, device="", place="127.0.0.1"))
    db.session.commit()
    return asked


def printed(services: Services, portal: Portal) -> list[str]:
    """Print the letters that wait; their codes, oldest request first."""
    letters = services.recovery_letters.compose(portal)
    services.recovery_letters.issue(letters)
    db.session.commit()
    return [letter.code for letter in letters]
