"""The threads of a web process that make answers are not interrupted by those that carry them."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest
import requests

from idp.web import precedence
from tests.support.ports import five_free_ports
from tests.support.served import granian, inside, installation

pytestmark = [
    pytest.mark.no_database,
    pytest.mark.skipif(sys.platform != "linux", reason="threads have a policy of their own only there"),
]


def policies(process: int) -> list[int]:
    return [os.sched_getscheduler(int(thread.name)) for thread in Path(f"/proc/{process}/task").iterdir()]


def test_whoever_carries_gives_way_to_whoever_computes(tmp_path: Path) -> None:
    issuer = f"http://localhost:{five_free_ports()}"
    environ = installation(tmp_path, issuer)
    with inside(environ):
        web = granian(environ, tmp_path / "web.log", None)
        try:
            (worker,) = map(int, Path(f"/proc/{web.pid}/task/{web.pid}/children").read_text().split())
            before = policies(worker).count(os.SCHED_OTHER)
            with ThreadPoolExecutor(8) as pool:
                list(pool.map(lambda _: requests.get(f"{issuer}/help", timeout=60).raise_for_status(), range(64)))
            found = policies(worker)
        finally:
            web.stop()
    assert os.SCHED_BATCH in found  # of the server, which began after the application
    assert before >= 1
    assert before <= found.count(os.SCHED_OTHER) <= before + 4  # those that answered, each found once


def test_a_thread_is_looked_at_once_and_a_place_that_forbids_it_is_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def refuse(_process: int, policy: int, _parameters: os.sched_param) -> None:
        asked.append(policy)
        raise PermissionError

    monkeypatch.setattr(os, "sched_setscheduler", refuse)
    both = Barrier(2)

    def answer_twice(_: int) -> None:
        both.wait()
        precedence.in_front()
        precedence.in_front()

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(answer_twice, range(2)))
    precedence.behind()
    assert asked == [os.SCHED_OTHER, os.SCHED_OTHER, os.SCHED_BATCH]
