"""What the server of a portal asks for, and a browser that is signed in: requests a second and their slowest hundredth.

One core for the server, the other for load and databases. All sides take turns within a round, and each call is made
once with its answer looked at before it is timed. Connect on PostgreSQL, where every token is durable, is what the
others are held against: other providers, and Connect on other databases.
"""

from __future__ import annotations

import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

from bench import peers
from bench.load import CONNECTIONS, Answered, drive
from bench.report import RATIO, Figure, Report, circumstances, pin
from bench.sides import ES256, RS256, Side, connect
from bench.tasks import CALLS, DJANGO, DURABLE, HALF, OIDC_PROVIDER, Task, call, look
from bench.walk import LOAD_CORE, SERVER_CORE, place
from tests.support import servers
from tests.support.engines import empty_postgresql_database

ROUNDS, SECONDS = 5, 3
QUICK_ROUNDS, QUICK_SECONDS = 1, 1
WARM_SECONDS = 1
FASTEST = 5_000  # a second: so many codes are made ahead for one run
OURSELVES = "Connect"
SQLITE, REDIS = "Connect on SQLite", "Connect with Redis"
AGAINST = {
    "oidc-provider": OIDC_PROVIDER, "oidc-provider-durable": DURABLE, "django-oauth-toolkit": DJANGO,
    "sqlite": SQLITE, "redis": REDIS,
}  # fmt: skip
THREADS = ("--blocking-threads", peers.THREADS)


def measure(names: Iterable[str], *, quick: bool, against: Iterable[str] = ()) -> Iterator[Report]:
    """One report for each name of `CALLS`; the servers start once for all."""
    wanted = [AGAINST[one] for one in against or AGAINST]
    rounds, seconds = (QUICK_ROUNDS, QUICK_SECONDS) if quick else (ROUNDS, SECONDS)
    with tempfile.TemporaryDirectory(prefix="connect-bench-") as name, sides(Path(name), wanted) as present:
        for called in names:
            report = Report(called, circumstances(
                rounds=rounds, seconds=seconds, connections=CONNECTIONS,
                database="PostgreSQL 15, synchronous_commit=on", access_token="opaque",
                authentication="client_secret_basic", threads=peers.THREADS, peers=", ".join(wanted),
            ))  # fmt: skip
            for task in CALLS[called]:
                for algorithm in (ES256, RS256) if task.is_signed else ("",):
                    able = [side for side in present if _can(side, task, algorithm)]
                    found = _rounds(able, task, algorithm, rounds, seconds, Path(name) / "values")
                    label = " ".join(part for part in (task.name if len(CALLS[called]) > 1 else "", algorithm) if part)
                    report.figures += _figures(f"{label}, " if label else "", task, found)
            yield report


def _can(side: Side, task: Task, algorithm: str) -> bool:
    """Other databases are measured with one algorithm, for they sign alike; how a store keeps what is written, where
    something is.
    """
    if task.endpoint not in side.paths or (algorithm and algorithm not in side.clients):
        return False
    if side.name == DURABLE and not task.writes:
        return False
    return not (algorithm == RS256 and side.name in {SQLITE, REDIS})


def _rounds(
    present: list[Side], task: Task, algorithm: str, rounds: int, seconds: int, values: Path
) -> dict[str, list[Answered]]:
    """What each side answered in each round; before them all, each runs for a moment that nobody times."""
    found = defaultdict(list)
    for side in present if rounds > QUICK_ROUNDS else ():
        _run(side, task, algorithm, WARM_SECONDS, values)
    for number in range(rounds):
        for side in present:
            found[side.name].append(_run(side, task, algorithm, seconds, values, is_first=number == 0))
    return found


