"""`connect person import`: what is told, what is stored, and that it is all or nothing."""

from __future__ import annotations

import os
from pathlib import Path

from sqlalchemy import func, select

from idp.models.base import db
from idp.models.person import InsuredPerson
from tests.idp.cli.conftest import CPX, PERSONS, Connect


def count() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(InsuredPerson)) or 0


def test_a_dry_run_then_the_import_then_nothing_more_to_do(connect: Connect, tmp_path: Path) -> None:
    connect("portal", "add", *CPX)
    file = tmp_path / "persons.csv"
    file.write_text(PERSONS, encoding="utf-8")
    said = connect("person", "import", file, "--portal", "cpx", "--dry-run")
    assert said == "3 would be new, 0 would be changed, 0 unchanged\n"
    assert count() == 0
    assert connect("person", "import", file, "--portal", "cpx") == "3 new, 0 changed, 0 unchanged\n"
    assert connect("person", "import", file, "--portal", "cpx") == "0 new, 0 changed, 3 unchanged\n"
    assert count() == 3


def test_wrong_rows_are_told_and_nothing_comes_in(cpx: Connect, tmp_path: Path) -> None:
    file = tmp_path / "persons.csv"
    wrong = PERSONS.replace("P-1", "Q-1").replace("1.2.1960", "30.2.1960").replace(";it;", ";es;")
    file.write_text(wrong, encoding="utf-8")
    for words in ((), ("--dry-run",)):
        assert cpx.refuses("person", "import", file, "--portal", "cpx", *words).splitlines() == [
            "Reading",
            "line 3, birth_date: is no date like 27.3.1958 or 1958-03-27: '30.2.1960'",
            "line 4, language: is none of fr, de, it, en: 'es'",
            "nothing was imported",
        ]
    assert count() == 3


def test_a_hopeless_file_is_told_in_a_page(cpx: Connect, tmp_path: Path) -> None:
    file = tmp_path / "persons.csv"
    header, row = PERSONS.splitlines()[:2]
    file.write_text("\n".join([header, *[row.replace("27.3.1958", "x")] * 700]), encoding="utf-8")
    told = cpx.refuses("person", "import", file, "--portal", "cpx").splitlines()
    assert len(told) < 60
    assert told[-2:] == ["… and 951 more", "nothing was imported"]


def test_what_is_no_table_or_no_portal_is_told(cpx: Connect, tmp_path: Path) -> None:
    file = tmp_path / "persons.csv"
    file.write_bytes(PERSONS.encode("utf-16"))
    assert "save it as CSV UTF-8" in cpx.refuses("person", "import", file, "--portal", "cpx")
    assert "there is no portal" in cpx.refuses("person", "import", file, "--portal", "nobody")
    assert "is no file" in cpx.refuses("person", "import", tmp_path, "--portal", "cpx")
    cpx.refuses("person", "import", tmp_path / "none.csv", "--portal", "cpx", code=2)
    cpx.refuses("person", "import", file, code=2)
    assert count() == 3


def test_a_folder_of_files_is_imported_in_one_pass(cpx: Connect, tmp_path: Path) -> None:
    inbox = tmp_path / "imports" / "cpx"
    inbox.mkdir(parents=True)
    file = inbox / "persons.csv"
    file.write_text(PERSONS.replace("P-1", "Q-1"), encoding="utf-8")
    assert cpx("import", "watch", inbox.parent).startswith("0 files"), "it may still be written"
    os.utime(file, (0, 0))
    assert cpx("import", "watch", inbox.parent).startswith("1 files")
    assert "1 new, 0 changed, 2 unchanged" in (inbox / "done" / "persons.csv.report.txt").read_text(encoding="utf-8")
    assert count() == 4
