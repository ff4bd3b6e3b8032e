"""Batches of letters for tests: drafted by one operator, approved by another, set and printed."""

from __future__ import annotations

import json
from typing import Any
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import select

from idp.models.base import db
from idp.models.letter_batch import BatchLetter, BatchState, LetterBatch
from idp.models.portal import Portal
from idp.services import letters as the_letters
from idp.services.bundle import Services
from idp.services.letter_choice import BatchKind, Choice
from idp.services.press import Press
from idp.services.registration_codes import normalise
from idp.services.typesetter import NoGlyph

MAKER, APPROVER = uuid4(), uuid4()


def set_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """For tests that look at no paper: what would be set is kept as it is, and a typesetter's second is saved."""

    def typeset(_source: object, pages: list[dict[str, Any]], _kind: str = "pdf") -> bytes:
        if any("小" in str(page) for page in pages):
            raise NoGlyph
        return json.dumps(pages).encode()

    monkeypatch.setattr(the_letters, "typeset", typeset)


def codes_of(pdf: bytes) -> list[str]:
    """The codes of what was set quickly, in their order."""
    return [normalise(page["code"]) for page in json.loads(pdf)]


def draft(
    services: Services, portal: Portal, kind: BatchKind = BatchKind.NEVER, by: UUID | None = MAKER
) -> LetterBatch:
    batch = services.letter_batches.draft(Choice(portal, kind), by)
    db.session.commit()
    return batch


def press(app: Flask) -> None:
    """What a worker does until there is nothing more."""
    db.session.rollback()
    while Press(app).run_once():
        pass
    db.session.rollback()
    db.session.expire_all()


def set_batch(app: Flask, services: Services, portal: Portal, kind: BatchKind = BatchKind.NEVER) -> LetterBatch:
    batch = draft(services, portal, kind)
    assert services.letter_batches.approve(batch, APPROVER)
    db.session.commit()
    press(app)
    assert batch.state == BatchState.SET
    return batch


def pdf_of(services: Services, batch: LetterBatch, part: int = 1) -> bytes:
    pdf = services.letter_batches.open_file(batch, part, MAKER)
    db.session.commit()
    assert pdf is not None
    return pdf


def print_batch(app: Flask, services: Services, batch: LetterBatch) -> None:
    """Confirmed as printed, and every code made valid."""
    assert services.letter_batches.confirm_printed(batch, MAKER)
    db.session.commit()
    press(app)
    assert batch.issued_at is not None


def in_state(app: Flask, services: Services, portal: Portal, state: BatchState) -> LetterBatch:
    """A new batch brought to this state; its persons must be there."""
    batch = draft(services, portal)
    batches = services.letter_batches
    if state is BatchState.CANCELLED:
        assert batches.cancel(batch, MAKER)
    if state in {BatchState.APPROVED, BatchState.SET, BatchState.PRINTED, BatchState.POSTED}:
        assert batches.approve(batch, APPROVER)
    db.session.commit()
    if state in {BatchState.SET, BatchState.PRINTED, BatchState.POSTED}:
        press(app)
    if state in {BatchState.PRINTED, BatchState.POSTED}:
        print_batch(app, services, batch)
    if state is BatchState.POSTED:
        assert batches.post(batch, MAKER, services.clock.now().date())
        db.session.commit()
    db.session.expire_all()
    assert batch.state == state
    return batch


def letters_of(batch: LetterBatch) -> list[BatchLetter]:
    db.session.rollback()
    mine = select(BatchLetter).where(BatchLetter.batch_id == batch.id)
    return list(db.session.scalars(mine.order_by(BatchLetter.number).execution_options(populate_existing=True)))
