"""A whole sign-in by HTTP, from the portal's request to its tokens, against the password hash alone, in turns.

The hash is the one thing in it that must be slow. All else is what a person and a core pay for us: milliseconds from
request to answer, and the processor time of the server, each less what the hash takes on the same core.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field

import requests

from bench.browser import Browser
from bench.report import Figure, Report, circumstances, on_core, percentile, processor_ms
from bench.walk import SERVER_CORE, Place, place
from tests.support import servers
from tests.support.engines import empty_postgresql_database
from tests.support.figures import TOKEN, Figures
from tests.support.walks import add_account

TARGET_MS, TARGET_SHARE = 15, 25
ROUNDS, PERSONS = 5, 40
QUICK_ROUNDS, QUICK_PERSONS = 1, 3
MEMORY_KIB, PASSES = 19_456, 2
PRODUCTION = {
    "CONNECT_ARGON2_MEMORY_KIB": str(MEMORY_KIB), "CONNECT_ARGON2_PASSES": str(PASSES),
    "CONNECT_SIGN_INS_PER_HOUR": "1000000", "CONNECT_SENDS_PER_HOUR": "1000000",
}  # fmt: skip
# As idp/services/passwords.py does it: a key of 43 letters against what is stored.
ALONE = """
import statistics, sys, time
from argon2 import PasswordHasher
count, memory, passes = map(int, sys.argv[1:])
hasher, key = PasswordHasher(time_cost=passes, memory_cost=memory, parallelism=1), "k" * 43
stored, passed = hasher.hash(key), []
for _ in range(count):
    began = time.perf_counter()
    hasher.verify(stored, key)
    passed.append(1000 * (time.perf_counter() - began))
print(statistics.median(passed))
"""


@dataclass
class Found:
    """One value a round."""

    whole: list[float] = field(default_factory=list)
    overhead: list[float] = field(default_factory=list)
    alone: list[float] = field(default_factory=list)
    within: list[float] = field(default_factory=list)
    share: list[float] = field(default_factory=list)
    worked: list[float] = field(default_factory=list)


def measure(*, quick: bool) -> Report:
    rounds, persons = (QUICK_ROUNDS, QUICK_PERSONS) if quick else (ROUNDS, PERSONS)
    report = Report("signin", circumstances(
        rounds=rounds, persons=persons, argon2="19 MiB, 2 passes",
        database="SQLite, WAL, synchronous=FULL; PostgreSQL 15, synchronous_commit=on",
    ))  # fmt: skip
    for engine, at in on_engines(PRODUCTION, quick=quick, counts=True):
        report.figures += _figures(engine, _measure(at, rounds, persons))
    return report


def on_engines(settings: dict[str, str], *, quick: bool, counts: bool = False) -> Iterator[tuple[str, Place]]:
    """An installation on SQLite, then one on a PostgreSQL that is durable; only the first where it is to be quick."""
    with place(counts=counts, **settings) as at:
        yield "SQLite", at
    if quick:
        return
    run = servers.new_run_folder()
    try:
        servers.postgresql(run, is_durable=True)
        settings = settings | {"CONNECT_DATABASE_URL": empty_postgresql_database(run, "bench")}
        with place(counts=counts, **settings) as at:
            yield "PostgreSQL", at
    finally:
        servers.stop_all(run)


def _figures(engine: str, found: Found) -> list[Figure]:
    return [
        Figure(f"{engine}: whole sign-in, p50", "ms", found.whole, processor=statistics.median(found.worked)),
        Figure(f"{engine}: argon2 alone, p50", "ms", found.alone),
        Figure(f"{engine}: argon2 within, mean", "ms", found.within),
        Figure(f"{engine}: everything else, p95", "ms", found.overhead, TARGET_MS),
        Figure(f"{engine}: everything else, share of the core's time", "%", found.share, TARGET_SHARE),
    ]


def _measure(at: Place, rounds: int, persons: int) -> Found:
    """Each round: the hash alone, then so many persons sign in, each for the first time; what their hashes took says
    the server. They take longer there than alone, again and again, where the core's caches hold what they need.
    """
    found, portal = Found(), at.portals[0]
    client_id, callback = portal.client_id, portal.redirect_uris[0]
    owners = [(f"person{number}@example.ch", f"+4179{4000000 + number}") for number in range(rounds * persons + 1)]
    for email, mobile in owners:
        add_account(at.services, portal, email, number=mobile)
    web = at.start()
    Browser(at).sign_in(client_id, callback, *owners.pop())  # templates are compiled, connections are open
    for number in range(rounds):
        found.alone.append(_hash_alone(persons))
        waited, hashed, before = [], _hashed(at), processor_ms(web)
        for owner in owners[number * persons : (number + 1) * persons]:
            browser = Browser(at)
            browser.sign_in(client_id, callback, *owner)
            waited.append(browser.waited_ms)
        worked = (processor_ms(web) - before) / persons
        within = (_hashed(at) - hashed) / persons
        found.whole.append(percentile(waited, 0.5))
        found.within.append(within)
        found.overhead.append(percentile(waited, 0.95) - within)
        found.worked.append(worked)
        found.share.append(100 * (worked - within) / worked)
    return found


def _hashed(at: Place) -> float:
    """The milliseconds of all hashes so far."""
    answer = requests.get(f"{at.issuer}/metrics", headers={"Authorization": f"Bearer {TOKEN}"}, timeout=30)
    answer.raise_for_status()
    return 1000 * Figures.read(answer.text).of("connect_hash_seconds_sum")


def _hash_alone(count: int) -> float:
    """The median of so many verifications on the server's core while it has nothing to do, in milliseconds."""
    command = [*on_core(SERVER_CORE), sys.executable, "-c", ALONE, str(count), str(MEMORY_KIB), str(PASSES)]
    return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
