"""Passwords outlive the settings they were hashed with."""

from __future__ import annotations

from flask import Flask

from idp.clock import FrozenClock
from idp.models.account import Password
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.assembly import build_services
from idp.services.bundle import Services
from idp.settings import Settings
from tests.actions import PASSWORD
from tests.support.walks import add_account


def kept(services: Services) -> Password:
    account = services.accounts.find("helene@example.ch")
    assert account
    return db.session.get_one(Password, account.id, populate_existing=True)


def test_a_right_password_is_hashed_anew_once_the_settings_changed(
    app: Flask, services: Services, portal: Portal, environment: dict[str, str], clock: FrozenClock
) -> None:
    account_id = add_account(services, portal, "helene@example.ch").id
    before, changed_at = kept(services).hash, kept(services).changed_at
    assert services.passwords.verify(account_id, PASSWORD)
    db.session.commit()
    assert kept(services).hash == before
    stronger = build_services(Settings.from_environ({**environment, "CONNECT_ARGON2_PASSES": "2"}), clock=clock)
    assert not stronger.passwords.verify(account_id, "wrong")
    db.session.commit()
    assert kept(services).hash == before
    assert stronger.passwords.verify(account_id, PASSWORD)
    db.session.commit()
    assert "t=2" in kept(services).hash
    assert kept(services).changed_at == changed_at  # no change of password: walks and sessions go on
    assert stronger.passwords.verify(account_id, PASSWORD)
