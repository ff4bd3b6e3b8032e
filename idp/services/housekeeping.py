"""Housekeeping: what has ended is removed in small batches, and the signing keys follow the calendar.

A pass is bounded, and a transaction takes fewer rows after one that lasted long, so that a heap of old rows never holds
up the requests of the living; the next pass goes on. Several may run: each takes rows that no other has taken. Letter
codes and accounts are never touched; events stay, and lose what is personal when their time is over.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import structlog
from flask import Flask
from sqlalchemy import ColumnElement, Select, and_, delete, exists, select
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import InstrumentedAttribute

from idp.models.api_client import ApiToken
from idp.models.api_reply import ApiReply
from idp.models.audit_months import make_months
from idp.models.authorization import (
    AccessToken,
    AssertionID,
    AuthorizationCode,
    DeviceAuthorization,
    Grant,
    PendingRequest,
    PortalInvite,
    PushedRequest,
    RefreshToken,
)
from idp.models.base import db, write
from idp.models.call_note import CallNote
from idp.models.factor_reset import FactorReset
from idp.models.flow import AttemptCounter, Challenge, FlowRun
from idp.models.kept_form import KeptForm
from idp.models.list_export import ListExport
from idp.models.operator import OperatorInvitation, OperatorSession
from idp.models.outbox import OutboxMessage
from idp.models.recovery_letter import RecoveryLetter
from idp.models.self_test import ObservedRequest, SelfTest
from idp.models.session import PortalSession, Session
from idp.models.trusted_device import TrustedDevice
from idp.models.webhook import WebhookDelivery
from idp.services.attempts import say_nothing
from idp.services.audit import AuditTag
from idp.services.audit_redaction import redact_old
from idp.services.bounces import collect
from idp.services.bundle import Services, services
from idp.services.duty import keep_at
from idp.services.message_tallies import tally_messages
from idp.services.pace import Pace
from idp.services.recovery_codes import forget_recovery_codes
from idp.services.walk_tallies import tally_walks
from idp.settings import Settings

BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)
EVERY_S, BREATH_S = 60.0, 0.5  # between two passes, and while there is more to remove
BATCH, BATCHES = 500, 20  # rows of one transaction, at most; transactions of one heap in a pass
GRANTS = 50  # of one transaction, at most: each takes along whatever hangs from it
AT_ONCE, HOUR, DAY = timedelta(0), timedelta(hours=1), timedelta(days=1)
KNOWN_FOR = timedelta(days=400)  # as long as a browser's cookie: a lock spares browsers that signed in before
OF_GRANT = (AuthorizationCode.grant_id, AccessToken.grant_id, RefreshToken.grant_id, DeviceAuthorization.grant_id)
Column = InstrumentedAttribute[Any]

EXPIRING: tuple[tuple[Column, Column, timedelta], ...] = (
    (PendingRequest.id, PendingRequest.expires_at, AT_ONCE),
    (PushedRequest.id, PushedRequest.expires_at, HOUR),  # whoever comes late is told that it expired
    (AuthorizationCode.id, AuthorizationCode.expires_at, HOUR),  # a replay is still seen and revokes
    (AccessToken.id, AccessToken.expires_at, AT_ONCE),
    (ApiToken.id, ApiToken.expires_at, AT_ONCE),
    (ApiReply.key_hash, ApiReply.expires_at, AT_ONCE),
    (RefreshToken.id, RefreshToken.expires_at, DAY),
    (DeviceAuthorization.id, DeviceAuthorization.expires_at, HOUR),  # a late device is told that its code expired
    (RecoveryLetter.id, RecoveryLetter.requested_at, timedelta(days=400)),  # the owner may ask who had one sent
    (FactorReset.id, FactorReset.asked_at, timedelta(days=400)),  # likewise who was behind it
    (PortalInvite.id, PortalInvite.expires_at, timedelta(days=30)),
    (ListExport.id, ListExport.made_at, timedelta(days=30)),  # its file was wiped a day after it was written
    (KeptForm.id, KeptForm.expires_at, AT_ONCE),
    (OperatorInvitation.id, OperatorInvitation.expires_at, timedelta(days=30)),
    (TrustedDevice.id, TrustedDevice.expires_at, AT_ONCE),
    (AssertionID.id_hash, AssertionID.expires_at, AT_ONCE),
    (ObservedRequest.id, ObservedRequest.expires_at, AT_ONCE),
    (SelfTest.portal_id, SelfTest.watched_until, AT_ONCE),
    (Challenge.id, Challenge.expires_at, DAY),  # the limits of sending look one day back
    (FlowRun.id, FlowRun.expires_at, DAY),  # a late visitor is told what happened instead of "not found"
)

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Kept:
    """How long an installation keeps what the law leaves to it."""

    messages_for: timedelta = timedelta(days=30)  # operators look at what could not be delivered
    notes_for: timedelta = timedelta(days=730)

    @classmethod
    def of(cls, settings: Settings) -> Kept:
        return cls(settings.messages_kept_for, settings.notes_kept_for)


@dataclass(frozen=True)
class Heap:
    """Rows that have ended, by their key and by when, and the columns by which others hang from them and go along."""

    key: Column
    ended_at: Column
    ended: ColumnElement[bool]
    along: tuple[Column, ...] = ()
    batch: int = BATCH

    def some(self, count: int, after: datetime) -> Select[Any, datetime]:
        """The oldest of them, but for those that another worker is removing: neither waits for the other."""
        found = select(self.key, self.ended_at).where(self.ended, self.ended_at >= after)
        found = found.order_by(self.ended_at).limit(count)
        return found.with_for_update(skip_locked=True, of=self.key.class_)


@dataclass
class Progress:
    """How far a heap is removed. What is gone lies about until the next VACUUM, and to look through it again for every
    batch would take longer and longer; so the next one goes on where the last one ended, until nothing is left.
    """

    pace: Pace
    after: datetime = BEGINNING


@dataclass(frozen=True)
class Cleaned:
    """How many rows a pass removed, and whether it left some for the next."""

    removed: int
    is_unfinished: bool


class Housekeeper:
    def __init__(self, app: Flask) -> None:
        self._app = app
        self._redacted_at = BEGINNING
        self._progress: dict[int, Progress] = {}

    def run_forever(self, stop: threading.Event) -> None:
        """A pass a minute until told to stop; an unreachable database is waited for."""
        keep_at(self._app, "house", lambda: self.run_once().is_unfinished, stop, EVERY_S, BREATH_S)

    def run_once(self) -> Cleaned:
        with self._app.app_context():
            bundle = services()
            bundle.live.refresh()
            rotate_keys(bundle)
            if bundle.clock.now() - self._redacted_at >= HOUR:
                begin_months(bundle.clock.now())
                redact_old(bundle)
                self._redacted_at = bundle.clock.now()
            tally_walks(bundle.clock.now())
            collect(bundle)
            tally_messages(bundle.clock.now(), bundle.settings.messages_kept_for)
            return clean(bundle.clock.now(), Kept.of(bundle.settings), self._progress)


def rotate_keys(bundle: Services) -> None:
    """Let the next signing keys take over when the calendar says so."""
    for alg in bundle.keyring.rotate_if_due():
        bundle.audit.record(AuditTag.KEY_ROTATED, alg=alg)
        log.info("key_rotated", alg=alg)
    db.session.commit()


def begin_months(now: datetime) -> None:
    """Make the next months of the record of events. Where the database refuses, events have a place all the same."""
    if db.engine.dialect.name != "postgresql":
        return
    try:
        made = make_months(db.session.connection(), now)
        db.session.commit()
    except DBAPIError as error:
        db.session.rollback()
        log.error("audit_months_refused", error=type(error.orig).__name__)
    else:
        if made:
            log.info("audit_months_made", names=made)


def clean(now: datetime, kept: Kept | None = None, progress: dict[int, Progress] | None = None) -> Cleaned:
    """Remove what has ended, a bounded number of rows. `progress`: of earlier passes, by the number of the heap."""
    progress = {} if progress is None else progress
    done = [
        _take_off(heap, progress.setdefault(number, Progress(Pace(heap.batch))))
        for number, heap in enumerate(heaps(now, kept))
    ]
    forget_recovery_codes(now)
    db.session.commit()
    return Cleaned(sum(one.removed for one in done), any(one.is_unfinished for one in done))


def heaps(now: datetime, kept: Kept | None = None) -> Iterator[Heap]:
    """What may go, in an order in which nothing goes before what hangs from it."""
    for key, expires_at, kept_for in EXPIRING:
        yield Heap(key, expires_at, expires_at < now - kept_for)
    for ended_at in (Grant.expires_at, Grant.revoked_at):  # one by one: each has an index of its own
        yield Heap(Grant.id, ended_at, ended_at < now - DAY, OF_GRANT, GRANTS)
    is_granted = exists().where(Grant.session_id == Session.id)
    is_over = and_(Session.created_at < now - KNOWN_FOR, ~is_granted)
    yield Heap(Session.id, Session.created_at, is_over, (PortalSession.session_id,))
    yield Heap(OperatorSession.id, OperatorSession.created_at, OperatorSession.created_at < now - KNOWN_FOR)
    kept = kept or Kept()
    yield Heap(OutboxMessage.id, OutboxMessage.settled_at, OutboxMessage.settled_at < now - kept.messages_for)
    yield Heap(WebhookDelivery.id, WebhookDelivery.created_at, WebhookDelivery.created_at < now - kept.messages_for)
    yield Heap(CallNote.id, CallNote.written_at, CallNote.written_at < now - kept.notes_for)
    for says_nothing in say_nothing(now):
        yield Heap(AttemptCounter.subject, AttemptCounter.last_at, says_nothing)


def _take_off(heap: Heap, progress: Progress) -> Cleaned:
    """Batch after batch, each in its own transaction, until one is not full or the bound is reached."""
    removed = 0
    for _ in range(BATCHES):
        with progress.pace.timed() as count:
            found = db.session.execute(heap.some(count, progress.after)).all()
            keys = [key for key, _ in found]
            for column in heap.along:
                write(delete(column.class_).where(column.in_(keys)).execution_options(synchronize_session=False))
            write(delete(heap.key.class_).where(heap.key.in_(keys)).execution_options(synchronize_session=False))
            db.session.commit()
        removed += len(keys)
        if len(keys) < count:
            progress.after = BEGINNING  # what another worker passed on, or somebody gave an earlier end, goes next time
            return Cleaned(removed, is_unfinished=False)
        progress.after = found[-1][1]
    return Cleaned(removed, is_unfinished=True)
