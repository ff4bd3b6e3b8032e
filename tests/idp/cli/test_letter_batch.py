"""`connect letter batch`: the same services as the console; only the approval is left to it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock, SystemClock, swiss
from idp.models.base import db
from idp.models.letter_batch import LetterBatch
from idp.models.portal import Portal
from idp.services import press as the_press
from idp.services.bundle import Services
from idp.services.letter_references import show_reference
from idp.services.registration_codes import Found, Unknown
from tests.idp.cli.conftest import Connect
from tests.support.batches import APPROVER, codes_of, letters_of, press, set_quickly

BATCH = ("--portal", "cpx", "--batch", "1")


@pytest.fixture
def clock() -> FrozenClock:
    """The command goes by the clock on the wall."""
    return FrozenClock(SystemClock().now())


def the_batch() -> LetterBatch:
    db.session.rollback()
    db.session.expire_all()
    return db.session.scalars(select(LetterBatch)).one()


def approve(app: Flask, services: Services) -> None:
    assert services.letter_batches.approve(the_batch(), APPROVER)
    db.session.commit()
    press(app)


def test_a_batch_from_its_draft_to_the_letters_that_came_back(
    app: Flask, cpx: Connect, services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_quickly(monkeypatch)
    monkeypatch.setattr(the_press, "PART", 2)
    assert "batch 1: 3 letters" in cpx("letter", "batch", "create", "--portal", "cpx", "--whom", "never")
    out = tmp_path / "letters.pdf"
    assert "is draft" in cpx.refuses("letter", "batch", "print", *BATCH, "--letters", out)
    assert "The printing is confirmed when" in cpx.refuses("letter", "batch", "printed", *BATCH)
    approve(app, services)
    cpx("letter", "batch", "print", *BATCH, "--letters", out)
    files = [tmp_path / f"letters-{part:02}.pdf" for part in (1, 2)]
    assert [stat.S_IMODE(file.stat().st_mode) for file in files] == [0o600, 0o600]
    assert "exists already" in cpx.refuses("letter", "batch", "print", *BATCH, "--letters", out)
    codes = [code for file in files for code in codes_of(file.read_bytes())]
    cpx("letter", "batch", "printed", *BATCH)
    assert "Not all codes are valid yet" in cpx.refuses("letter", "batch", "posted", *BATCH)
    press(app)
    assert "is no day" in cpx.refuses("letter", "batch", "posted", *BATCH, "--on", "2020-01-01")
    cpx("letter", "batch", "posted", *BATCH)
    today = swiss(services.clock.now()).date().isoformat()
    assert cpx("letter", "batch", "list", "--portal", "cpx", "--state", "posted").split() == [
        "1", "posted", "never", "3", today, today,
    ]  # fmt: skip
    reference = show_reference(letters_of(the_batch())[0].reference)
    said = cpx("letter", "batch", "returned", *BATCH, "--reason", "moved", reference, "2", "0002", "nonsense")
    assert said == "2 letters came back; 0 were known\n"
    assert cpx.noted == "no letter: …nsense\n"
    portal = db.session.scalars(select(Portal)).one()
    looked_up = [type(services.registration_codes.look_up(portal, code)) for code in codes]
    assert looked_up == [Unknown, Unknown, Found]


def test_a_batch_can_be_cancelled_and_one_that_is_none_is_named(cpx: Connect) -> None:
    assert "nobody waits" in cpx.refuses("letter", "batch", "create", "--portal", "cpx", "--whom", "expired")
    assert "there is no batch 1" in cpx.refuses("letter", "batch", "cancel", *BATCH)
    cpx("letter", "batch", "create", "--portal", "cpx", "--whom", "never", "--language", "de")
    assert the_batch().count == 1
    cpx("letter", "batch", "cancel", *BATCH)
    assert "not cancelled any more" in cpx.refuses("letter", "batch", "cancel", *BATCH)
