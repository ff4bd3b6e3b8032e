"""What every test may ask for: settings made at run time, a frozen clock, and an application on a fresh database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models.base import Base, db
from idp.services.assembly import attach, build_services
from idp.services.bundle import Services
from idp.settings import Settings
from keys.master import new_master_key


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(datetime(2026, 3, 27, 13, 30, tzinfo=UTC))


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A complete configuration with cheap password hashing."""
    return {
        "CONNECT_ISSUER": "http://localhost:8000",
        "CONNECT_DATABASE_URL": f"sqlite:///{tmp_path}/connect.db",
        "CONNECT_MASTER_KEY": new_master_key(),
        "CONNECT_MAIL_FROM": "connect@example.ch",
        "CONNECT_SMTP_HOST": "localhost",
        "CONNECT_SMTP_SECURITY": "none",
        "CONNECT_SMS_PROVIDER": "webhook",
        "CONNECT_SMS_URL": "http://localhost:9/sms",
        "CONNECT_SMS_SECRET": new_master_key() + "Zq",
        "CONNECT_ARGON2_MEMORY_KIB": "8",
        "CONNECT_ARGON2_PASSES": "1",
    }


@pytest.fixture
def services(environment: dict[str, str], clock: FrozenClock) -> Services:
    return build_services(Settings.from_environ(environment), clock=clock)


@pytest.fixture
def app(services: Services) -> Iterator[Flask]:
    """A bare application inside its context, on an empty SQLite database."""
    app = Flask("test")
    attach(app, services)
    with app.app_context():
        Base.metadata.create_all(db.engine)
        yield app
        db.session.remove()
        db.engine.dispose()
