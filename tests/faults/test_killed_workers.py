"""Workers that are killed while they hand over a mail: nothing is lost, and only what was in flight comes twice (R-07).

The workers are processes of their own, and the mail server itself kills the one whose mail it is taking: before it
has kept it, or after, when the worker cannot know.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Flask
from sqlalchemy import func, select

from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.servers import free_port
from tests.support.waiting import wait_until

ROOT = Path(__file__).resolve().parents[2]
LEASE_S = 2
PERSONS = 8  # who are written to in turns


class Killer:
    """A mail server that keeps what it is given, in order, and at some mails kills whoever hands them over."""

    def __init__(self, kills: dict[int, str]) -> None:
        self.kept: list[tuple[str, int]] = []  # recipient and number of the mail
        self.lost: set[tuple[str, int]] = set()  # killed before they were kept
        self.unsure: set[tuple[str, int]] = set()  # kept, and killed before it was said
        self.workers: list[subprocess.Popen[bytes]] = []
        self._kills, self._taken = kills, 0

    async def handle_DATA(self, _server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        assert isinstance(session.peer, tuple)
        mail = (envelope.rcpt_tos[0], number_of(envelope.content))
        self._taken += 1
        when = self._kills.get(self._taken)
        if when == "before":
            self.lost.add(mail)
            self._kill(session.peer[1])
            return "451 nobody hears this"
        self.kept.append(mail)
        if when == "after":
            self.unsure.add(mail)
            self._kill(session.peer[1])
        return "250 kept"

    def _kill(self, port: int) -> None:
        """SIGKILL the worker that speaks from this port."""
        owner = next(worker for worker in self.workers if worker.poll() is None and speaks_from(worker.pid, port))
        owner.send_signal(signal.SIGKILL)
        owner.wait(10)


def number_of(content: bytes) -> int:
    found = next(line for line in content.decode().splitlines() if line.startswith("Subject:"))
    return int("".join(filter(str.isdigit, found)))


def speaks_from(pid: int, port: int) -> bool:
    """Whether a socket of this process has this local port."""
    inodes = {
        line.split()[9]
        for line in Path("/proc/net/tcp").read_text().splitlines()[1:]
        if int(line.split()[1].partition(":")[2], 16) == port
    }
    for descriptor in Path(f"/proc/{pid}/fd").iterdir():
        try:
            if str(descriptor.readlink()).removeprefix("socket:[").rstrip("]") in inodes:
                return True
        except FileNotFoundError:  # closed since
            continue
    return False


@contextmanager
def at_work(count: int, killer: Killer, environment: dict[str, str], tmp_path: Path) -> Iterator[Callable[[], None]]:
    """A mail server and so many workers; gives a function that starts one more."""
    controller = Controller(killer, hostname="127.0.0.1", port=free_port())
    controller.start()
    environ = {**environment, "PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT)}
    environ["CONNECT_SMTP_PORT"] = str(controller.port)
    command = [sys.executable, "-m", "tests.support.hasty", str(LEASE_S), "worker"]

    def start() -> None:
        with (tmp_path / f"worker-{len(killer.workers)}.log").open("wb") as log:
            killer.workers.append(subprocess.Popen(command, env=environ, cwd=tmp_path, stdout=log, stderr=log))

    try:
        for _ in range(count):
            start()
        yield start
    finally:
        for worker in killer.workers:
            worker.send_signal(signal.SIGTERM)
        for worker in killer.workers:
            worker.wait(30)
        controller.stop()


def write(services: Services, portal: Portal, numbers: range) -> list[tuple[str, int]]:
    """One mail a number, to the persons in turns."""
    mails = [(f"person{number % PERSONS}@example.ch", number) for number in numbers]
    for to, number in mails:
        values = {"code": f"{number:06}", "time": "14:30"}
        services.outbox.mail("code", to=to, language="fr", portal=portal, values=values)
    db.session.commit()
    return mails


def all_are(*states: str) -> bool:
    db.session.rollback()
    others = select(func.count()).select_from(OutboxMessage).where(OutboxMessage.state.not_in(states))
    return db.session.scalar(others) == 0


def check(killer: Killer, written: list[tuple[str, int]]) -> None:
    """Each mail came, and twice only where the worker died before it heard that the first one was kept."""
    arrived = Counter(killer.kept)
    assert set(arrived) == set(written), "lost"
    assert {mail: times for mail, times in arrived.items() if times > 1} == dict.fromkeys(killer.unsure, 2)
    killed = sum(worker.poll() == -signal.SIGKILL for worker in killer.workers)
    assert len(killer.lost) + len(killer.unsure) == killed


def test_every_mail_arrives_only_what_was_in_flight_twice_and_one_worker_keeps_the_order(
    app: Flask, services: Services, environment: dict[str, str], portal: Portal, tmp_path: Path
) -> None:
    killer = Killer({10: "before", 25: "after", 70: "before"})
    written = write(services, portal, range(60))
    with at_work(3, killer, environment, tmp_path) as start_another:
        wait_until(lambda: all_are("sent"), within_s=60)
        check(killer, written)
        assert len(killer.lost) == len(killer.unsure) == 1
        came = len(killer.kept)
        alone = write(services, portal, range(60, 84))
        wait_until(lambda: len(killer.lost) == 2, within_s=60)
        start_another()
        wait_until(lambda: all_are("sent"), within_s=60)
        check(killer, written + alone)
    assert [worker.returncode for worker in killer.workers].count(-signal.SIGKILL) == 3
    assert [mail for mail in killer.kept[came:] if mail not in killer.lost] == [
        mail for mail in alone if mail not in killer.lost
    ]  # what was in flight comes when its lease has ended


@pytest.mark.long
def test_many_kills_among_a_thousand_mails(
    app: Flask, services: Services, environment: dict[str, str], portal: Portal, tmp_path: Path
) -> None:
    mails, workers = 1_000, 4
    kills = {at: "before" if at % 100 else "after" for at in range(50, mails, 50)}
    killer, written = Killer(kills), write(services, portal, range(mails))
    with at_work(workers, killer, environment, tmp_path) as start_another:

        def is_done() -> bool:
            if sum(worker.poll() is None for worker in killer.workers) < workers:
                start_another()
            return all_are("sent")

        wait_until(is_done, within_s=600)
        check(killer, written)
        assert len(killer.lost) + len(killer.unsure) == len(kills)
