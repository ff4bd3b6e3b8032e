"""How long the web process takes from its start to its first answer, on a database that is up to date."""

from __future__ import annotations

import statistics
import time

from bench.report import Figure, Report, circumstances, processor_ms
from bench.walk import place

TARGET_S = 2
ROUNDS, QUICK_ROUNDS = 7, 2


def measure(*, quick: bool) -> Report:
    rounds = QUICK_ROUNDS if quick else ROUNDS
    taken: list[float] = []
    worked: list[float] = []
    with place() as at:
        for _ in range(rounds):
            began = time.perf_counter()
            web = at.start()
            taken.append(time.perf_counter() - began)
            worked.append((processor_ms(web) + processor_ms(at.main)) / 1000)
            at.stop()
    figure = Figure("start to first answer", "s", taken, TARGET_S, processor=statistics.median(worked))
    return Report("start", circumstances(rounds=rounds), [figure])
