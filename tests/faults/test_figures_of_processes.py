"""Two web processes and a worker count together: whoever is asked says the same; a killed one takes nothing along."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
import requests

from tests.support.canary_portals import add_portal_side
from tests.support.canary_run import Insured, World, invite, register, sign_in, world
from tests.support.figures import Figures
from tests.support.served import Process, granian
from tests.support.waiting import wait_until

pytestmark = pytest.mark.no_database

BY_SMS = Insured(
    "Quirinde", "Zyklamer", "quirinde.zyklamer@oberhorn.example.ch", "079 412 63 58", "756.9217.0769.85",
    "Quittengasse 417", "FUND-KEY-A7734", "geheime birnbäume im nebel",
)  # fmt: skip
DUTIES = {
    "mail", "sms", "logout", "webhook", "house", "audit", "imports", "letters", "codes", "verify", "exports", "log",
}  # fmt: skip
ASKED = 12  # connections of their own, so that both web processes answer some


@pytest.fixture
def two_and_a_worker(tmp_path: Path) -> Iterator[World]:
    with world(tmp_path) as made:
        web = granian(made.environ, tmp_path / "web.log", made.authority, "--workers", "2", "--respawn-failed-workers")
        made.processes = [web, Process(["idp.cli", "worker"], made.environ, tmp_path / "worker.log")]
        yield made


def children(pid: int) -> set[int]:
    return {int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()}


def scraped(made: World) -> Figures:
    return Figures.read(made.figures())


def total(seen: Figures, name: str, **labels: str) -> float:
    wanted = set(labels.items())
    return sum(value for (sample, given), value in seen.samples.items() if sample == name and wanted <= given)


def test_all_that_was_done_is_counted_once_whoever_did_it(two_and_a_worker: World) -> None:
    made = two_and_a_worker
    side = add_portal_side(made, "client_secret_basic")
    slug = side.portal.slug
    invite(made, side.portal, BY_SMS)
    browser = register(made, side.portal, BY_SMS, "sms")
    side.exchange(browser)
    browser.open(side.address(prompt="login"))
    sign_in(made, browser, BY_SMS)
    wait_until(lambda: total(scraped(made), "connect_outbox_messages") == 0)
    seen = scraped(made)
    assert seen.of("connect_sign_ins_total", portal=slug, factor="sms", outcome="signed_in") == 2
    assert seen.of("connect_sign_ins_total", portal=slug, factor="password", outcome="refused") == 1
    assert seen.of("connect_journeys_total", journey="registration", portal=slug, outcome="finished") == 1
    for outcome in ("refused", "proved"):
        step = {"journey": "registration", "step": "registration_code"}
        assert seen.of("connect_steps_total", outcome=outcome, **step) == 1
    assert seen.of("connect_token_answers_total", grant="code", portal=slug, outcome="issued") == 1
    assert seen.of("connect_messages_total", channel="sms", outcome="sent") == len(made.texts.asked)
    assert seen.of("connect_sms_gateway_total", gateway="provider", outcome="taken") == len(made.texts.asked)
    assert seen.of("connect_messages_total", channel="mail", outcome="sent") == len(made.mails.received)
    duties = {labels: value for (name, labels), value in seen.samples.items() if "duty_done" in name}
    assert {dict(labels)["duty"] for labels in duties} == DUTIES
    assert all(abs(time.time() - value) < 120 for value in duties.values())
    routes = ("connect_requests_total", "connect_sign_ins", "connect_token", "connect_steps", "connect_journeys")
    quiet = {key: value for key, value in seen.samples.items() if key[0].startswith(routes)}
    for _ in range(ASKED):  # both processes say the same
        again = scraped(made)
        for key, value in quiet.items():
            if ("route", "/metrics") not in key[1]:
                assert again.samples[key] == value, key
    assert len(list((made.folder / "metrics").glob("counter_*.db"))) >= 3
    leaked = made.canaries.find("\n".join(sorted(seen.labels())))
    assert leaked == []


@pytest.mark.long
def test_a_killed_process_takes_no_count_along(two_and_a_worker: World) -> None:
    made, pages = two_and_a_worker, 40
    for _ in range(pages):
        requests.get(f"{made.issuer}/help", verify=str(made.authority.file), timeout=30).raise_for_status()
    before = children(made.processes[0].pid)
    victim = min(before)
    os.kill(victim, signal.SIGKILL)
    wait_until(lambda: victim not in children(made.processes[0].pid))
    wait_until(lambda: len(children(made.processes[0].pid)) >= len(before))
    seen = Figures({})
    for _ in range(ASKED):  # a connection that the killed one had taken is lost
        with suppress(requests.RequestException):
            seen = scraped(made)
    assert total(seen, "connect_requests_total", route="/<any(help,terms,privacy,accessibility):name>") == pages
    assert not list((made.folder / "metrics").glob(f"*_{victim}.db"))
