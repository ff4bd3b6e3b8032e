"""The worker: takes due messages from the outbox, delivers them once, retries with back-off, gives up visibly.

Several workers may run: a row is taken by one conditional UPDATE with a lease, and a crash gives it back.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from flask import Flask
from sqlalchemy import ColumnElement, and_, delete, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from idp.models.authorization import (
    AccessToken,
    AssertionID,
    AuthorizationCode,
    PendingRequest,
    PortalInvite,
    RefreshToken,
)
from idp.models.base import Base, db, write
from idp.models.flow import Challenge, FlowRun
from idp.models.outbox import OutboxMessage
from idp.models.self_test import ObservedRequest
from idp.services.bundle import Services, services
from idp.services.logout_delivery import LogoutCourier
from idp.services.logout_notices import CHANNEL
from idp.services.mail import DeliveryFailed, Undeliverable

BATCH = 20
LEASE = timedelta(minutes=2)
BACK_OFF = (5, 30, 120, 600, 1800, 3600)  # seconds; given up after the last
POLL_S = 0.5
CLEAN_EVERY = timedelta(minutes=1)
CLEAN_BATCH = 500
SHORT_LIVED: tuple[tuple[type[Base], timedelta], ...] = (
    (PendingRequest, timedelta(0)),
    (AuthorizationCode, timedelta(hours=1)),  # a replay is still seen and revokes
    (AccessToken, timedelta(0)),
    (RefreshToken, timedelta(days=1)),
    (PortalInvite, timedelta(days=30)),
    (ObservedRequest, timedelta(0)),
    (AssertionID, timedelta(0)),
    (Challenge, timedelta(days=1)),  # resend limits look one day back
    (FlowRun, timedelta(days=1)),  # a late visitor is told what happened instead of "not found"
)

log = structlog.get_logger(__name__)


class Worker:
    def __init__(self, app: Flask) -> None:
        self._app = app
        self._cleaned_at: datetime | None = None

    def run_forever(self, stop: threading.Event) -> None:
        """Deliver until told to stop; an unreachable database is waited for."""
        courier = LogoutCourier(self._app)
        threading.Thread(target=courier.run_forever, args=(stop,), name="logout", daemon=True).start()
        while not stop.is_set():
            try:
                busy = self.run_once()
            except SQLAlchemyError as error:
                log.error("worker_database", error=type(error).__name__)
                busy = 0
                stop.wait(2)
            if not busy:
                stop.wait(POLL_S)

    def run_once(self) -> int:
        """Deliver what is due now; returns how many messages were settled or put off."""
        with self._app.app_context():
            bundle = services()
            taken = self._take(bundle)
            for ident in taken:
                self._deliver(bundle, ident)
            now = bundle.clock.now()
            if self._cleaned_at is None or now - self._cleaned_at > CLEAN_EVERY:
                self._cleaned_at = now
                clean(now)
            return len(taken)

    def _take(self, bundle: Services) -> list[UUID]:
        now = bundle.clock.now()
        is_open = or_(OutboxMessage.state == "waiting", OutboxMessage.state == "sending")
        due = and_(is_open, OutboxMessage.channel != CHANNEL)
        candidates = db.session.scalars(
            select(OutboxMessage.id)
            .where(due, OutboxMessage.due_at <= now)
            .order_by(OutboxMessage.created_at)
            .limit(BATCH)
        ).all()
        taken = []
        for ident in candidates:
            done = write(
                update(OutboxMessage)
                .where(OutboxMessage.id == ident, due, OutboxMessage.due_at <= now)
                .values(state="sending", due_at=now + LEASE, tries=OutboxMessage.tries + 1)
            )
            db.session.commit()
            if done == 1:
                taken.append(ident)
        return taken

    def _deliver(self, bundle: Services, ident: UUID) -> None:
        row = db.session.get_one(OutboxMessage, ident, populate_existing=True)
        now = bundle.clock.now()
        if row.expires_at is not None and row.expires_at <= now:
            self._settle(row, "expired", now)
            return
        content, channel, tries = bundle.outbox.open(row), row.channel, row.tries
        db.session.rollback()  # nothing is held while the network is asked
        try:
            if channel == "mail":
                bundle.mail.send(content)
            else:
                bundle.sms.send(content, ident)
        except Undeliverable as error:
            self._settle(db.session.get_one(OutboxMessage, ident), "dead", bundle.clock.now(), str(error))
        except DeliveryFailed as error:
            self._put_off(db.session.get_one(OutboxMessage, ident), tries, bundle.clock.now(), str(error))
        else:
            self._settle(db.session.get_one(OutboxMessage, ident), "sent", bundle.clock.now())

    def _settle(self, row: OutboxMessage, state: str, now: datetime, error: str | None = None) -> None:
        row.state, row.settled_at, row.last_error, row.sealed_content = state, now, error, None
        log.info("message_settled", message=str(row.id), channel=row.channel, state=state, tries=row.tries, error=error)
        db.session.commit()

    def _put_off(self, row: OutboxMessage, tries: int, now: datetime, error: str) -> None:
        if tries > len(BACK_OFF):
            self._settle(row, "dead", now, error)
            return
        row.state, row.due_at, row.last_error = "waiting", now + timedelta(seconds=BACK_OFF[tries - 1]), error
        log.warning("message_put_off", message=str(row.id), channel=row.channel, tries=tries, error=error)
        db.session.commit()


def clean(now: datetime) -> int:
    """Remove what has expired, in small transactions; returns how many rows went."""
    removed = 0
    for model, kept_for in SHORT_LIVED:
        key = next(iter(model.__table__.primary_key.columns))  # type: ignore[attr-defined]
        expired: ColumnElement[bool] = model.__table__.c.expires_at < now - kept_for
        while True:
            batch = db.session.scalars(select(key).where(expired).limit(CLEAN_BATCH)).all()
            if not batch:
                break
            db.session.execute(delete(model).where(key.in_(batch)))
            db.session.commit()
            removed += len(batch)
    return removed