def _run(side: Side, task: Task, algorithm: str, seconds: int, values: Path, *, is_first: bool = False) -> Answered:
    asked, client = call(task, side, algorithm), side.client(algorithm)
    if task.needs:
        made = side.made(task.needs, client.client_id, task.shared or 1 + FASTEST * seconds)
        values.write_text("\n".join(map(_escaped, made if task.shared else made[1:])) + "\n", encoding="ascii")
        asked = replace(asked, values=values, in_turn=bool(task.shared))
    if is_first:
        look(task, side, algorithm, made[0] if task.needs else "")
    return drive(side.origin, asked, seconds=seconds, core=LOAD_CORE)


def _escaped(value: str) -> str:
    """As it may stand in a form, in an Authorization header and among cookies."""
    return quote(value, safe="=;")


def _figures(label: str, task: Task, found: dict[str, list[Answered]]) -> Iterator[Figure]:
    for name, rounds in found.items():
        yield Figure(f"{label}{name}", "/s", [one.per_second for one in rounds])
        yield Figure(f"{label}{name}, p99", "ms", [one.p99_ms for one in rounds])
    ours = found.pop(OURSELVES)
    for name, rounds in found.items():
        pairs = list(zip(ours, rounds, strict=True))
        if name in {SQLITE, REDIS}:
            yield Figure(f"{label}{name}, against PostgreSQL", RATIO, [b.per_second / a.per_second for a, b in pairs])
            continue
        faster, known_as = [a.per_second / b.per_second for a, b in pairs], OIDC_PROVIDER if name == DURABLE else name
        yield Figure(f"{label}against {name}", RATIO, faster, task.targets.get(known_as), more_is_better=True)
        tail = HALF if known_as == OIDC_PROVIDER and task.endpoint != "discovery" else None
        yield Figure(f"{label}p99 against {name}", RATIO, [a.p99_ms / b.p99_ms for a, b in pairs], tail)


@contextmanager
def sides(folder: Path, wanted: Iterable[str]) -> Iterator[list[Side]]:
    """Connect on a durable PostgreSQL first, then whoever is wanted."""
    before, run = os.sched_getaffinity(0), servers.new_run_folder()
    try:
        pin(os.getpid(), LOAD_CORE)  # and with it whatever it starts, until that is put elsewhere
        with ExitStack() as stack:
            socket = servers.postgresql(run, is_durable=True)
            present = [_connect(stack, OURSELVES, empty_postgresql_database(run, "bench"))]
            if SQLITE in wanted:
                present.append(_connect(stack, SQLITE, ""))
            if REDIS in wanted:
                shared = f"redis://127.0.0.1:{servers.shared_redis(run)}/1"
                present.append(_connect(stack, REDIS, empty_postgresql_database(run, "bench_redis"), shared))
            if OIDC_PROVIDER in wanted:
                redis = servers.shared_redis(run)
                present.append(stack.enter_context(peers.oidc_provider(redis, folder / "peer.log", core=SERVER_CORE)))
            if DURABLE in wanted:
                log = folder / "durable.log"
                redis = stack.enter_context(_durable_redis(folder))
                present.append(stack.enter_context(peers.oidc_provider(redis, log, core=SERVER_CORE, name=DURABLE)))
            if DJANGO in wanted:
                empty_postgresql_database(run, "django")
                present.append(stack.enter_context(peers.django(socket, "django", folder, core=SERVER_CORE)))
            yield present
    finally:
        servers.stop_all(run)
        for thread in Path("/proc/self/task").iterdir():
            os.sched_setaffinity(int(thread.name), before)


@contextmanager
def _durable_redis(folder: Path) -> Iterator[int]:
    process, port = servers.start_redis(folder, is_durable=True)
    try:
        yield port
    finally:
        process.terminate()
        process.wait()


def _connect(stack: ExitStack, name: str, url: str, redis: str = "") -> Side:
    changes = {"CONNECT_DATABASE_URL": url, "CONNECT_REDIS_URL": redis}
    at = stack.enter_context(place(**{key: value for key, value in changes.items() if value}))
    side = connect(at, name)
    at.start(*THREADS)
    return side
