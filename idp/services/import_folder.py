"""A folder that a fund's own system puts files into: `FOLDER/<slug>/persons.csv` is imported and moved away.

A file is taken by moving it to `taken/`, so that of two workers one has it, and bears the id of its import there until
that ends; then it goes to `done/` or `failed/` with a report beside it. One that a dead worker left without an id comes
back after an hour: importing it twice changes nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID

from idp.errors import BadInput
from idp.models.base import db
from idp.models.person_import import DONE, WORKED_ON, PersonImport
from idp.models.portal import Portal, list_portals
from idp.services.bundle import Services
from idp.services.person_rows import BadTable
from idp.texts import Texts

LOOK_EVERY = timedelta(seconds=30)
SETTLED_FOR = timedelta(seconds=10)  # a file that changed a moment ago may still be written
FORGOTTEN_AFTER = timedelta(hours=1)
ENDINGS = {".csv", ".txt", ".xlsx"}
TAKEN, GOOD, BAD = "taken", "done", "failed"
MOST_FILES, MOST_ERRORS = 20, 50  # of one look; of one report
MARK = "~"  # between the id of the import and the name of the file


class FolderWatch:
    """One look after the other at a folder; nothing is remembered between them."""

    def __init__(self, bundle: Services, folder: Path) -> None:
        self._bundle = bundle
        self._folder = folder

    def look(self) -> int:
        """Take what is new, put away what has ended; returns how many files were moved."""
        count = 0
        for portal in list_portals():
            inbox = self._folder / portal.slug
            if inbox.is_dir() and not inbox.is_symlink():
                count += self._settle(inbox) + sum(self._take(portal, file) for file in self._new(inbox))
        db.session.rollback()
        return count

    def _new(self, inbox: Path) -> list[Path]:
        before = self._bundle.clock.now() - SETTLED_FOR
        return [one for one in _files(inbox) if one.suffix.lower() in ENDINGS and _changed_at(one) < before][
            :MOST_FILES
        ]

    def _take(self, portal: Portal, file: Path) -> bool:
        taken = _into(file, file.parent / TAKEN, file.name)
        if taken is None:  # another worker was faster
            return False
        now = self._bundle.clock.now().timestamp()
        os.utime(taken, (now, now))
        jobs = self._bundle.import_jobs
        try:
            if taken.stat().st_size > jobs.largest:
                raise BadTable("large", most=jobs.largest // 1024 // 1024)
            row = jobs.receive(portal, file.name, taken.read_bytes(), "folder")
        except BadInput as error:
            db.session.rollback()
            _put_away(taken, BAD, file.name, [error.message])
            return True
        db.session.commit()
        _into(taken, taken.parent, f"{row.id}{MARK}{file.name}")
        return True

    def _settle(self, inbox: Path) -> int:
        """Whatever stands in `taken/`: whose import has ended is put away, whose worker died comes back."""
        count, forgotten = 0, self._bundle.clock.now() - FORGOTTEN_AFTER
        for file in _files(inbox / TAKEN):
            ident, mark, name = file.name.partition(MARK)
            row = _find(ident) if mark else None
            if row is None:
                is_back = _changed_at(file) < forgotten and _into(file, inbox, file.name) is not None
                count += is_back
            elif row.state not in WORKED_ON:
                _put_away(file, GOOD if row.state == DONE else BAD, name, list(self._report(row)))
                count += 1
        return count

    def _report(self, row: PersonImport) -> Iterator[str]:
        texts = Texts.load()
        yield f"state: {texts.get('en', f'imp.state.{row.state}')}"
        yield f"{row.new} new, {row.changed} changed, {row.unchanged} unchanged"
        yield f"{row.left_out} persons of the portal are not in the file"
        if row.fault:
            yield texts.get("en", f"imp.f.{row.fault}", **(row.fault_named or {}))
        if row.errors:
            yield f"{row.errors} errors; an operator decides in the console"
        for one in self._bundle.import_jobs.errors(row)[:MOST_ERRORS]:
            yield f"line {one.line}, {one.field}: {one.reason}: {one.value!r}"
        if row.fields is None:
            yield "which column holds what is not known; an operator says it in the console"


def _files(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    return sorted(one for one in folder.iterdir() if one.is_file() and not one.is_symlink() and one.name[0] != ".")


def _changed_at(file: Path) -> datetime:
    return datetime.fromtimestamp(file.stat().st_mtime, UTC)


def _find(ident: str) -> PersonImport | None:
    try:
        return db.session.get(PersonImport, UUID(ident), populate_existing=True)
    except ValueError:
        return None


def _into(file: Path, folder: Path, name: str) -> Path | None:
    """Move it; None where it is gone. Nothing that lies there is overwritten."""
    folder.mkdir(mode=0o700, exist_ok=True)
    target, number = folder / name, 1
    while target.exists():
        number += 1
        target = folder / f"{Path(name).stem}-{number}{Path(name).suffix}"
    try:
        return file.rename(target)
    except FileNotFoundError:
        return None


def _put_away(file: Path, where: str, name: str, report: list[str]) -> None:
    put = _into(file, file.parent.parent / where, name)
    if put is not None:
        put.with_name(f"{put.name}.report.txt").write_text("\n".join(report) + "\n", encoding="utf-8")
