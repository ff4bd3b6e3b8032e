"""A worker that is killed while it sets letters, or while it makes codes valid: nothing twice, nothing lost."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock, SystemClock
from idp.models.base import db
from idp.models.letter_batch import BatchState, LetterBatch, LetterFile, Outcome
from idp.models.person import RegistrationCode
from idp.models.portal import Portal
from idp.services import press as the_press
from idp.services.bundle import Services
from tests.house.tree import ROOT
from tests.support.batches import APPROVER, MAKER, codes_of, draft, letters_of, pdf_of, press, set_quickly
from tests.support.builders import add_person
from tests.support.printed import Document
from tests.support.waiting import wait_until

PERSONS, PART = 8, 2


def kill_when(reached: Callable[[], bool], environment: dict[str, str], tmp_path: Path) -> None:
    """Start a worker of its own, and kill it in the middle."""
    environ = {**environment, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.support.hasty_press", str(PART)]
    worker = subprocess.Popen(command, env=environ, cwd=tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(reached, within_s=60)
    finally:
        worker.send_signal(signal.SIGKILL)
        worker.wait(10)


def count(of: type) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(of)) or 0


@pytest.mark.in_turns("database")
def test_a_killed_worker_leaves_whole_parts_and_the_next_one_goes_on(
    app: Flask, services: Services, portal: Portal, clock: FrozenClock, environment: dict[str, str], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(the_press, "PART", PART)
    monkeypatch.setattr(the_press, "ROWS", PART)
    clock.at = SystemClock().now()  # as the worker's
    for at in range(PERSONS):
        add_person(portal, f"P-{at:02}")
    batch = draft(services, portal)
    batch_id = batch.id
    services.letter_batches.approve(batch, APPROVER)
    db.session.commit()
    kill_when(lambda: count(LetterFile) >= 1, environment, tmp_path)
    set_before = count(LetterFile)
    assert 1 <= set_before < PERSONS // PART
    press(app)
    assert db.session.get_one(LetterBatch, batch_id).state == BatchState.APPROVED, "its lease has not ended"
    clock.at = SystemClock().now() + 2 * the_press.LEASE
    set_quickly(monkeypatch)
    press(app)
    batch = db.session.get_one(LetterBatch, batch_id)
    assert batch.state == BatchState.SET
    assert count(LetterFile) == PERSONS // PART
    hashes = [letter.code_hash for letter in letters_of(batch)]
    assert len(set(hashes)) == PERSONS
    document = Document(pdf_of(services, batch, 1))
    read = [document.qr(page)[0].partition("#")[2] for page in range(PART)]
    document.close()
    read += codes_of(pdf_of(services, batch, PERSONS // PART))
    on_paper = [services.registration_codes.hash(code) for code in read]
    assert on_paper == hashes[:PART] + hashes[-PART:], "the codes on paper are those that will be valid"

    clock.at = SystemClock().now()
    assert services.letter_batches.confirm_printed(batch, MAKER)
    db.session.commit()
    kill_when(lambda: count(RegistrationCode) >= 2, environment, tmp_path)
    clock.at = SystemClock().now() + 2 * the_press.LEASE
    press(app)
    assert count(RegistrationCode) == PERSONS
    assert {row.code_hash for row in db.session.scalars(select(RegistrationCode))} == set(hashes)
    assert {letter.outcome for letter in letters_of(batch)} == {Outcome.VALID}
    assert {row.revoked_at for row in db.session.scalars(select(RegistrationCode))} == {None}
