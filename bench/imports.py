"""How long a worker takes for a large file of persons, and how much memory: the whole job, in a process of its own.

The file comes as a fund's own system sends it; the dry run and the writing are told apart, and undoing comes last.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from uuid import UUID

from bench.memory import peak
from bench.persons import name
from bench.report import Figure, Report, circumstances
from idp.models.base import db
from idp.models.person_import import PersonImport
from idp.services.bundle import Services
from tests.support import persons_file, servers, workbook
from tests.support.builders import add_portal
from tests.support.engines import empty_postgresql_database
from tests.support.served import Process, inside, installation

TARGET_S, TARGET_MB = 300, 500
COUNT, QUICK_COUNT = 100_000, 1_000
LONGEST_S = 3_000
LOOK_S = 0.2
ENGINES = ("SQLite", "PostgreSQL")


def measure(*, quick: bool) -> Report:
    count = QUICK_COUNT if quick else COUNT
    report = Report("imports", circumstances(
        rounds=1, rows=count, server="connect worker, 1 process", database="SQLite, WAL; PostgreSQL 15, default memory",
    ))  # fmt: skip
    run = servers.new_run_folder()
    try:
        for engine in ENGINES:
            with tempfile.TemporaryDirectory(prefix="connect-bench-") as name:
                where = {"CONNECT_DATABASE_URL": empty_postgresql_database(run, "bench")} if engine != "SQLite" else {}
                environ = installation(Path(name), "http://localhost", CONNECT_LOG_LEVEL="warning", **where)
                with inside(environ) as services:
                    report.figures += _measured(services, engine, environ, Path(name), count)
    finally:
        servers.stop_all(run)
    return report


def _measured(services: Services, engine: str, environ: dict[str, str], folder: Path, count: int) -> list[Figure]:
    csv, portal = csv_file(count), add_portal()
    ident = services.import_jobs.receive(portal, "persons.csv", csv, "feed").id
    db.session.commit()
    figures, most = [], 0.0
    worker = Process(["idp.cli", "worker"], environ, folder / "worker.log")

    def timed(what: str, state: str) -> None:
        nonlocal most
        began = time.perf_counter()
        _wait(ident, {state, "done"})
        most = max(most, peak(worker.pid))
        figures.append(Figure(f"{engine}: {what}", "s", [time.perf_counter() - began]))

    try:
        timed("dry run", "running")
        timed("writing", "done")
        services.import_jobs.undo(_row(ident))
        db.session.commit()
        timed("undoing", "undone")
        rest = workbook.table(csv.decode())
        ident = services.import_jobs.receive(portal, "persons.xlsx", rest, "feed").id
        db.session.commit()
        timed("dry run of a workbook", "running")
        timed("writing of a workbook", "done")
    finally:
        worker.stop()
    whole = [sum(one.median for one in figures[at : at + 2]) for at in (0, 3)]
    figures += [
        Figure(f"{engine}: dry run and writing, {kind}", "s", [seconds], TARGET_S)
        for kind, seconds in zip(("CSV", "XLSX"), whole, strict=True)
    ]
    return [*figures, Figure(f"{engine}: most memory of the worker", "MB", [most], TARGET_MB)]


def csv_file(count: int) -> bytes:
    """As a fund's own system writes it."""
    rows = []
    for number in range(count):
        given, family = name(number)
        cells = {"address_1": f"Rue du Lac {number % 200}", "address_2": f"{1000 + number % 9000} Lausanne"}
        rows.append(persons_file.row(f"P-{number:07}", given_name=given, family_name=family, **cells))
    return persons_file.file(*rows)


def _row(ident: UUID) -> PersonImport:
    db.session.rollback()
    return db.session.get_one(PersonImport, ident, populate_existing=True)


def _wait(ident: UUID, states: set[str]) -> None:
    began = time.perf_counter()
    while (now := _row(ident).state) not in states:
        if now in {"failed", "checked"} or time.perf_counter() - began > LONGEST_S:
            raise RuntimeError(f"the import is {now}")
        time.sleep(LOOK_S)
    db.session.rollback()
