"""How large the web process is, and whether it grows: after journeys with production's hashing, then many requests."""

from __future__ import annotations

from pathlib import Path

import requests

from bench.report import Figure, Report, circumstances
from bench.walk import Place, Stopwatch, Walker, place

TARGET_MB, GROWTH_MB = 200, 10
ROUNDS, LIVES, REQUESTS = 5, 20, 20_000
QUICK_ROUNDS, QUICK_LIVES, QUICK_REQUESTS = 2, 2, 200
PRODUCTION = {"CONNECT_ARGON2_MEMORY_KIB": "19456", "CONNECT_ARGON2_PASSES": "2", "CONNECT_EMBEDDED_WORKER": "true"}
PATHS = ("/", "/cpx/login", "/help", "/jwks", "/.well-known/openid-configuration", "/nowhere")


def resident(pid: int) -> float:
    """Megabytes of a process that are in memory."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmRSS:")[2].split()[0]) / 1024


def peak(pid: int) -> float:
    """The most megabytes of a process that were in memory at once."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) / 1024


def _ask(at: Place, count: int) -> None:
    with requests.Session() as http:
        http.trust_env = False
        for number in range(count):
            http.get(at.issuer + PATHS[number % len(PATHS)], timeout=30)


def measure(*, quick: bool) -> Report:
    rounds, lives, count = (QUICK_ROUNDS, QUICK_LIVES, QUICK_REQUESTS) if quick else (ROUNDS, LIVES, REQUESTS)
    sizes: list[float] = []
    with place(**PRODUCTION) as at:
        web = at.start()
        started = resident(web)
        walker = Walker(at, Stopwatch(web))
        for _ in range(rounds):
            for _ in range(lives):
                walker.life()
            _ask(at, count)
            sizes.append(resident(web))
    report = Report("memory", circumstances(rounds=rounds, persons=lives, requests=count, argon2="19 MiB, 2 passes"))
    report.figures = [
        Figure("web process when started", "MB", [started]),
        Figure("web process after a round", "MB", sizes, TARGET_MB),
        Figure("growth from the first to the last round", "MB", [sizes[-1] - sizes[0]], GROWTH_MB),
    ]
    return report
