"""A whole fund brought online: from its spreadsheet to posted letters, by HTTP through the console and a real worker.

Two operators do what they would do by hand, one form after the other; nothing is written to the database beside them.
"""

from __future__ import annotations

import io
import re
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import requests
from sqlalchemy import func, select

from bench.imports import csv_file
from bench.memory import peak
from bench.report import Figure, Report, circumstances, computed_s
from bench.walk import answering
from idp.models.base import db
from idp.models.letter_batch import BatchState, LetterBatch
from idp.models.person import RegistrationCode
from idp.services.bundle import Services
from idp.services.letter_batches import MOST
from idp.services.press import PART
from tests.actions import PASSWORD
from tests.support import servers, workbook
from tests.support.builders import add_portal
from tests.support.engines import empty_postgresql_database
from tests.support.operators import add_operator, app_code
from tests.support.ports import five_free_ports
from tests.support.served import Process, RemotePerson, granian, inside, installation

TARGET_MIN, TARGET_MB = 15, 500
COUNT, QUICK_COUNT = 50_000, 300
LONGEST_S, LOOK_S = 3_000, 0.3
ENGINES = ("PostgreSQL", "SQLite")
MAKER, APPROVER = "olga@fund.example.ch", "peter@fund.example.ch"


class Operator(RemotePerson):
    """Somebody at the console, who fills the form below the one that signs out."""

    def __init__(self, issuer: str, services: Services, email: str) -> None:
        super().__init__(issuer)
        self.open("/admin/login")
        self.submit(email=email, password=PASSWORD, otp=app_code(services))

    def send(self, **fields: str | list[str]) -> None:
        """Press the button, however long the answer takes."""
        self._post({"data": {**self.filled(1)[1], **fields}})

    def upload(self, name: str, content: bytes, **fields: str) -> None:
        self._post({"data": {**self.filled(1)[1], **fields}, "files": {"file": (name, content)}})

    def fetch(self, address: str) -> bytes:
        answer = self.http.get(self.issuer + address, timeout=LONGEST_S)
        answer.raise_for_status()
        return answer.content

    def wait(self, address: str, is_there: Callable[[str], bool]) -> None:
        """Look at a page until it shows what is waited for."""
        began = time.perf_counter()
        self.open(address)
        while not is_there(self.text):
            if time.perf_counter() - began > LONGEST_S:
                raise RuntimeError(f"{address} does not go on")
            time.sleep(LOOK_S)
            self.open(address)

    def _post(self, what: dict[str, object]) -> None:
        target = self.issuer + self.address.removeprefix(self.issuer).partition("?")[0]
        answer: requests.Response = self.http.post(
            target, headers={"Origin": self.issuer}, timeout=LONGEST_S, allow_redirects=False, **what  # type: ignore[arg-type]
        )  # fmt: skip
        if answer.status_code != 303 or "kept=" in answer.headers["Location"]:
            raise RuntimeError(f"{target} was answered by {answer.status_code}")
        self.open(answer.headers["Location"])


def measure(*, quick: bool) -> Report:
    count = QUICK_COUNT if quick else COUNT
    report = Report("fund", circumstances(
        rounds=1, persons=count, server="granian, 1 process; connect worker, 1 process",
        database="PostgreSQL 15, default memory; SQLite, WAL",
    ))  # fmt: skip
    run = servers.new_run_folder()
    try:
        for engine in ENGINES[: 1 if quick else None]:
            with tempfile.TemporaryDirectory(prefix="connect-bench-") as name:
                more = {"CONNECT_DATABASE_URL": empty_postgresql_database(run, "bench")} if engine != "SQLite" else {}
                issuer = f"http://localhost:{five_free_ports()}"
                environ = installation(Path(name), issuer, CONNECT_LOG_LEVEL="warning", **more)
                with inside(environ) as services:
                    report.figures += _measured(services, engine, environ, Path(name), count)
    finally:
        servers.stop_all(run)
    return report


