"""R-04, R-16, T-13: persons register and portals redeem codes while PostgreSQL crashes, stands still, fails over or is
cut off.

K1 to K3 hold afterwards, no thread piles up, and a worker that nobody started again delivers every mail.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session
from flask import Flask

from idp.models.base import db
from idp.models.portal import Portal
from idp.services import delivery
from idp.services.bundle import Services
from idp.services.delivery import Worker
from tests.actions import letter
from tests.support.bad_line import BadLine
from tests.support.builders import add_portal
from tests.support.fragile import Server
from tests.support.person import ISSUER
from tests.support.quick_apps import share_templates
from tests.support.registering import Crowd, check
from tests.support.relying_party import PORTAL_SECRET, RelyingParty
from tests.support.served import inside, installation
from tests.support.servers import free_port
from tests.support.waiting import wait_until
from wsgi import create_app

RECOVERS_WITHIN_S = 10
LETTERS = 40  # for each of the crowd and each fault: nobody may be out of work before it is over
LONGEST_S = 20  # a step that meets a server which stands still: an answer, a connection, and what follows
MOST_CONNECTIONS = 20
DELAY_S, LOSS = 0.2, 0.05  # each way
MAILS = 30
LIMITS = {  # they all come from one network
    "CONNECT_SENDS_PER_HOUR": "10000", "CONNECT_LETTER_CODES_PER_HOUR": "3000", "CONNECT_SIGN_INS_PER_HOUR": "10000",
    "CONNECT_HASHES_WAITING": "30",
}  # fmt: skip


@dataclass
class Place:
    """Two servers, the second of which follows the first, and an installation that knows both."""

    first: Server
    second: Server
    line: BadLine
    web: Flask
    bundle: Services
    portal: Portal

    @property
    def rp(self) -> RelyingParty:
        party = RelyingParty(self.web, self.portal.client_id, self.portal.redirect_uris[0], PORTAL_SECRET)
        db.session.rollback()
        return party

    def letters(self, count: int) -> list[str]:
        codes = [letter(self.bundle, self.portal, f"P-{time.monotonic_ns()}-{at}") for at in range(count)]
        db.session.rollback()
        return codes

    def recovery(self) -> float:
        """How long it takes from now on until requests may come again."""
        began = time.monotonic()
        wait_until(self._is_ready, RECOVERS_WITHIN_S)
        return time.monotonic() - began

    def _is_ready(self) -> bool:
        return self.web.test_client().get("/readyz", base_url=ISSUER).status_code == 200


@pytest.fixture
def place(run_folder: Path, tmp_path: Path) -> Iterator[Place]:
    first = Server.new(run_folder / f"{tmp_path.parent.name}-{tmp_path.name}-1")
    second = first.replica(run_folder / f"{tmp_path.parent.name}-{tmp_path.name}-2")
    first.follow_synchronously()
    with BadLine(first.port) as line:
        url = first.url(second, through=line.port)
        changes = {"CONNECT_DATABASE_URL": url, "CONNECT_SMTP_PORT": str(free_port())}
        environ = installation(tmp_path, ISSUER, **changes, **LIMITS)
        with inside(environ) as bundle:
            portal = add_portal(client_secret_hash=bundle.vault.mac("client-secret", PORTAL_SECRET))
            web = create_app(services=bundle)
            share_templates(web)
            yield Place(first, second, line, web, bundle, portal)
            db.session.rollback()
            with web.app_context():
                db.engine.dispose()
    for server in (first, second):
        server.stop()


def crash(place: Place, lasts_s: float) -> None:
    place.first.stop()
    time.sleep(lasts_s)
    place.first.start()


def restart(place: Place, lasts_s: float) -> None:
    place.first.stop("fast")
    time.sleep(lasts_s)
    place.first.start()


def freeze(place: Place, lasts_s: float) -> None:
    with place.first.frozen():
        time.sleep(lasts_s)


def fill(place: Place, lasts_s: float) -> None:
    with place.first.full():
        time.sleep(lasts_s)


def cut(place: Place, lasts_s: float) -> None:
    with place.line.cut():
        time.sleep(lasts_s)


def slow_down(place: Place, lasts_s: float) -> None:
    with place.line.bad(delay_s=DELAY_S, loss=LOSS):
        time.sleep(lasts_s)


def fail_over(place: Place, lasts_s: float) -> None:
    """The first server is gone for good."""
    place.first.stop()
    time.sleep(lasts_s)
    place.second.promote()


def under_load(place: Place, faults: list[Callable[[Place, float], None]], lasts_s: float, clients: int) -> list[float]:
    """One fault after another, with a breath between; how long each recovery took."""
    took, rp = [], place.rp
    with Crowd(place.web, rp, place.letters(LETTERS * clients * len(faults)), clients) as crowd:

        def somebody_arrives() -> None:
            met = len(crowd.journal.registered)
            wait_until(lambda: len(crowd.journal.registered) > met, 90)

        for fault in faults:
            somebody_arrives()
            fault(place, lasts_s)
            took.append(place.recovery())
        somebody_arrives()
    longest = max(crowd.journal.waited)
    assert longest > 4 * DELAY_S if faults == [slow_down] else crowd.journal.unavailable, "nobody met it"
    assert longest < LONGEST_S
    check(crowd.journal)
    return took


def test_nothing_is_lost_or_half_done_when_the_server_crashes_and_another_takes_over(place: Place) -> None:
    under_load(place, [crash, fail_over], 0.5, clients=2)


def test_no_thread_stands_before_a_line_that_is_cut(place: Place) -> None:
    """Twelve at once: the first ones wait for an answer, everybody after them is told at once."""

    def ask(_: int) -> tuple[int, float]:
        began = time.monotonic()
        answer = place.web.test_client().get("/cpx/login", base_url=ISSUER)
        return answer.status_code, time.monotonic() - began

    with ThreadPoolExecutor(12) as pool:
        assert {status for status, _ in pool.map(ask, range(12))} == {303}
        with place.line.cut():
            at_first, afterwards = list(pool.map(ask, range(12))), list(pool.map(ask, range(120)))
            assert place.line.open_count <= MOST_CONNECTIONS
        assert place.recovery() < RECOVERS_WITHIN_S
        assert {status for status, _ in pool.map(ask, range(12))} == {303}
    assert {status for status, _ in (*at_first, *afterwards)} == {503}
    assert max(took for _, took in (*at_first, *afterwards)) < LONGEST_S
    assert sum(took for _, took in afterwards) < sum(took for _, took in at_first)


class Postman:
    """A mail server that counts what it was given, by recipient."""

    def __init__(self) -> None:
        self.kept: Counter[str] = Counter()

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:
        self.kept[envelope.rcpt_tos[0]] += 1
        return "250 kept"


@contextmanager
def at_work(place: Place, postman: Postman) -> Iterator[None]:
    """The mail server, and a worker that is started once."""
    port, stop = place.bundle.settings.smtp_port, threading.Event()
    controller = Controller(postman, hostname="localhost", port=port)
    controller.start()
    worker = threading.Thread(target=Worker(place.web).run_forever, args=(stop,))
    worker.start()
    yield
    stop.set()
    worker.join(30)
    controller.stop()
    assert not worker.is_alive()


@pytest.mark.parametrize(
    "faults", [[crash, fail_over], pytest.param([freeze, fill, restart, cut], marks=pytest.mark.long)]
)
def test_a_worker_goes_on_by_itself(
    place: Place, monkeypatch: pytest.MonkeyPatch, faults: list[Callable[[Place, float], None]]
) -> None:
    monkeypatch.setattr(delivery, "LEASE", timedelta(seconds=3))
    postman, written = Postman(), list[str]()
    with at_work(place, postman):
        for fault in faults:
            met = postman.kept.total()
            written += write(place, len(written))
            wait_until(lambda met=met: postman.kept.total() > met)  # type: ignore[misc]
            fault(place, 1)
            place.recovery()
            written += write(place, len(written))
            wait_until(lambda: set(postman.kept) == set(written), 2 * RECOVERS_WITHIN_S)  # noqa: B023
    assert postman.kept.total() <= len(written) + len(faults)  # those that were on their way


def write(place: Place, start: int) -> list[str]:
    """Mails to persons of these numbers."""
    to = [f"person{number}@example.ch" for number in range(start, start + MAILS)]
    for address in to:
        values = {"code": "123456", "time": "14:30"}
        place.bundle.outbox.mail("code", to=address, language="fr", portal=place.portal, values=values)
    db.session.commit()
    return to


ALL = {
    "crash": crash, "restart": restart, "freeze": freeze, "full": fill, "cut": cut, "slow and lossy": slow_down,
    "fail over": fail_over,
}  # fmt: skip


@pytest.mark.long
@pytest.mark.parametrize("fault", ALL)
def test_half_a_minute_of_each_fault_under_load(place: Place, fault: str) -> None:
    assert max(under_load(place, [ALL[fault]], 30, clients=4)) < RECOVERS_WITHIN_S


@pytest.mark.long
def test_twenty_crashes_and_how_long_each_recovery_took(place: Place) -> None:
    took = under_load(place, [crash, restart] * 10, 0.5, clients=6)
    assert len(took) == 20
    assert statistics.median(took) < 2
    assert max(took) < RECOVERS_WITHIN_S
