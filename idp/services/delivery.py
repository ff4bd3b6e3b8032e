"""The worker: takes due messages from the outbox, delivers them once, retries with back-off, gives up visibly.

Several workers may run: a row is taken by one conditional UPDATE with a lease, and a crash gives it back. Each channel
has a thread of its own, so that a mail server that does not answer holds up no SMS.
"""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import UUID

import structlog
from flask import Flask

from idp.models.base import db
from idp.models.outbox import Attempt, OutboxMessage, take_message
from idp.services.audit_chain import Linker, Verifier
from idp.services.bundle import Services, services
from idp.services.code_changer import CodeChanger
from idp.services.duty import keep_at
from idp.services.exporter import Exporter
from idp.services.housekeeping import Housekeeper
from idp.services.import_worker import ImportWorker
from idp.services.log_keeper import LogKeeper
from idp.services.logout_delivery import LogoutCourier
from idp.services.mail import DeliveryFailed, Undeliverable
from idp.services.outbox import Content
from idp.services.press import Press
from idp.services.settling import put_off, settle
from idp.services.webhook_delivery import WebhookCourier

CHANNELS = ("mail", "sms")
BATCH = 20
LEASE = timedelta(minutes=3)  # longer than one delivery whose every step waits as long as it may
BACK_OFF = (5, 30, 120, 600, 1800, 3600)  # seconds; given up after the last
POLL_S = 0.5

log = structlog.get_logger(__name__)


class Worker:
    def __init__(self, app: Flask) -> None:
        self._app = app

    def run_forever(self, stop: threading.Event) -> None:
        """Deliver and keep house until told to stop; an unreachable database is waited for."""
        threads = [
            threading.Thread(target=self._repeat, args=(channel, stop), name=f"worker-{channel}", daemon=True)
            for channel in CHANNELS
        ]
        for name, duty in (
            ("logout", LogoutCourier(self._app)),
            ("webhook", WebhookCourier(self._app)),
            ("house", Housekeeper(self._app)),
            ("audit", Linker(self._app)),
            ("imports", ImportWorker(self._app)),
            ("letters", Press(self._app)),
            ("codes", CodeChanger(self._app)),
            ("exports", Exporter(self._app)),
            ("verify", Verifier(self._app)),
            ("log", LogKeeper(self._app)),
        ):
            threads.append(threading.Thread(target=duty.run_forever, args=(stop,), name=f"worker-{name}", daemon=True))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def run_once(self) -> int:
        """Deliver what is due now; returns how many messages were settled or put off."""
        return sum(self._run(channel) for channel in CHANNELS)

    def _repeat(self, channel: str, stop: threading.Event) -> None:
        keep_at(self._app, channel, lambda: self._run(channel), stop, POLL_S)

    def _run(self, channel: str) -> int:
        with self._app.app_context():
            bundle, count = services(), 0
            # One at a time: what waits behind a slow delivery stays free for another worker.
            while count < BATCH:
                bundle.live.refresh()
                if (attempt := take_message(channel, bundle.clock.now(), LEASE)) is None:
                    break
                self._deliver(bundle, attempt)
                count += 1
            return count

    def _deliver(self, bundle: Services, attempt: Attempt) -> None:
        row = db.session.get_one(OutboxMessage, attempt.id, populate_existing=True)
        channel, now = row.channel, bundle.clock.now()
        if row.expires_at is not None and row.expires_at <= now:
            settle(attempt, channel, "expired", now)
            return
        try:
            content = bundle.outbox.open(row)
            db.session.rollback()  # nothing is held while the network is asked
            gateway = _send(bundle, channel, content, attempt.id)
        except Undeliverable as error:
            settle(attempt, channel, "dead", bundle.clock.now(), str(error))
        except DeliveryFailed as error:
            put_off(attempt, channel, BACK_OFF, bundle.clock.now(), str(error))
        except Exception as error:  # one message that cannot be handled must not stop the others
            log.error("message_fault", message=str(attempt.id), exc_info=True)
            db.session.rollback()
            put_off(attempt, channel, BACK_OFF, bundle.clock.now(), type(error).__name__)
        else:
            settle(attempt, channel, "sent", bundle.clock.now(), gateway=gateway)


def _send(bundle: Services, channel: str, content: Content, ident: UUID) -> str | None:
    """The gateway that took an SMS."""
    if channel != "mail":
        return bundle.sms.send(content, ident)
    bundle.mail.send(content)
    return None