def _measured(services: Services, engine: str, environ: dict[str, str], folder: Path, count: int) -> list[Figure]:
    add_portal()
    for email, roles in ((MAKER, ["portal_admin@cpx", "letters@cpx"]), (APPROVER, ["letters@cpx"])):
        add_operator(services, email, roles)
    file, figures = workbook.table(csv_file(count).decode()), list[Figure]()
    worker = Process(["idp.cli", "worker"], environ, folder / "worker.log")
    web = granian(environ, folder / "web.log", None)
    pids = (worker.pid, answering(web.pid))
    try:
        began = time.perf_counter()
        for what, stage in _stages(services, environ["CONNECT_ISSUER"], file, count):
            before, computed = time.perf_counter(), sum(map(computed_s, pids))
            stage()
            taken, computed = time.perf_counter() - before, sum(map(computed_s, pids)) - computed
            figures.append(Figure(f"{engine}: {what}", "s", [taken], processor=computed))
        whole, computed = (time.perf_counter() - began) / 60, sum(one.processor or 0 for one in figures) / 60
        sizes = [(name, peak(pid)) for name, pid in zip(("worker", "web"), pids, strict=True)]
    finally:
        web.stop()
        worker.stop()
    _check(count)
    figures.append(
        Figure(f"{engine}: from the spreadsheet to the post", "min", [whole], TARGET_MIN, processor=computed)
    )
    return figures + [Figure(f"{engine}: most memory of {name}", "MB", [size], TARGET_MB) for name, size in sizes]


def _stages(
    services: Services, issuer: str, file: bytes, count: int
) -> list[tuple[str, Callable[[], None]]]:  # fmt: skip
    olga, peter = (Operator(issuer, services, email) for email in (MAKER, APPROVER))
    batches = -(-count // MOST)

    def send_file() -> None:
        olga.open("/admin/new-import")
        olga.upload("persons.xlsx", file, portal="cpx")

    def dry_run() -> None:
        home = olga.address.rpartition("/")[0]
        olga.send(**_columns(olga.text))
        olga.wait(home, lambda page: "/start" in page)

    def write() -> None:
        home = olga.address
        olga.open(f"{home}/start")
        olga.send()
        olga.wait(home, lambda page: "/undo" in page)

    def draft() -> None:
        olga.open("/admin/letters/new")
        chosen = {"portal": "cpx", "kind": "never", "language": "", "days": "14"}
        olga.send(**chosen, do="draft")

    def together(deed: str) -> str:
        peter.open(f"/admin/letters/at/cpx/{deed}")
        page = peter.text
        peter.send(batch=_ticked(page), **({"day": peter.filled(1)[1]["day"]} if deed == "post" else {}))
        return page

    def set_all() -> None:
        together("approve")
        peter.wait("/admin/letters/at/cpx/print", lambda page: len(_ticked(page)) == batches)

    def fetch_all() -> None:
        files = 0
        for ident in _ticked(peter.text):
            with zipfile.ZipFile(io.BytesIO(peter.fetch(f"/admin/letters/{ident}/letters.zip"))) as packed:
                files += len(packed.namelist())
        if files != -(-count // PART):
            raise RuntimeError(f"{files} PDFs came")

    def make_valid() -> None:
        together("print")
        peter.wait("/admin/letters/at/cpx/post", lambda page: len(_ticked(page)) == batches)

    def post_all() -> None:
        together("post")

    return [
        ("file sent", send_file), ("dry run", dry_run), ("written", write), ("batches made", draft),
        ("approved and set as PDF", set_all), ("PDFs fetched", fetch_all),
        ("printing confirmed, codes valid", make_valid), ("posting recorded", post_all),
    ]  # fmt: skip


def _check(count: int) -> None:
    """Every person has a valid code, and every batch is posted."""
    codes = db.session.scalar(select(func.count()).select_from(RegistrationCode))
    left = db.session.scalar(select(func.count()).where(LetterBatch.state != BatchState.POSTED.value))
    db.session.rollback()
    if codes != count or left:
        raise RuntimeError(f"{codes} codes are valid of {count}, and {left} batches are not posted")


def _ticked(page: str) -> list[str]:
    """The batches that can be moved on, as they are offered."""
    return re.findall(r'name="batch" value="([0-9a-f-]{36})" checked', page)


def _columns(page: str) -> dict[str, str]:
    """What each column holds, as it was recognised."""
    choices = re.findall(r'<select[^>]* name="(c\d+)"[^>]*>(.*?)</select>', page, re.DOTALL)
    return {name: found[1] for name, options in choices if (found := re.search(r'value="(\w+)" selected', options))}
