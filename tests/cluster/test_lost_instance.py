"""R-08, T-13: an instance or a worker is killed, or hangs; others answer, and only what was on its way is lost.

How soon one is back is counted in what it computes until then, for others may use the machine.
"""

from __future__ import annotations

import os
import signal
import time
from statistics import median

import pytest

from examples.cluster.instance import Instance
from tests.cluster.crowd import Asked, Asking, failed
from tests.cluster.site import Site, computed_s, sockets, to_database
from tests.support.waiting import wait_until

AT_ONCE = 5  # at 50 requests a second
OUT_WITHIN_S, ANSWERS_WITHIN_S, REPLACED_WITHIN_S = 10.0, 5.0, 2.0
RESPAWNED_AFTER_S = 0.5  # as the instance tells granian
YOUNG_FOR_S = 6.0  # whose worker dies sooner after its start, that instance ends: granian takes it to be broken
FAILURES = 3  # after which nginx leaves an instance out
IN_FLIGHT_S = 0.1  # what nginx had just passed on when the processes were gone
KILLS = pytest.mark.parametrize("times", [1, pytest.param(20, marks=pytest.mark.long)])


def check_lost(asked: list[Asked], gone: float) -> None:
    """No more than what was on its way, nothing that may be sent twice, and nothing that was asked later."""
    lost = failed(asked)
    assert len(lost) <= AT_ONCE, lost
    assert all(one.begun <= gone + IN_FLIGHT_S and one.method == "POST" for one in lost), lost


def own_children(instance: Instance) -> set[int]:
    assert instance.program is not None
    return set(instance.program.children())


@pytest.mark.parametrize("times", [2, pytest.param(20, marks=pytest.mark.long)])
def test_a_killed_instance_takes_along_what_was_on_its_way_alone(site: Site, times: int) -> None:
    """In turns and at once: while nginx still leaves out the one that is back, the other one is killed."""
    back: list[float] = []
    for number in range(times):
        victim = site.instances[number % 2]
        assert victim.program is not None
        with Asking(site, AT_ONCE).going_on() as asked:
            time.sleep(0.5)
            victim.program.kill()
            wait_until(lambda: not victim.listening())  # noqa: B023
            gone = time.monotonic()
            time.sleep(1)
            victim.start()
            back.append(computed_s(victim.program.pid) + max(map(computed_s, own_children(victim))))
            time.sleep(0.5)
        check_lost(asked, gone)
    if times > 2:
        assert median(back) < ANSWERS_WITHIN_S, back


def worker_of(site: Site, instance: Instance) -> int:
    """One that answers, of which the database knows."""
    connections = to_database(site)
    return next(pid for pid in own_children(instance) if sockets(pid) & connections)


@KILLS
def test_a_killed_worker_takes_along_what_was_on_its_way_alone_and_another_takes_its_place(
    site: Site, times: int
) -> None:
    back: list[float] = []
    for number in range(times):
        instance = site.instances[number % 2]
        with Asking(site, AT_ONCE).going_on() as asked:
            time.sleep(0.5)
            before = own_children(instance)
            os.kill(worker_of(site, instance), signal.SIGKILL)
            wait_until(lambda: instance.listening() < instance.workers)  # noqa: B023
            gone = time.monotonic()
            wait_until(lambda: instance.listening() == instance.workers, within_s=60)  # noqa: B023
            back.append(RESPAWNED_AFTER_S + max(map(computed_s, own_children(instance) - before)))
            time.sleep(0.5)
        check_lost(asked, gone)
        if times > 1:
            time.sleep(YOUNG_FOR_S / 2)  # two instances take turns
    if times > 1:
        assert median(back) < REPLACED_WITHIN_S, back


@pytest.mark.parametrize("times", [1, pytest.param(10, marks=pytest.mark.long)])
def test_an_instance_that_hangs_is_left_out_within_ten_seconds(site: Site, times: int) -> None:
    for number in range(times):
        if times > 1:
            time.sleep(OUT_WITHIN_S)  # nginx tries again whom it left out before
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
        assert len(slow) <= AT_ONCE + FAILURES - 1  # each met it once, or again before the last one failed
        assert all(one.begun < hung + OUT_WITHIN_S for one in slow)
