"""How long the server takes for every page of the journeys and every call of a portal, password hashing apart."""

from __future__ import annotations

import statistics

from bench.report import Figure, Report, circumstances, percentile
from bench.walk import Stopwatch, Walker, place

TARGET_MS = 50
ROUNDS, LIVES = 5, 20
QUICK_ROUNDS, QUICK_LIVES = 2, 2


def measure(*, quick: bool) -> Report:
    rounds, lives = (QUICK_ROUNDS, QUICK_LIVES) if quick else (ROUNDS, LIVES)
    p95: dict[str, list[float]] = {}
    worked: dict[str, list[float]] = {}
    counts: dict[str, int] = {}
    with place() as at:
        web = at.start()
        walker = Walker(at, Stopwatch(web))
        walker.life()  # templates are compiled, connections are open
        for _ in range(rounds):
            walker.watch = Stopwatch(web)
            for _ in range(lives):
                walker.life()
            for kind, taken in walker.watch.taken.items():
                p95.setdefault(kind, []).append(percentile(taken, 0.95))
                worked.setdefault(kind, []).extend(walker.watch.worked[kind])
                counts[kind] = len(taken)
    report = Report("pages", circumstances(rounds=rounds, persons=lives, figures="p95", argon2="8 KiB, 1 pass"))
    for kind in sorted(p95, key=lambda kind: (kind[5:], kind)):
        work = statistics.median(worked[kind])
        report.figures.append(Figure(kind, "ms", p95[kind], TARGET_MS, counts[kind], work))
    return report
