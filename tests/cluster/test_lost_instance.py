"""R-08, T-13: an instance or a worker is killed, or hangs; others answer, and only what was on its way is lost."""

from __future__ import annotations

import os
import signal
import time
from statistics import median

import pytest

from examples.cluster.instance import Instance
from tests.cluster.crowd import Asking, failed
from tests.cluster.site import Site, sockets, to_database
from tests.support.waiting import wait_until

AT_ONCE = 5  # at 50 requests a second
OUT_WITHIN_S, ANSWERS_WITHIN_S, REPLACED_WITHIN_S = 10.0, 5.0, 2.0
IN_FLIGHT_S = 0.1  # until the processes are gone
KILLS = pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.long)])


@KILLS
def test_a_killed_instance_takes_along_what_was_on_its_way_alone(site: Site, times: int) -> None:
    back: list[float] = []
    for number in range(times):
        victim = site.instances[number % 2]
        assert victim.program is not None
        with Asking(site, AT_ONCE).going_on() as asked:
            time.sleep(0.5)
            killed = time.monotonic()
            victim.program.kill()
            time.sleep(1)
            began = time.monotonic()
            victim.start()
            back.append(time.monotonic() - began)
            time.sleep(0.5)
        lost = failed(asked)
        assert len(lost) <= AT_ONCE
        assert all(one.begun <= killed + IN_FLIGHT_S and one.method == "POST" for one in lost), lost
    if times > 1:  # where nobody else uses the machine
        assert median(back) < ANSWERS_WITHIN_S, back


def worker_of(site: Site, instance: Instance) -> int:
    """One that answers, of which the database knows."""
    assert instance.program is not None
    connections = to_database(site)
    return next(pid for pid in instance.program.children() if sockets(pid) & connections)


@KILLS
def test_a_killed_worker_takes_along_what_was_on_its_way_alone_and_another_takes_its_place(
    site: Site, times: int
) -> None:
    back: list[float] = []
    for number in range(times):
        instance = site.instances[number % 2]
        with Asking(site, AT_ONCE).going_on() as asked:
            time.sleep(0.5)
            killed = time.monotonic()
            os.kill(worker_of(site, instance), signal.SIGKILL)
            wait_until(lambda: instance.listening() < instance.workers)  # noqa: B023
            wait_until(lambda: instance.listening() == instance.workers)  # noqa: B023
            back.append(time.monotonic() - killed)
            time.sleep(0.5)
        lost = failed(asked)
        assert len(lost) <= AT_ONCE
        assert all(one.begun <= killed + IN_FLIGHT_S and one.method == "POST" for one in lost), lost
    if times > 1:
        assert median(back) < REPLACED_WITHIN_S, back


@pytest.mark.parametrize("times", [1, pytest.param(10, marks=pytest.mark.long)])
def test_an_instance_that_hangs_is_left_out_within_ten_seconds(site: Site, times: int) -> None:
    for number in range(times):
        if number:
            time.sleep(OUT_WITHIN_S)  # nginx tries the last one again
        victim = site.instances[number % 2]
        assert victim.program is not None
        with Asking(site, AT_ONCE).going_on() as asked:
            time.sleep(0.5)
            victim.program.signal(signal.SIGSTOP)
            hung = time.monotonic()
            try:
                time.sleep(OUT_WITHIN_S + 2)
            finally:
                victim.program.signal(signal.SIGCONT)
        lost, slow = failed(asked), [one for one in asked if one.took > 2]
        assert {one.method for one in lost} <= {"POST"}, lost
        assert slow, "nobody noticed that it hung"
        assert len(slow) <= AT_ONCE  # each of those who ask met it once
        assert all(one.begun < hung + OUT_WITHIN_S for one in slow)
