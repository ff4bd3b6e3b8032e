"""The command as a process of its own: how it starts, how it ends, and what is left when it is killed."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import func, select

from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.idp.cli.conftest import CPX, Connect
from tests.support.mail_server import MailServer
from tests.support.printed import Document

ROOT = Path(__file__).resolve().parents[3]
HEADER = "external_id;insured_number;given_name;family_name;birth_date;language;address_1;address_2"
LARGEST_IMPORT_MB = 500
WRITING = (
    "before idp.services.imports.Imports._write", "after idp.services.imports.Imports._write",
    "before sqlalchemy.orm.Session.commit",
)  # fmt: skip
KILLED_AT = [
    f"{when} {place}"
    for place in (
        "idp.services.letters.typeset", "idp.services.letters.Letters.issue", "os.open", "os.fsync",
        "sqlalchemy.orm.Session.commit", "pathlib.Path.replace",
    )
    for when in ("before", "after")
]  # fmt: skip


class Process:
    """`connect …` in its own process, started where no file of ours lies."""

    def __init__(self, environment: dict[str, str], folder: Path) -> None:
        self._environment = {**environment, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
        self._folder = folder

    def start(self, *words: str | Path, module: str = "idp.cli") -> subprocess.Popen[str]:
        command = [sys.executable, "-m", module, *(str(word) for word in words)]
        return subprocess.Popen(
            command, env=self._environment, cwd=self._folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def run(self, *words: str | Path, module: str = "idp.cli") -> tuple[int, str, str]:
        process = self.start(*words, module=module)
        out, err = process.communicate(timeout=120)
        return process.returncode, out, err


@pytest.fixture
def process(connect: Connect, tmp_path: Path) -> Process:
    return Process(connect.environment, tmp_path)


def persons(number: int) -> Iterator[str]:
    yield HEADER + "\n"
    for at in range(number):
        born = f"{1 + at % 28}.{1 + at % 12}.1958"
        yield f"X-{at:06};N-{at};Hélène {at};Žďárská;{born};de;Rue du Lac {at};1000 Lausanne\n"


def rows(model: type[InsuredPerson] | type[RegistrationCode]) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def kill_at(point: str, process: Process, *words: str | Path) -> None:
    code, _, err = process.run(*point.split(), *words, module="tests.support.killed")
    assert code == -signal.SIGKILL, err


def test_the_exit_codes_and_streams_are_those_a_script_needs(process: Process) -> None:
    code, out, err = process.run("portal", "add", *CPX, "--json")
    assert (code, err) == (0, "")
    assert out.startswith("{")
    code, out, err = process.run("portal", "show", "nobody")
    assert (code, out, err) == (1, "", "there is no portal 'nobody'; `connect portal list` shows them\n")
    code, out, err = process.run("portl")
    assert (code, out) == (2, "")


def test_a_reader_that_goes_early_is_no_fault(process: Process) -> None:
    """`connect code list | head -1`."""
    listing = process.start("--help")
    assert listing.stdout is not None
    listing.stdout.close()
    listing.stdout = None
    _, err = listing.communicate(timeout=60)
    assert "Traceback" not in err


@pytest.mark.parametrize("number", [20_000, pytest.param(100_000, marks=pytest.mark.long)])
def test_many_persons_come_in_with_little_memory(
    process: Process, connect: Connect, tmp_path: Path, number: int
) -> None:
    connect("portal", "add", *CPX)
    file = tmp_path / "persons.csv"
    with file.open("w", encoding="utf-8") as stream:
        stream.writelines(persons(number))
    for said in (f"{number} new, 0 changed, 0 unchanged\n", f"0 new, 0 changed, {number} unchanged\n"):
        running = process.start("person", "import", file, "--portal", "cpx")
        peak = 0.0
        while running.poll() is None:
            peak = max(peak, resident_peak_mb(running.pid))
            time.sleep(0.02)
        out, err = running.communicate()
        assert (running.returncode, out) == (0, said), err
        assert 0 < peak < LARGEST_IMPORT_MB, f"{peak:.0f} MB"
    assert rows(InsuredPerson) == number


def resident_peak_mb(pid: int) -> float:
    try:
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())
    except OSError:
        return 0
    return int(found[1]) / 1024 if found else 0


def test_an_import_that_is_killed_leaves_nothing(process: Process, connect: Connect, tmp_path: Path) -> None:
    connect("portal", "add", *CPX)
    file, number = tmp_path / "persons.csv", 2000
    file.write_text("".join(persons(number)), encoding="utf-8")
    words = ("person", "import", file, "--portal", "cpx")
    for point in ("after idp.services.imports.open_table", "after sqlalchemy.orm.Session.execute", *WRITING):
        kill_at(point, process, *words)
        assert rows(InsuredPerson) == 0, point
    kill_at("after sqlalchemy.orm.Session.commit", process, *words)
    assert rows(InsuredPerson) == number
    assert connect(*words) == f"0 new, 0 changed, {number} unchanged\n"


@pytest.mark.parametrize("point", KILLED_AT)
def test_letters_that_are_killed_are_either_good_or_not_there(
    process: Process, connect: Connect, tmp_path: Path, point: str
) -> None:
    """A valid code without its letter would be lost; a letter without a valid code would be posted in vain."""
    connect("portal", "add", *CPX)
    file, number = tmp_path / "persons.csv", 5
    file.write_text("".join(persons(number)), encoding="utf-8")
    connect("person", "import", file, "--portal", "cpx")
    out, half = tmp_path / "letters.pdf", tmp_path / ".letters.pdf.part"
    words = ("code", "issue", "--portal", "cpx", "--all-uninvited", "--letters", out)
    kill_at(point, process, *words)
    is_issued = rows(RegistrationCode) == number
    assert is_issued or rows(RegistrationCode) == 0, "codes of some and not of others"
    assert is_issued or not out.exists(), "letters without codes"
    if is_issued:
        document = Document((out if out.exists() else half).read_bytes())
        assert document.count == number, "codes without letters"
        document.close()
    if half.exists():
        assert "left from a run that was stopped" in connect.refuses(*words) or is_issued
        half.unlink()
    if not is_issued:
        assert connect(*words).startswith(f"{number} letters")


def test_the_worker_delivers_and_stops_when_told(
    connect: Connect, services: Services, portal: Portal, tmp_path: Path
) -> None:
    values, signals = {"code": "123456", "time": "14:30"}, (signal.SIGTERM, signal.SIGINT)
    with MailServer() as server:
        process = Process({**connect.environment, "CONNECT_SMTP_PORT": str(server.port)}, tmp_path)
        for at, number in enumerate(signals, 1):
            services.outbox.mail("code", to="helene@example.ch", language="fr", portal=portal, values=values)
            db.session.commit()
            running, deadline = process.start("worker"), time.monotonic() + 60
            while len(server.received) < at and time.monotonic() < deadline and running.poll() is None:
                time.sleep(0.02)
            running.send_signal(number)
            out, err = running.communicate(timeout=30)
            assert (running.returncode, out) == (0, ""), err
            assert "helene" not in err
    assert [message.recipients for message in server.received] == [["helene@example.ch"]] * len(signals)
    db.session.rollback()
    assert {row.state for row in db.session.scalars(select(OutboxMessage))} == {"sent"}
