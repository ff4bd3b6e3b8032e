"""Delivers logout notices (Back-Channel Logout 1.0 §2.5) in parallel: a portal that is slow or down holds up no other.

Several may run: a row is taken by one conditional UPDATE with a lease, and a crash gives it back.
"""

from __future__ import annotations

import threading
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from urllib.parse import urlencode

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from idp.models.base import db
from idp.models.outbox import Attempt, OutboxMessage, take_message
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.services.http_out import OutgoingFailed, OutgoingRefused, post
from idp.services.logout_notices import CHANNEL
from idp.services.settling import put_off, settle

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
                flying |= {pool.submit(self._deliver, attempt) for attempt in taken}
                stop.wait(POLL_S)

    def run_once(self) -> int:
        """Deliver what is due now; returns how many notices were settled or put off."""
        with ThreadPoolExecutor(PARALLEL, "logout") as pool:
            taken = self._take(PARALLEL)
            list(pool.map(self._deliver, taken))
        return len(taken)

    def _take(self, count: int) -> list[Attempt]:
        with self._app.app_context():
            now, taken = services().clock.now(), list[Attempt]()
            while len(taken) < count and (attempt := take_message(CHANNEL, now, LEASE)) is not None:
                taken.append(attempt)
            return taken

    def _deliver(self, attempt: Attempt) -> None:
        with self._app.app_context():
            _try(attempt)


def _try(attempt: Attempt) -> None:
    bundle = services()
    row = db.session.get_one(OutboxMessage, attempt.id)
    portal = db.session.get_one(Portal, row.portal_id)
    if portal.is_disabled or portal.backchannel_logout_uri is None:
        settle(attempt, CHANNEL, "dropped", bundle.clock.now())
        return
    if row.expires_at is not None and row.expires_at <= bundle.clock.now():
        settle(attempt, CHANNEL, "expired", bundle.clock.now())
        return
    uri, logout_token = portal.backchannel_logout_uri, bundle.logout_notices.logout_token(row, portal)
    body = urlencode({"logout_token": logout_token}).encode()
    db.session.rollback()  # nothing is held while the network is asked
    try:
        answer = post(uri, body, HEADERS, reach=bundle.reach, within=ANSWER_WITHIN_S)
    except OutgoingRefused as error:
        settle(attempt, CHANNEL, "dead", bundle.clock.now(), str(error))
    except OutgoingFailed as error:
        put_off(attempt, CHANNEL, BACK_OFF, bundle.clock.now(), str(error))
    else:
        if answer.status in DONE:
            settle(attempt, CHANNEL, "sent", bundle.clock.now())
        else:
            put_off(attempt, CHANNEL, BACK_OFF, bundle.clock.now(), f"status {answer.status}")
