"""Receipts of the SMS gateway: only signed ones, only lately signed ones, and each changes its own SMS alone."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.person import ISSUER

pytestmark = pytest.mark.sqlite_only


@pytest.fixture
def ident(services: Services, portal: Portal) -> str:
    object.__setattr__(services, "settings", services.settings.model_copy(update={"sms_provider": "webhook"}))
    services.outbox.sms("changed", to="+41791234567", language="fr", portal=portal, values={})
    db.session.flush()
    db.session.execute(update(OutboxMessage).values(state="sent", sealed_content=None))
    db.session.commit()
    return str(db.session.scalars(select(OutboxMessage.id)).one())


def post(web: Flask, services: Services, said: object, *, key: str = "", ago: int = 0) -> int:
    body = said if isinstance(said, bytes) else json.dumps(said).encode()
    at = str(int(services.clock.now().timestamp()) - ago)
    secret = (key or services.settings.sms_secret.get_secret_value()).encode()
    signature = hmac.new(secret, at.encode() + b"." + body, hashlib.sha256).hexdigest()
    headers = {"Connect-Signature": f"t={at},v1={signature}", "Content-Type": "application/json"}
    return web.test_client().post("/sms/receipts", data=body, headers=headers, base_url=ISSUER).status_code


def state() -> str:
    db.session.rollback()
    return db.session.scalars(select(OutboxMessage.state)).one()


@pytest.mark.parametrize(("said", "then"), [("delivered", "delivered"), ("failed", "bounced")])
def test_what_the_network_says_is_kept_once(web: Flask, services: Services, ident: str, said: str, then: str) -> None:
    assert post(web, services, {"id": ident, "state": said}) == 204
    assert state() == then
    other = "failed" if said == "delivered" else "delivered"
    assert post(web, services, {"id": ident, "state": other}) == 204
    assert state() == then


def test_a_receipt_that_is_forged_old_or_unsigned_changes_nothing(
    web: Flask, services: Services, ident: str, clock: FrozenClock
) -> None:
    said = {"id": ident, "state": "failed"}
    assert post(web, services, said, key="another secret of somebody") == 401
    assert post(web, services, said, ago=301) == 401
    assert post(web, services, said, ago=-301) == 401
    assert web.test_client().post("/sms/receipts", json=said, base_url=ISSUER).status_code == 401
    assert state() == "sent"
    clock.advance(timedelta(seconds=1))
    assert post(web, services, said, ago=299) == 204


@pytest.mark.parametrize("said", [b"", b"{", b"[]", {"id": "x", "state": "failed"}, {"state": "failed"}, b"[" * 60000])
def test_what_is_no_receipt_is_refused(web: Flask, services: Services, ident: str, said: object) -> None:
    assert post(web, services, said) == 400
    assert post(web, services, {"id": ident, "state": "lost"}) == 400
    assert state() == "sent"


def test_without_a_webhook_there_is_no_such_address(web: Flask, services: Services, ident: str) -> None:
    object.__setattr__(services, "settings", services.settings.model_copy(update={"sms_provider": "aspsms"}))
    assert post(web, services, {"id": ident, "state": "failed"}) == 404
