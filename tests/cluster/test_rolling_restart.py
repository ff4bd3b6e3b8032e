"""R-09, R-18: the instances are restarted one after the other while people sign in, and nobody notices."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import combinations
from threading import Thread

import pytest
import requests
from sqlalchemy import Connection
from sqlalchemy import text as sql

from examples.cluster.instance import Instance
from idp.models.base import db
from idp.models.portal import Portal
from tests.cluster.crowd import SignIns
from tests.cluster.site import Site, sockets, to_database
from tests.support.portal_client import issue_code
from tests.support.waiting import wait_until

ARRIVE_WITHIN_S = 600
WAITS_S = 2.0  # of the four seconds after which who waits for a lock is given up


def takes_another(instance: Instance) -> bool:
    """Asked with little patience: the lock that is held meanwhile is waited for by somebody."""
    try:
        return requests.get(f"http://127.0.0.1:{instance.port}/livez", timeout=0.5).ok
    except requests.RequestException:
        return False


def waiting(holder: Connection) -> int:
    """How many statements wait for a lock."""
    return holder.scalar(sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")) or 0


def processes(site: Site) -> Iterator[int]:
    """Of the instances and of the worker, those that began others among them."""
    worker = site.cluster.worker
    for program in (worker, *(instance.program for instance in site.instances)):
        assert program is not None
        yield program.pid
        yield from program.children()


def check_connections(site: Site) -> None:
    """Each process has its own; whoever began others has none that they could have taken over."""
    connections = to_database(site)
    held = {pid: sockets(pid) & connections for pid in processes(site)}
    assert sum(map(bool, held.values())) >= len(site.instances)
    assert not any(one & other for one, other in combinations(held.values(), 2))
    assert not any(held[instance.program.pid] for instance in site.instances if instance.program)


def restart_under(site: Site, sign_ins: SignIns, restarts: int) -> None:
    """All instances so many times, from the first of those who sign in to the last tenth of them."""
    everybody = sign_ins.left
    for done in range(restarts):
        wait_until(lambda: sign_ins.left <= everybody * (1 - done / restarts), ARRIVE_WITHIN_S)  # noqa: B023
        assert sign_ins.left
        site.cluster.rolling_restart()
        check_connections(site)


@pytest.mark.parametrize(
    ("restarts", "persons", "at_once"),
    [(1, 24, 2), pytest.param(10, 5_000, 6, marks=pytest.mark.long, id="five-thousand")],
)
def test_nobody_who_signs_in_notices_that_the_instances_are_restarted(
    site: Site, restarts: int, persons: int, at_once: int
) -> None:
    old = set(processes(site))
    sign_ins = SignIns(site, site.new_emails(persons), at_once)
    with sign_ins.going_on() as seen:
        restart_under(site, sign_ins, restarts)
    assert (seen.finished, seen.failures, seen.errors) == (persons, [], 0)
    assert len(set(processes(site)) - old) >= len(site.instances)
    assert len(set(seen.ids)) == len(seen.ids)


def test_an_instance_that_is_emptied_gets_nothing_more_and_ends_when_it_has_answered(site: Site) -> None:
    token = site.redeem(issue_code(site.services, db.session.get_one(Portal, site.portal.id))).json()["refresh_token"]
    first, errors = site.instances[0], site.cluster.folder / "nginx.error.log"
    before = errors.read_text()
    first.drain.touch()
    try:
        assert first.readiness()["status"] == "draining"
        with db.engine.connect() as holder, ThreadPoolExecutor(1) as pool:
            holder.execute(sql("LOCK TABLE refresh_token IN ACCESS EXCLUSIVE MODE"))
            held = pool.submit(site.refresh, token, first)
            wait_until(lambda: waiting(holder) == 1)
            ending = Thread(target=first.end)
            ending.start()
            deadline = time.monotonic() + WAITS_S
            while takes_another(first) and time.monotonic() < deadline:
                time.sleep(0.1)
            holder.rollback()
            assert held.result().status_code == 200
        ending.join()
        assert not takes_another(first)
        for _ in range(6):
            assert site.post("/introspect", token="x").status_code == 200
    finally:
        first.start()
    assert errors.read_text() == before, "nginx looked for it"
