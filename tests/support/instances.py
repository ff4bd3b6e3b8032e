"""Two instances of the whole application, each a process of its own, in which many clients do one thing at once.

They live as long as the test worker and are handed their database with every race, so that a race costs no start-up.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier as SharedBarrier
from threading import Barrier
from typing import Any

from flask import Flask

from idp.clock import FrozenClock
from idp.models.base import db
from idp.services.assembly import build_services
from idp.settings import Settings
from idp.web.log import configure as configure_log
from wsgi import create_app

INSTANCES = 2
PATIENCE_S = 120
PATIENCE_PER_CLIENT_S = 2  # they all share this machine

Job = Callable[[Flask, Any, int], Any]
"""What one client does: with its instance's application, the value of the round, and its own number."""


@dataclass(frozen=True)
class Race:
    environ: dict[str, str]
    at: datetime
    job: Job
    rounds: Sequence[Any]
    clients: range


class Instances:
    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._together = context.Barrier(INSTANCES)  # goes when nobody holds it, also for the others
        self._processes, self._pipes = [], []
        for _ in range(INSTANCES):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, self._together), daemon=True)
            process.start()
            theirs.close()
            self._processes.append(process)
            self._pipes.append(ours)

    def race(
        self, environ: dict[str, str], at: datetime, job: Job, rounds: Sequence[Any], clients: int = 64
    ) -> list[list[Any]]:
        """Round after round, let all clients start `job` in the same moment; what each got, by round.

        `job` is a function of a test module; what it raises counts as its answer, by name.
        """
        share = clients // INSTANCES
        self._together.reset()  # a race that broke off before is over
        for at_instance, pipe in enumerate(self._pipes):
            pipe.send(Race(environ, at, job, rounds, range(at_instance * share, (at_instance + 1) * share)))
        answers = [pipe.recv() for pipe in self._pipes]
        for answer in answers:
            if isinstance(answer, Exception):
                raise answer
        return [[result for part in parts for result in part] for parts in zip(*answers, strict=True)]

    def stop(self) -> None:
        for pipe in self._pipes:
            pipe.close()
        for process in self._processes:
            process.join(10)
            process.kill()


def _serve(pipe: Connection, together: SharedBarrier) -> None:
    """Run races until the tests are over, with the log of a server: a drawn traceback takes longer than its request."""
    configure_log("error")
    while True:
        try:
            race: Race = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(_run(race, together))
        except Exception as error:
            together.abort()
            pipe.send(RuntimeError(f"{type(error).__name__}: {error}"))


def _run(race: Race, together: SharedBarrier) -> list[list[Any]]:
    app = create_app(services=build_services(Settings.from_environ(race.environ), clock=FrozenClock(race.at)))
    patience = PATIENCE_S + PATIENCE_PER_CLIENT_S * len(race.clients)
    gate = Barrier(len(race.clients), action=lambda: _meet(together, patience), timeout=patience)

    def client(number: int) -> list[Any]:
        found = []
        for value in race.rounds:
            gate.wait()
            found.append(_try(race.job, app, value, number))
        return found

    with ThreadPoolExecutor(len(race.clients)) as pool:
        by_client = list(pool.map(client, race.clients))
    with app.app_context():
        db.engine.dispose()
    return [list(results) for results in zip(*by_client, strict=True)]


def _meet(together: SharedBarrier, patience: int) -> None:
    together.wait(patience)


def _try(job: Job, app: Flask, value: Any, number: int) -> Any:
    try:
        return job(app, value, number)
    except Exception as error:
        return type(error).__name__
