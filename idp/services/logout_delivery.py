"""Delivers logout notices (Back-Channel Logout 1.0 §2.5) in parallel: a portal that is slow or down holds up no other.

Several may run: a row is taken by one conditional UPDATE with a lease, and a crash gives it back.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

import structlog
from flask import Flask
from sqlalchemy import or_, select, update
from sqlalchemy.exc import SQLAlchemyError

from idp.models.base import db, write
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.services.http_out import OutgoingFailed, OutgoingRefused, post
from idp.services.logout_notices import CHANNEL

BACK_OFF = (2, 10, 30, 120, 300)  # seconds; given up after the last
ANSWER_WITHIN_S = 4.0
LEASE = timedelta(seconds=30)
PARALLEL = 16
POLL_S = 0.25
HEADERS = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "*/*"}
DONE = {200, 204}  # §2.8, and what frameworks answer to an empty page

log = structlog.get_logger(__name__)


class LogoutCourier:
    def __init__(self, app: Flask) -> None:
        self._app = app

    def run_forever(self, stop: threading.Event) -> None:
        """Deliver until told to stop, each notice as soon as one of the threads is free."""
        flying: set[Future[None]] = set()
        with ThreadPoolExecutor(PARALLEL, "logout") as pool:
            while not stop.is_set():
                for done in [one for one in flying if one.done()]:
                    flying.discard(done)
                    if (fault := done.exception()) is not None:  # the lease ends and another attempt follows
                        log.error("logout_delivery", error=type(fault).__name__)
                try:
                    taken = self._take(PARALLEL - len(flying))
                except SQLAlchemyError as error:
                    log.error("worker_database", error=type(error).__name__)
                    taken = []
                flying |= {pool.submit(self._deliver, ident) for ident in taken}
                stop.wait(POLL_S)

    def run_once(self) -> int:
        """Deliver what is due now; returns how many notices were settled or put off."""
        with ThreadPoolExecutor(PARALLEL, "logout") as pool:
            taken = self._take(PARALLEL)
            list(pool.map(self._deliver, taken))
        return len(taken)

    def _take(self, count: int) -> list[UUID]:
        with self._app.app_context():
            now = services().clock.now()
            is_due = (
                OutboxMessage.channel == CHANNEL,
                or_(OutboxMessage.state == "waiting", OutboxMessage.state == "sending"),
                OutboxMessage.due_at <= now,
            )
            candidates = db.session.scalars(
                select(OutboxMessage.id).where(*is_due).order_by(OutboxMessage.due_at).limit(count)
            ).all()
            taken = []
            for ident in candidates:
                done = write(
                    update(OutboxMessage)
                    .where(OutboxMessage.id == ident, *is_due)
                    .values(state="sending", due_at=now + LEASE, tries=OutboxMessage.tries + 1)
                )
                db.session.commit()
                if done == 1:
                    taken.append(ident)
            return taken

    def _deliver(self, ident: UUID) -> None:
        with self._app.app_context():
            _attempt(ident)


def _attempt(ident: UUID) -> None:
    bundle = services()
    row = db.session.get_one(OutboxMessage, ident)
    portal = db.session.get_one(Portal, row.portal_id)
    if portal.is_disabled or portal.backchannel_logout_uri is None:
        _settle(row, "dropped", bundle.clock.now())
        return
    if row.expires_at is not None and row.expires_at <= bundle.clock.now():
        _settle(row, "expired", bundle.clock.now())
        return
    uri, logout_token = portal.backchannel_logout_uri, bundle.logout_notices.logout_token(row, portal)
    body = urlencode({"logout_token": logout_token}).encode()
    db.session.rollback()  # nothing is held while the network is asked
    problem, is_hopeless = "", False
    try:
        answer = post(uri, body, HEADERS, reach=bundle.reach, within=ANSWER_WITHIN_S)
        problem = "" if answer.status in DONE else f"status {answer.status}"
    except OutgoingRefused as error:
        problem, is_hopeless = str(error), True
    except OutgoingFailed as error:
        problem = str(error)
    _write_down(ident, problem, is_hopeless, bundle.clock.now())


def _write_down(ident: UUID, problem: str, is_hopeless: bool, now: datetime) -> None:
    row = db.session.get_one(OutboxMessage, ident)
    if not problem:
        _settle(row, "sent", now)
    elif is_hopeless or row.tries > len(BACK_OFF):
        _settle(row, "dead", now, problem)
    else:
        row.state, row.due_at, row.last_error = "waiting", now + timedelta(seconds=BACK_OFF[row.tries - 1]), problem
        log.warning("message_put_off", message=str(ident), channel=CHANNEL, tries=row.tries, error=problem)
        db.session.commit()


def _settle(row: OutboxMessage, state: str, now: datetime, error: str | None = None) -> None:
    row.state, row.settled_at, row.last_error, row.sealed_content = state, now, error, None
    log.info("message_settled", message=str(row.id), channel=CHANNEL, state=state, tries=row.tries, error=error)
    db.session.commit()
