"""Whole registrations by HTTP, from the letter's code to the last page: how many a second one core of a server bears.

Several persons walk at once, so that the core always has something to do. What it computed for one registration tells
the same with less noise, for nobody's disk and nobody's load is in it.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor

from flask import current_app

from bench.browser import Browser
from bench.report import Figure, Report, circumstances, processor_ms
from bench.signin import PRODUCTION, on_engines
from bench.walk import Place
from tests.actions import letter

AT_ONCE = 4
ROUNDS, PERSONS = 5, 40
QUICK_ROUNDS, QUICK_PERSONS = 1, 4
LIMITS = {
    "CONNECT_SIGN_INS_PER_HOUR": "1000000", "CONNECT_SENDS_PER_HOUR": "1000000", "CONNECT_SMS_PER_DAY": "1000000",
    "CONNECT_LETTER_CODES_PER_HOUR": "1000000",
}  # fmt: skip
KINDS = {"without argon2": (LIMITS, 20), "with argon2": ({**PRODUCTION, **LIMITS}, 8)}


def measure(*, quick: bool) -> Report:
    rounds, persons = (QUICK_ROUNDS, QUICK_PERSONS) if quick else (ROUNDS, PERSONS)
    report = Report("register", circumstances(
        rounds=rounds, persons=persons, at_once=AT_ONCE, argon2="19 MiB, 2 passes; without: 8 KiB, 1 pass",
        database="SQLite, WAL, synchronous=FULL; PostgreSQL 15, synchronous_commit=on",
    ))  # fmt: skip
    for kind, (settings, target) in KINDS.items():
        for engine, at in on_engines(settings, quick=quick):
            speeds, worked = _measure(at, rounds, persons)
            able = [1000 / one for one in worked]
            report.figures += [
                Figure(f"{engine}, {kind}: registrations", "/s", speeds),
                Figure(f"{engine}, {kind}: as many as a core computes", "/s", able, target, more_is_better=True),
            ]
    return report


def _measure(at: Place, rounds: int, persons: int) -> tuple[list[float], list[float]]:
    """Registrations a second, and what the server computed for one in milliseconds, each round."""
    portal, app = at.portals[0], current_app._get_current_object()  # type: ignore[attr-defined]
    slug, speeds, worked = portal.slug, [], []
    codes = [letter(at.services, portal, f"P-{number}") for number in range(rounds * persons + 1)]
    web = at.start()

    def walk(number: int) -> None:
        with app.app_context():
            Browser(at).register(slug, codes[number], f"person{number}@example.ch", f"+4179{4000000 + number}")

    walk(rounds * persons)  # templates are compiled, connections are open
    with ThreadPoolExecutor(AT_ONCE) as people:
        for number in range(rounds):
            began, before = time.perf_counter(), processor_ms(web)
            list(people.map(walk, range(number * persons, (number + 1) * persons)))
            speeds.append(persons / (time.perf_counter() - began))
            worked.append((processor_ms(web) - before) / persons)
    return speeds, worked
