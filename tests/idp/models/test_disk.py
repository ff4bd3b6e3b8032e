"""SQLite's log is shortened by the worker, not by whoever commits; a connection waits for the disk, or one time not."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import text

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.disk import LONGEST_LOG, wait_for_no_disk
from idp.models.flow import AttemptCounter
from idp.services.log_keeper import LogKeeper

FULL, NORMAL = 2, 1


def setting(name: str) -> int:
    found: int = db.session.scalar(text(f"PRAGMA {name}"))
    return found


def count_one(subject: str, clock: FrozenClock) -> None:
    db.session.add(AttemptCounter(subject=subject, spent=0, streak=0, last_at=clock.now()))
    db.session.commit()


@pytest.mark.sqlite_only
def test_the_worker_moves_what_was_committed_into_the_file(app: Flask, clock: FrozenClock) -> None:
    file = Path(str(db.engine.url.database))
    count_one("moved by the worker", clock)
    assert b"moved by the worker" not in file.read_bytes()
    LogKeeper(app).run_once()
    assert b"moved by the worker" in file.read_bytes()


@pytest.mark.sqlite_only
def test_whoever_commits_moves_only_a_log_that_no_worker_shortens(app: Flask) -> None:
    assert setting("wal_autocheckpoint") == LONGEST_LOG


@pytest.mark.postgresql_only
def test_postgresql_needs_no_such_duty(app: Flask) -> None:
    LogKeeper(app).run_forever(threading.Event())  # it ends at once


@pytest.mark.sqlite_only
def test_only_one_transaction_does_not_wait(app: Flask, clock: FrozenClock) -> None:
    wait_for_no_disk()
    assert setting("synchronous") == NORMAL
    count_one("not waited for", clock)
    assert setting("synchronous") == FULL
    wait_for_no_disk()
    db.session.rollback()
    assert setting("synchronous") == FULL


@pytest.mark.sqlite_only
def test_a_transaction_that_writes_already_waits(app: Flask, clock: FrozenClock) -> None:
    db.session.add(AttemptCounter(subject="written before", spent=0, streak=0, last_at=clock.now()))
    db.session.flush()
    wait_for_no_disk()
    assert setting("synchronous") == FULL
    db.session.rollback()
