"""A duty of the worker, pass after pass: whatever goes wrong in one of them, the next one comes.

A thread that dies of a fault nobody foresaw would leave mail unsent or keys unrotated until somebody looks.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from flask import Flask
from sqlalchemy.exc import SQLAlchemyError

from idp.services.bundle import services
from idp.services.metrics import DUTY_DONE, DUTY_FAULTS

AFTER_A_FAULT_S = 2.0

log = structlog.get_logger(__name__)


def keep_at(
    app: Flask, duty: str, one_pass: Callable[[], object], stop: threading.Event, rest_s: float,
    breath_s: float = 0.0,
) -> None:  # fmt: skip
    """Do it until told to stop. After a busy pass the next one comes in `breath_s` seconds, after an idle one in
    `rest_s`; after a fault, and while the database is away, in `AFTER_A_FAULT_S` at the earliest.
    """
    while not stop.is_set():
        try:
            pause = breath_s if one_pass() else rest_s
            mark_done(app, duty)
        except SQLAlchemyError as error:
            mark_fault(app, duty)
            log.error("worker_database", duty=duty, error=type(error).__name__)
            pause = max(rest_s, AFTER_A_FAULT_S)
        except Exception:
            mark_fault(app, duty)
            log.error("worker_fault", duty=duty, exc_info=True)
            pause = max(rest_s, AFTER_A_FAULT_S)
        stop.wait(pause)


def mark_done(app: Flask, duty: str) -> None:
    """A pass ended well: whoever watches sees when that was last."""
    with app.app_context():
        services().metrics.put(DUTY_DONE, services().clock.now().timestamp(), duty)


def mark_fault(app: Flask, duty: str) -> None:
    with app.app_context():
        services().metrics.count(DUTY_FAULTS, duty)
