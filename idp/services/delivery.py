"""The worker: takes due messages from the outbox, delivers them once, retries with back-off, gives up visibly.

Several workers may run: a row is taken by one conditional UPDATE with a lease, and a crash gives it back. Each channel
has a thread of its own, so that a mail server that does not answer holds up no SMS.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from flask import Flask
from sqlalchemy import ColumnElement, delete, or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from idp.models.authorization import (
    AccessToken,
    AssertionID,
    AuthorizationCode,
    DeviceAuthorization,
    PendingRequest,
    PortalInvite,
    RefreshToken,
)
from idp.models.base import Base, db, write
from idp.models.flow import Challenge, FlowRun
from idp.models.outbox import OutboxMessage
from idp.models.self_test import ObservedRequest
from idp.services.attempts import clean_attempts
from idp.services.audit import AuditTag
from idp.services.bundle import Services, services
from idp.services.logout_delivery import LogoutCourier
from idp.services.mail import DeliveryFailed, Undeliverable
from idp.services.outbox import Content

CHANNELS = ("mail", "sms")
BATCH = 20
LEASE = timedelta(minutes=3)  # longer than one delivery whose every step waits as long as it may
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
    (DeviceAuthorization, timedelta(hours=1)),  # a device that comes late is told that its code expired
    (Challenge, timedelta(days=1)),  # resend limits look one day back
    (FlowRun, timedelta(days=1)),  # a late visitor is told what happened instead of "not found"
)

log = structlog.get_logger(__name__)


class Worker:
    def __init__(self, app: Flask) -> None:
        self._app = app
        self._cleaned_at: datetime | None = None

    def run_forever(self, stop: threading.Event) -> None:
        """Deliver and clean up until told to stop; an unreachable database is waited for."""
        threads = [
            threading.Thread(target=self._repeat, args=(channel, stop), name=f"worker-{channel}", daemon=True)
            for channel in CHANNELS
        ]
        courier = LogoutCourier(self._app)
        threads.append(threading.Thread(target=courier.run_forever, args=(stop,), name="worker-logout", daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def run_once(self) -> int:
        """Deliver what is due now; returns how many messages were settled or put off."""
        return sum(self._run(channel) for channel in CHANNELS)

    def _repeat(self, channel: str, stop: threading.Event) -> None:
        while not stop.is_set():
            try:
                busy = self._run(channel)
            except SQLAlchemyError as error:
                log.error("worker_database", error=type(error).__name__)
                busy = 0
                stop.wait(2)
            if not busy:
                stop.wait(POLL_S)

    def _run(self, channel: str) -> int:
        with self._app.app_context():
            bundle, count = services(), 0
            # One at a time: what waits behind a slow delivery stays free for another worker.
            while count < BATCH and (ident := self._take(channel, bundle.clock.now())) is not None:
                self._deliver(bundle, ident)
                count += 1
            if channel == CHANNELS[0]:
                self._keep_house_if_due(bundle)
            return count

    def _keep_house_if_due(self, bundle: Services) -> None:
        now = bundle.clock.now()
        if self._cleaned_at is None or now - self._cleaned_at > CLEAN_EVERY:
            self._cleaned_at = now
            clean(now)
            rotate_keys(bundle)

    def _take(self, channel: str, now: datetime) -> UUID | None:
        is_due = (
            OutboxMessage.channel == channel,
            or_(OutboxMessage.state == "waiting", OutboxMessage.state == "sending"),
            OutboxMessage.due_at <= now,
        )
        while True:
            ident = db.session.scalar(
                select(OutboxMessage.id).where(*is_due).order_by(OutboxMessage.created_at).limit(1)
            )
            if ident is None:
                return None
            done = write(
                update(OutboxMessage)
                .where(OutboxMessage.id == ident, *is_due)
                .values(state="sending", due_at=now + LEASE, tries=OutboxMessage.tries + 1)
            )
            db.session.commit()
            if done == 1:  # else another worker was faster
                return ident

    def _deliver(self, bundle: Services, ident: UUID) -> None:
        row = db.session.get_one(OutboxMessage, ident, populate_existing=True)
        now = bundle.clock.now()
        if row.expires_at is not None and row.expires_at <= now:
            self._settle(ident, "expired", now)
            return
        channel, tries = row.channel, row.tries
        try:
            content = bundle.outbox.open(row)
            db.session.rollback()  # nothing is held while the network is asked
            _send(bundle, channel, content, ident)
        except Undeliverable as error:
            self._settle(ident, "dead", bundle.clock.now(), str(error))
        except DeliveryFailed as error:
            self._put_off(ident, tries, bundle.clock.now(), str(error))
        except Exception as error:  # one message that cannot be handled must not stop the others
            log.error("message_fault", message=str(ident), exc_info=True)
            self._put_off(ident, tries, bundle.clock.now(), type(error).__name__)
        else:
            self._settle(ident, "sent", bundle.clock.now())

    def _settle(self, ident: UUID, state: str, now: datetime, error: str | None = None) -> None:
        row = db.session.get_one(OutboxMessage, ident)
        row.state, row.settled_at, row.last_error, row.sealed_content = state, now, error, None
        log.info("message_settled", message=str(ident), channel=row.channel, state=state, tries=row.tries, error=error)
        db.session.commit()

    def _put_off(self, ident: UUID, tries: int, now: datetime, error: str) -> None:
        if tries > len(BACK_OFF):
            self._settle(ident, "dead", now, error)
            return
        row = db.session.get_one(OutboxMessage, ident)
        row.state, row.due_at, row.last_error = "waiting", now + timedelta(seconds=BACK_OFF[tries - 1]), error
        log.warning("message_put_off", message=str(ident), channel=row.channel, tries=tries, error=error)
        db.session.commit()


def rotate_keys(bundle: Services) -> None:
    """Let the next signing keys take over when the calendar says so."""
    for alg in bundle.keyring.rotate_if_due():
        bundle.audit.record(AuditTag.KEY_ROTATED, alg=alg)
        log.info("key_rotated", alg=alg)
    db.session.commit()


def _send(bundle: Services, channel: str, content: Content, ident: UUID) -> None:
    if channel == "mail":
        bundle.mail.send(content)
    else:
        bundle.sms.send(content, ident)


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
    removed += clean_attempts(now)
    db.session.commit()
    return removed
