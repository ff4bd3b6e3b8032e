"""How long a batch of ten thousand letters takes: drafted, set as PDF by the worker, and its codes made valid."""

from __future__ import annotations

import resource
import tempfile
import time
from pathlib import Path
from uuid import UUID

from flask import current_app
from sqlalchemy import func, insert, select

from bench.persons import name, share
from bench.report import Figure, Report, circumstances
from idp.models.base import db
from idp.models.letter_batch import BatchState, LetterBatch, LetterFile
from idp.models.person import InsuredPerson, RegistrationCode
from idp.services.bundle import Services
from idp.services.letter_choice import BatchKind, Choice
from idp.services.press import Press
from tests.support.builders import BORN, add_portal
from tests.support.served import inside, installation

LETTERS, TARGET_S = 10_000, 120
QUICK_LETTERS = 20
APPROVER = UUID(int=1)


def seed(count: int) -> None:
    portal = add_portal()
    persons = []
    for number in range(count):
        given, family = name(number)
        town = f"{1000 + int(share(number, 13) * 8999)} Ville"
        persons.append({
            "id": UUID(int=number + 1), "portal_id": portal.id, "external_id": f"P-{number:07}",
            "insured_number": f"N-{number}", "given_name": given, "family_name": family, "birth_date": BORN.date(),
            "language": ("fr", "de", "it", "en")[number % 4], "address": ["Rue du Lac 1", town], "created_at": BORN,
            "changed_at": BORN,
        })  # fmt: skip
    db.session.execute(insert(InsuredPerson), persons)
    db.session.commit()


def measure(*, quick: bool) -> Report:
    count = QUICK_LETTERS if quick else LETTERS
    report = Report("letters", circumstances(rounds=1, letters=count, server="none, the worker's own code"))
    with (
        tempfile.TemporaryDirectory(prefix="connect-bench-") as folder,
        inside(installation(Path(folder), "http://localhost")) as services,
    ):
        seed(count)
        _walk(services, report)
    return report


def _walk(services: Services, report: Report) -> None:
    press = Press(current_app._get_current_object())  # type: ignore[attr-defined]
    began = _moment()
    batch = services.letter_batches.draft(Choice(services.portals.load("cpx"), BatchKind.NEVER), None)
    db.session.commit()
    report.figures.append(_figure("draft", began))
    ident = batch.id
    services.letter_batches.approve(batch, APPROVER)
    db.session.commit()
    began = _moment()
    press.run_once()
    report.figures.append(_figure("set as PDF", began, TARGET_S))
    batch = db.session.get_one(LetterBatch, ident, populate_existing=True)
    if batch.state != BatchState.SET:
        raise RuntimeError(f"the batch is {batch.state}")
    size = db.session.scalar(select(func.sum(func.length(LetterFile.sealed_pdf)))) or 0
    report.figures.append(Figure("PDF, sealed", "MB", [size / 1e6]))
    began = _moment()
    services.letter_batches.confirm_printed(batch, None)
    db.session.commit()
    press.run_once()
    report.figures.append(_figure("codes made valid", began))
    codes = db.session.scalar(select(func.count()).select_from(RegistrationCode))
    if codes != batch.count:
        raise RuntimeError(f"{codes} codes are valid of {batch.count}")


def _moment() -> tuple[float, float]:
    """By the clock on the wall, and what this process and those it waited for have computed."""
    mine, theirs = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return time.perf_counter(), mine.ru_utime + mine.ru_stime + theirs.ru_utime + theirs.ru_stime


def _figure(what: str, began: tuple[float, float], target: float | None = None) -> Figure:
    ended = _moment()
    return Figure(what, "s", [ended[0] - began[0]], target, processor=ended[1] - began[1])
