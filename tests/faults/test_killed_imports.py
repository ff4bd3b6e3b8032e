"""A worker that is killed in the middle of an import: the next one goes on, and every person is there once."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.person_import import PersonImport
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.import_worker import ImportWorker
from idp.services.person_records import BATCH
from tests.support.persons_file import many
from tests.support.waiting import wait_until

pytestmark = pytest.mark.sqlite_only

ROOT = Path(__file__).resolve().parents[2]
LEASE_S = 2
PERSONS = 16 * BATCH


@contextmanager
def worker(environment: dict[str, str], folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    environ = {**environment, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.support.hasty", str(LEASE_S), "worker"]
    with (folder / "worker.log").open("ab") as log:
        process = subprocess.Popen(command, env=environ, cwd=folder, stdout=log, stderr=log)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
            process.wait(30)


def test_an_import_goes_on_where_its_worker_was_killed_and_nobody_comes_twice(
    app: Flask, services: Services, environment: dict[str, str], portal: Portal, tmp_path: Path
) -> None:
    ident = services.import_jobs.receive(portal, "persons.csv", many(PERSONS), "feed").id
    db.session.commit()

    def now() -> PersonImport:
        db.session.rollback()
        return db.session.get_one(PersonImport, ident, populate_existing=True)

    with worker(environment, tmp_path) as first:
        wait_until(lambda: now().state == "running" and now().position >= 2 * BATCH, within_s=60)
        first.send_signal(signal.SIGKILL)
        first.wait(10)
    stopped = now()
    assert (stopped.state, stopped.position < PERSONS) == ("running", True)
    assert count() == stopped.new == stopped.position, "a step is there whole, with its position, or not at all"
    with worker(environment, tmp_path):
        wait_until(lambda: now().state == "done", within_s=60)
    assert (now().new, now().unchanged) == (PERSONS, 0)
    assert count() == PERSONS
    taken_back(app, services, ident)
    assert count() == 0


def taken_back(app: Flask, services: Services, ident: UUID) -> None:
    """What was written before and after the crash."""
    row = db.session.get_one(PersonImport, ident)
    row.finished_at = services.clock.now()  # the workers live in the real time, this test does not
    db.session.commit()
    assert services.import_jobs.undo(row)
    db.session.commit()
    ImportWorker(app).run_once()


def count() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(InsuredPerson)) or 0
