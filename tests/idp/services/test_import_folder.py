"""The watched folder: each file is imported once and put away with a report, whatever it is and whoever else looks."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.person_import import PersonImport
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.import_folder import FolderWatch
from idp.services.import_worker import ImportWorker
from tests.support import workbook
from tests.support.builders import add_portal
from tests.support.persons_file import file, row

pytestmark = pytest.mark.sqlite_only


class Inbox:
    """The folder, a system that puts files into it, and the worker."""

    def __init__(self, app: Flask, services: Services, clock: FrozenClock, root: Path) -> None:
        self.root, self._clock = root, clock
        self.watch = FolderWatch(services, root)
        self.worker = ImportWorker(app)

    def put(self, name: str, content: bytes, age_s: float = 60) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        self.age(path, age_s)
        return path

    def age(self, path: Path, age_s: float) -> None:
        at = self._clock.now().timestamp() - age_s
        os.utime(path, (at, at))

    def look(self) -> None:
        self.watch.look()
        self.worker.run_once()
        self.watch.look()

    def files(self) -> set[str]:
        return {str(one.relative_to(self.root)) for one in self.root.rglob("*") if one.is_file()}


@pytest.fixture
def inbox(app: Flask, services: Services, clock: FrozenClock, portal: Portal, tmp_path: Path) -> Inbox:
    root = tmp_path / "imports"
    root.mkdir()
    return Inbox(app, services, clock, root)


def count(model: type[InsuredPerson | PersonImport]) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_clean_files_are_imported_and_put_away_with_a_report(inbox: Inbox) -> None:
    inbox.put("cpx/persons.csv", file(row("P-1")))
    inbox.put("cpx/more.XLSX", workbook.table(file(row("P-2")).decode()))
    inbox.look()
    assert inbox.files() == {f"cpx/done/{name}" for name in (
        "persons.csv", "persons.csv.report.txt", "more.XLSX", "more.XLSX.report.txt"
    )}  # fmt: skip
    assert count(InsuredPerson) == 2
    assert (inbox.root / "cpx/done/persons.csv.report.txt").read_text().splitlines()[:2] == [
        "state: done", "1 new, 0 changed, 0 unchanged",
    ]  # fmt: skip
    inbox.put("cpx/persons.csv", file(row("P-1")))
    inbox.look()
    assert "cpx/done/persons-2.csv" in inbox.files(), "nothing that lies there is overwritten"
    assert count(InsuredPerson) == 2


def test_files_with_errors_wait_for_an_operator_and_say_so(inbox: Inbox) -> None:
    inbox.put("cpx/wrong.csv", file(row("P-1", language="rm")))
    inbox.put("cpx/unknown.csv", file(row("P-1"), header="a;b;c;d;e;f;g;h"))
    inbox.put("cpx/none.csv", b"\x00\x01")
    inbox.look()
    reports = {name: (inbox.root / f"cpx/failed/{name}.csv.report.txt").read_text() for name in ("wrong", "unknown")}
    assert "line 2, language: is none of fr, de, it, en: 'rm'" in reports["wrong"]
    assert "an operator says it in the console" in reports["unknown"]
    assert "NUL" in (inbox.root / "cpx/failed/none.csv.report.txt").read_text()
    assert set(db.session.scalars(select(PersonImport.state))) == {"checked", "uploaded"}


def test_only_files_that_are_ready_and_meant_are_taken(inbox: Inbox, tmp_path: Path) -> None:
    outside = tmp_path / "secret.csv"
    outside.write_bytes(file(row("P-1")))
    inbox.age(outside, 60)
    inbox.put("cpx/writing.csv", file(row("P-1")), age_s=2)
    inbox.put("cpx/.hidden.csv", file(row("P-1")))
    inbox.put("cpx/notes.pdf", b"x")
    inbox.put("nobody/persons.csv", file(row("P-1")))
    (inbox.root / "cpx/link.csv").symlink_to(outside)
    add_portal("fon")
    (inbox.root / "fon").symlink_to(tmp_path)
    before = inbox.files()
    inbox.look()
    assert inbox.files() == before
    assert count(PersonImport) == 0
    assert outside.exists()


def test_a_name_that_is_no_text_is_a_name(inbox: Inbox) -> None:
    inbox.put(os.fsdecode(b"cpx/m\xfcller\n.csv"), file(row("P-1")))
    inbox.look()
    assert db.session.scalar(select(PersonImport.file_name)) == "mller.csv"
    assert os.fsdecode(b"cpx/done/m\xfcller\n.csv") in inbox.files()


def test_a_file_beyond_the_limit_is_not_even_read(inbox: Inbox, services: Services) -> None:
    path = inbox.put("cpx/large.csv", b"")
    os.truncate(path, services.import_jobs.largest + 1)
    inbox.age(path, 60)
    inbox.look()
    assert "larger than 50 MB" in (inbox.root / "cpx/failed/large.csv.report.txt").read_text()


def test_a_file_that_a_dead_worker_had_taken_comes_back_after_an_hour(inbox: Inbox, clock: FrozenClock) -> None:
    inbox.put("cpx/taken/persons.csv", file(row("P-1")))
    inbox.look()
    assert inbox.files() == {"cpx/taken/persons.csv"}
    clock.advance(timedelta(hours=1))
    inbox.look()
    clock.advance(timedelta(seconds=11))
    inbox.look()
    assert "cpx/done/persons.csv" in inbox.files()
    assert count(InsuredPerson) == 1
