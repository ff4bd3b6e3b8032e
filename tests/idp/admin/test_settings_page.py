"""The settings in the console: every one with its value, none of the secrets, and a change stands in the audit."""

from __future__ import annotations

from datetime import timedelta

import pytest
from flask import Flask
from pydantic import SecretStr
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.known_settings import CURTAIN, notice
from idp.services.live_settings import LiveSettings
from idp.settings import Settings
from tests.support.operators import add_operator, sign_in

pytestmark = pytest.mark.sqlite_only
EMAIL = "olga@fund.example.ch"


def restart(services: Services, **changes: object) -> dict[str, tuple[str, str]]:
    """A process starts with these settings changed."""
    environment = services.live.environment.model_copy(update=changes)
    object.__setattr__(services, "live", LiveSettings(environment, services.clock))
    object.__setattr__(services, "settings", services.live.settings)
    return notice(services)


def test_every_setting_is_shown_and_no_secret(web: Flask, services: Services, portal: Portal) -> None:
    add_operator(services, EMAIL, ["security"])
    olga = sign_in(web, services, EMAIL)
    olga.open("/admin/settings")
    for name, field in Settings.model_fields.items():
        assert f"CONNECT_{name.upper()}" in olga.text
        value = getattr(services.settings, name)
        if isinstance(value, SecretStr):
            assert value.get_secret_value() not in olga.text
        elif field.repr is False and value:
            assert str(value) not in olga.text
    assert CURTAIN in olga.text


def test_a_change_between_two_starts_is_recorded_once_and_secrets_stay_hidden(
    web: Flask, services: Services, clock: FrozenClock
) -> None:
    assert notice(services) == {}
    assert notice(services) == {}
    clock.advance(timedelta(days=1))
    found = restart(services, sms_per_day=7, sms_secret=SecretStr("another-secret-of-the-gateway"), log_level="error")
    assert found == {"sms_per_day": ("20000", "7"), "sms_secret": (CURTAIN, CURTAIN)}
    assert notice(services) == {}
    db.session.rollback()
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.tag == "operator:settings:change")).one()
    assert "another-secret" not in str(event.detail)
    add_operator(services, EMAIL, ["superuser"])
    olga = sign_in(web, services, EMAIL)
    olga.open("/admin/audit?tag=operator:settings:change")
    assert "sms_per_day: 20000 → 7" in olga.text
    olga.open("/admin/settings")
    assert "28.3.2026, 14:30" in olga.text
