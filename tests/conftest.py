"""What every test may ask for: settings made at run time, a frozen clock, and an application on a fresh database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models.base import Base, db
from idp.models.portal import Portal
from idp.models.signing_key import SigningKey
from idp.services.assembly import attach, build_services
from idp.services.bundle import Services
from idp.settings import Settings
from keys.master import new_master_key
from tests.actions import register
from tests.support.builders import add_portal
from tests.support.person import Person
from tests.support.relying_party import PORTAL_SECRET, RelyingParty
from wsgi import create_app

MASTER_KEY = new_master_key()
SIGNING_KEYS: list[dict[str, Any]] = []  # made once in this process: RSA keys take a second


@pytest.fixture
def clock() -> FrozenClock:
    return FrozenClock(datetime(2026, 3, 27, 13, 30, tzinfo=UTC))


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A complete configuration with cheap password hashing."""
    return {
        "CONNECT_ISSUER": "http://localhost:8000",
        "CONNECT_DATABASE_URL": f"sqlite:///{tmp_path}/connect.db",
        "CONNECT_MASTER_KEY": MASTER_KEY,
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


@pytest.fixture
def signing_keys(app: Flask, services: Services) -> None:
    """An active and a next key of every algorithm."""
    if SIGNING_KEYS:
        db.session.add_all(SigningKey(**values) for values in SIGNING_KEYS)
        db.session.commit()
        return
    services.keyring.ensure()
    columns = [column.key for column in SigningKey.__table__.columns]
    SIGNING_KEYS.extend({name: getattr(row, name) for name in columns} for row in services.keyring.rows())


@pytest.fixture
def web(app: Flask, services: Services, signing_keys: None) -> Flask:
    """The whole web application on the database of `app`."""
    return create_app(services=services)


@pytest.fixture
def portal(app: Flask, services: Services) -> Portal:
    """A portal that authenticates with `PORTAL_SECRET`."""
    return add_portal(client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET))


@pytest.fixture
def rp(web: Flask, portal: Portal) -> RelyingParty:
    """That portal's side of the protocol."""
    return RelyingParty(web, portal.client_id, portal.redirect_uris[0], PORTAL_SECRET)


@pytest.fixture
def person(web: Flask, portal: Portal, services: Services) -> Person:
    """Somebody registered at the portal by SMS and signed in."""
    return register(web, services, portal)
