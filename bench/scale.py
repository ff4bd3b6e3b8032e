"""Whether a second process, or a second instance behind nginx, doubles what Connect answers: code exchanges with one
and with two, in turns in one run.

A second process helps only where a core is free for it. So requests a second are held to their target where load and
database have cores of their own; everywhere, what a request costs the processes may hardly grow with their number.
"""

from __future__ import annotations

import os
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from bench import instances
from bench.instances import COUNTS, EXCHANGE
from bench.load import drive
from bench.portal_calls import FASTEST, OURSELVES, THREADS, WARM_SECONDS
from bench.report import RATIO, Figure, Report, circumstances, processor_ms
from bench.sides import ES256, Side, connect
from bench.tasks import call, look
from bench.walk import Place, place
from tests.support import servers
from tests.support.engines import empty_postgresql_database

TARGET = 1.8
DEARER = round(2 / TARGET, 2)
ROUNDS, SECONDS = 5, 3
QUICK_ROUNDS, QUICK_SECONDS = 1, 1
CONNECTIONS = 32  # so many that each process has its share, whoever takes them
CORES = 4  # two for the processes, two for load and database
STARTS_WITHIN_S, IDLE_S = 30, 0.3


def measure(*, quick: bool) -> Report:
    rounds, seconds, warm = (QUICK_ROUNDS, QUICK_SECONDS, 0) if quick else (ROUNDS, SECONDS, WARM_SECONDS)
    is_roomy = (os.cpu_count() or 1) >= CORES
    before, run = os.sched_getaffinity(0), servers.new_run_folder()
    speeds: dict[int, list[float]] = {count: [] for count in COUNTS}
    costs: dict[int, list[float]] = {count: [] for count in COUNTS}
    try:
        if is_roomy:
            os.sched_setaffinity(0, {2, 3})  # and with it the database that it starts
        servers.postgresql(run, is_durable=True)
        with (
            tempfile.TemporaryDirectory(prefix="connect-bench-") as folder,
            place(CONNECT_DATABASE_URL=empty_postgresql_database(run, "bench")) as at,
        ):
            side = connect(at, OURSELVES)
            for _ in range(rounds):
                for count in COUNTS:
                    speed, cost = _with(count, at, side, (warm, seconds), Path(folder) / "values")
                    speeds[count].append(speed)
                    costs[count].append(cost)
    finally:
        servers.stop_all(run)
        os.sched_setaffinity(0, before)
    load_core = (os.cpu_count() or 1) - 1
    shares = instances.measure(rounds=rounds, seconds=seconds, warm=warm, core=load_core, connections=CONNECTIONS)
    report = Report("scale", circumstances(
        rounds=rounds, seconds=seconds, connections=CONNECTIONS, server="granian, 1 and 2 processes; 1 and 2 instances",
        database="PostgreSQL 15, synchronous_commit=on", load_and_database="cores of their own" if is_roomy else
        "on the same cores",
    ))  # fmt: skip
    report.figures = _figures(speeds, costs, is_roomy=is_roomy) + _behind_nginx(shares)
    return report


def _with(count: int, at: Place, side: Side, times: tuple[int, int], values: Path) -> tuple[float, float]:
    """Exchanges a second with so many processes, and what they computed for one, in milliseconds.

    `times`: the seconds that nobody times, and those that count.
    """
    warm, seconds = times
    at.start(*THREADS, "--workers", str(count), cores=(0, 1))
    try:
        _settle(at.workers)
        client = side.client(ES256)
        load_core, most = (os.cpu_count() or 1) - 1, FASTEST * count
        first, *made = side.made(EXCHANGE.needs, client.client_id, 1 + most * (warm + seconds))
        look(EXCHANGE, side, ES256, first)
        asked = replace(call(EXCHANGE, side, ES256), values=values)
        if warm:
            values.write_text("\n".join(made[: most * warm]) + "\n", encoding="ascii")
            drive(side.origin, asked, seconds=warm, core=load_core, connections=CONNECTIONS)
        values.write_text("\n".join(made[most * warm :]) + "\n", encoding="ascii")
        before = sum(map(processor_ms, at.workers))
        answered = drive(side.origin, asked, seconds=seconds, core=load_core, connections=CONNECTIONS)
        computed = sum(map(processor_ms, at.workers)) - before
        return answered.per_second, computed / (answered.per_second * seconds)
    finally:
        at.stop()


def _settle(workers: list[int]) -> None:
    """Wait until each process has started, which is when none computes any more."""
    deadline, before = time.monotonic() + STARTS_WITHIN_S, -1.0
    while (now := sum(map(processor_ms, workers))) - before > IDLE_S * 100:  # a tenth of the time, in milliseconds
        if time.monotonic() > deadline:
            raise RuntimeError("the processes did not come to rest")
        before = now
        time.sleep(IDLE_S)


def _figures(speeds: dict[int, list[float]], costs: dict[int, list[float]], *, is_roomy: bool) -> list[Figure]:
    target = TARGET if is_roomy else None
    return [
        *(Figure(f"exchanges, {count} process{'es' * (count > 1)}", "/s", speeds[count]) for count in COUNTS),
        Figure("two processes against one", RATIO, _ratios(speeds), target, more_is_better=True),
        *(Figure(f"computed for one, {count} process{'es' * (count > 1)}", "ms", costs[count]) for count in COUNTS),
        Figure("computed for one, two processes against one", RATIO, _ratios(costs), DEARER),
    ]


def _behind_nginx(shares: instances.Shares) -> list[Figure]:
    """Nobody there has a core of their own, so only what an exchange costs the instances has a target."""
    names = {1: "1 instance", 2: "2 instances"}
    return [
        *(Figure(f"behind nginx: exchanges, {names[count]}", "/s", shares.per_second[count]) for count in COUNTS),
        Figure("behind nginx: two instances against one", RATIO, _ratios(shares.per_second)),
        *(Figure(f"behind nginx: computed for one, {names[count]}", "ms", shares.ours[count]) for count in COUNTS),
        *(Figure(f"behind nginx: by nginx, {names[count]}", "ms", shares.of_nginx[count]) for count in COUNTS),
        Figure("behind nginx: computed for one, two instances against one", RATIO, _ratios(shares.ours), DEARER),
    ]


def _ratios(rounds: dict[int, list[float]]) -> list[float]:
    one, two = COUNTS
    return [more / fewer for fewer, more in zip(rounds[one], rounds[two], strict=True)]
