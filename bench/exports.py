"""How long a worker takes to write persons into a sealed file, and how much memory: the whole job, in its own process.

A third of the persons are registered, most others have a code; they belong to three portals, of which one is small.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import insert

from bench.memory import peak
from bench.persons import SHARES, records, share
from bench.report import Figure, Report, circumstances
from idp.models.account import Account
from idp.models.base import db
from idp.models.list_export import ListExport
from idp.models.person import InsuredPerson, RegistrationCode
from idp.services.bundle import Services
from idp.services.lists import Listing
from idp.services.permissions import Rights, Role
from tests.support import servers
from tests.support.builders import BORN, add_portal
from tests.support.engines import empty_postgresql_database
from tests.support.operators import add_operator
from tests.support.served import Process, inside, installation

TARGET_S, TARGET_MB = 60, 200
COUNT, QUICK_COUNT = 100_000, 1_000
AT_ONCE = 5_000  # rows that are made at once
LONGEST_S = 1_200
LOOK_S = 0.2
ENGINES = ("SQLite", "PostgreSQL")
RIGHTS = Rights(frozenset({Role.SUPERUSER}))


def measure(*, quick: bool) -> Report:
    count = QUICK_COUNT if quick else COUNT
    report = Report("exports", circumstances(
        rounds=1, rows=count, server="connect worker, 1 process", database="SQLite, WAL; PostgreSQL 15, default memory",
    ))  # fmt: skip
    run = servers.new_run_folder()
    try:
        for engine in ENGINES:
            with tempfile.TemporaryDirectory(prefix="connect-bench-") as name:
                where = {"CONNECT_DATABASE_URL": empty_postgresql_database(run, "bench")} if engine != "SQLite" else {}
                environ = installation(Path(name), "http://localhost", CONNECT_LOG_LEVEL="warning", **where)
                with inside(environ) as services:
                    seed(count)
                    report.figures += _measured(services, engine, environ, Path(name))
    finally:
        servers.stop_all(run)
    return report


def seed(count: int) -> None:
    """The same persons as those of the lists (bench/persons.py), on either engine."""
    portals, people = [add_portal(slug) for slug, _ in SHARES], []
    for at, row in enumerate(records(count, portals)):
        people.append((at, row))
        if len(people) == AT_ONCE:
            _add(people)
            people = []
    if people:
        _add(people)


def _add(people: list[tuple[int, dict[str, Any]]]) -> None:
    accounts = [
        {"id": row["account_id"], "email": f"p{at}@example.ch", "email_verified_at": BORN, "given_name": "A",
         "family_name": "B", "language": "fr", "status": "active", "terms_accepted_at": BORN, "created_at": BORN}
        for at, row in people if row["account_id"]
    ]  # fmt: skip
    codes = [
        {"id": row["id"], "insured_person_id": row["id"], "portal_id": row["portal_id"], "purpose": "register",
         "code_hash": str(at), "issued_at": BORN, "expires_at": BORN}
        for at, row in people if not row["account_id"] and share(at, 17) < 0.8
    ]  # fmt: skip
    if accounts:
        db.session.execute(insert(Account), accounts)
    db.session.execute(insert(InsuredPerson), [row | {"birth_date": BORN.date()} for _, row in people])
    db.session.execute(insert(RegistrationCode), codes)
    db.session.commit()


def _measured(services: Services, engine: str, environ: dict[str, str], folder: Path) -> Iterator[Figure]:
    whose = add_operator(services, "olga@fund.example.ch", ["superuser"])
    worker = Process(["idp.cli", "worker"], environ, folder / "worker.log")
    try:
        _written(services, Listing.PORTALS, whose)  # from here on the worker is at work
        before = peak(worker.pid)
        began = time.perf_counter()
        done = _written(services, Listing.PERSONS, whose)
        yield Figure(f"{engine}: counting and writing", "s", [time.perf_counter() - began], TARGET_S)
        yield Figure(f"{engine}: most memory of the worker before", "MB", [before])
        yield Figure(f"{engine}: most memory of the worker", "MB", [peak(worker.pid)], TARGET_MB)
    finally:
        worker.stop()
    began = time.perf_counter()
    size = sum(map(len, services.list_exports.pieces(done.id, done.pieces)))
    yield Figure(f"{engine}: opening the whole file", "s", [time.perf_counter() - began])
    yield Figure(f"{engine}: size of the file", "MB", [size / 1024**2])


def _written(services: Services, listing: Listing, whose: UUID) -> ListExport:
    """Of all rows of this list, when its file is whole."""
    counts = services.list_exports.counts(listing, {}, RIGHTS)
    begun = services.list_exports.begin(listing, {}, counts, by=whose, reason="report", language="de")
    if begun is None:
        raise RuntimeError("the export was refused")
    ident, began = begun.id, time.perf_counter()
    db.session.commit()
    while True:
        db.session.rollback()
        now = db.session.get_one(ListExport, ident, populate_existing=True)
        if now.state == "done":
            return now
        if now.state != "running" or time.perf_counter() - began > LONGEST_S:
            raise RuntimeError(f"the export is {now.state}")
        time.sleep(LOOK_S)
