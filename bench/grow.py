"""How requests fare as an installation on PostgreSQL grows: among more and more persons, with a heap of expired rows
and a worker that removes them meanwhile.

The sizes are measured one after the other, each on a database of its own; what the server computes for a request is
the figure that a busy machine blurs least.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import create_engine
from sqlalchemy import text as sql

from bench.fund import Operator
from bench.persons import seed
from bench.report import RATIO, Figure, Report, circumstances, percentile
from bench.walk import Place, Stopwatch, Walker, place
from idp.models.base import db
from idp.models.postgresql import take_your_time
from tests.support import servers
from tests.support.engines import empty_postgresql_database
from tests.support.operators import add_operator
from tests.support.served import Process

SIZES, EXPIRED, ROUNDS, LIVES = (10_000, 100_000, 1_000_000), 10_000_000, 5, 10
QUICK_SIZES, QUICK_EXPIRED, QUICK_ROUNDS, QUICK_LIVES = (300, 1_000), 4_000, 2, 1
TARGET, TARGET_LOCK_MS = 1.2, 100.0
LOOK_S = 0.01
OLGA = "olga@fund.example.ch"
REQUESTS = {
    "sign-in": "POST /{portal}/login 303", "second factor": "POST /{portal}/login/code 303",
    "exchange": "POST /token 200", "userinfo": "GET  /userinfo 200", "list of persons": "GET  /admin/persons 200",
}  # fmt: skip
HEAPS = (
    "INSERT INTO access_token (id, token_hash, portal_id, scope, created_at, expires_at) "
    "SELECT gen_random_uuid(), 'e' || n, :portal, 'openid', now(), "
    "now() - interval '1 day' - n * interval '1 s' FROM generate_series(1, :count) AS n",
    "INSERT INTO flow_run (id, handle_hash, browser_hash, journey, portal_id, state, entries, errors, notice, version, "
    "created_at, expires_at, tallied_at) SELECT gen_random_uuid(), 'e' || n, 'b', 'login', :portal, '{}', '{}', '{}', "
    "'{}', 0, now(), now() - interval '3 days' - n * interval '1 s', now() FROM generate_series(1, :count) AS n",
)
REMOVES = (  # not what requests remove, in transactions of their own
    "SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0) * 1000 FROM pg_stat_activity "
    "WHERE datname = current_database() AND xact_start IS NOT NULL AND state <> 'idle' "
    "AND query SIMILAR TO 'DELETE FROM (access_token|flow_run) WHERE (access_token|flow_run).id IN%'"
)


def measure(*, quick: bool) -> Report:
    sizes, expired = (QUICK_SIZES, QUICK_EXPIRED) if quick else (SIZES, EXPIRED)
    rounds, lives = (QUICK_ROUNDS, QUICK_LIVES) if quick else (ROUNDS, LIVES)
    report = Report("grow", circumstances(
        rounds=rounds, persons=", ".join(map(str, sizes)), expired=expired, figures="p95", argon2="8 KiB, 1 pass",
        server="granian, 1 process; connect worker, 1 process", database="PostgreSQL 15, default memory",
    ))  # fmt: skip
    run, first = servers.new_run_folder(), dict[str, list[float]]()
    try:
        for size in sizes:
            with place(CONNECT_DATABASE_URL=empty_postgresql_database(run, f"bench_{size}")) as at:
                found, longest = _measured(at, size, expired, rounds, lives)
            report.figures += [Figure(f"{size}: {what}", "ms", *figure) for what, figure in found.items()]
            report.figures.append(Figure(f"{size}: longest removal", "ms", [longest], TARGET_LOCK_MS))
            first = first or {what: figure[0] for what, figure in found.items()}
        for what, (p95, *_) in found.items():
            ratios = [last / before for last, before in zip(p95, first[what], strict=True)]
            report.figures.append(Figure(f"{what}, {sizes[-1]} to {sizes[0]} persons", RATIO, ratios, TARGET))
    finally:
        servers.stop_all(run)
    return report


Measured = tuple[list[float], None, int, float]  # p95 a round, no target, samples, what the server computed


def _measured(at: Place, size: int, expired: int, rounds: int, lives: int) -> tuple[dict[str, Measured], float]:
    seed(at.services, size, at.portals)
    add_operator(at.services, OLGA, ["superuser"])
    web = at.start()
    walker, olga = Walker(at, Stopwatch(web)), Operator(at.issuer, at.services, OLGA)
    olga.http.hooks["response"].append(lambda answer, *rest, **more: walker.watch.note(answer, *rest, **more))
    walker.life()
    watches = list[Stopwatch]()
    _pile_up(at, expired // len(HEAPS))
    with _worker(at) as longest:
        for _ in range(rounds):
            walker.watch = Stopwatch(web)
            for _ in range(lives):
                walker.life()
                olga.open("/admin/persons")
            watches.append(walker.watch)
    return {
        what: (
            [percentile(watch.taken[kind], 0.95) for watch in watches], None, len(watches[0].taken[kind]),
            statistics.median(ms for watch in watches for ms in watch.worked[kind]),
        )
        for what, kind in REQUESTS.items()
    }, max(longest)  # fmt: skip


def _pile_up(at: Place, count: int) -> None:
    with db.engine.begin() as connection:
        take_your_time(connection)
        connection.execute(sql("SET LOCAL statement_timeout = 0"))
        for heap in HEAPS:
            connection.execute(sql(heap), {"portal": at.portals[0].id, "count": count})
        # No heap comes into being in a moment. Until autovacuum has seen this one, statements that were prepared for a
        # table of a few rows would read it from end to end.
        connection.execute(sql("ANALYZE access_token, flow_run"))


@contextmanager
def _worker(at: Place) -> Iterator[list[float]]:
    """Housekeeping in a process of its own, and how long its transactions were seen to last."""
    longest, stop = [0.0], threading.Event()
    engine = create_engine(at.environ["CONNECT_DATABASE_URL"], isolation_level="AUTOCOMMIT")

    def look() -> None:
        with engine.connect() as connection:
            while not stop.is_set():
                longest.append(float(connection.scalar(sql(REMOVES)) or 0))
                time.sleep(LOOK_S)

    watcher = threading.Thread(target=look)
    watcher.start()
    worker = Process(["idp.cli", "worker"], at.environ, at.folder / "worker.log")
    try:
        yield longest
    finally:
        worker.stop()
        stop.set()
        watcher.join()
        engine.dispose()
