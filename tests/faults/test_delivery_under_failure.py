"""Many mails through a server that fails in every way: none is lost, and only an unsure one comes twice (R-07)."""

from __future__ import annotations

import random
import time
from collections import Counter
from datetime import timedelta

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models.portal import Portal
from idp.services import mail
from idp.services.bundle import Services
from idp.services.delivery import BACK_OFF
from tests.support.mail_server import Stage, playing
from tests.support.office import Office

MANNERS = (
    "well",
    "well",
    "well",
    "busy",
    "later",
    "cut before",
    "cut after",
    "kept and cut",
    "rude goodbye",
    "silence",
)
SETTLED = {"sent", "dead", "expired"}


class Unreliable:
    """A server that draws its manners for each connection; what it has really taken stands in `kept`."""

    def __init__(self, seed: int) -> None:
        self.kept: Counter[str] = Counter()
        self.unsure = 0  # taken, but the client could not know
        self._random = random.Random(seed)

    def __call__(self, stage: Stage) -> None:
        manners = self._random.choice(MANNERS)
        if manners == "busy":
            stage.say("421 too many connections")
            return
        if manners == "silence":
            stage.wait_for_the_end()
            return
        to = self._listen_to_the_recipient(stage)
        if manners == "later" or to.startswith("nobody"):
            stage.say("550 nobody of that name" if to.startswith("nobody") else "451 later")
            return
        stage.say("250 OK")
        if manners == "cut before":
            return
        stage.hear()
        stage.say("354 go on")
        while stage.hear() != "." and not stage.is_over:
            pass
        if manners == "cut after":
            return
        self.kept[to] += 1
        if manners == "kept and cut":
            self.unsure += 1
            return
        stage.say("250 kept")
        if manners != "rude goodbye":
            stage.hear()
            stage.say("221 bye")

    def _listen_to_the_recipient(self, stage: Stage) -> str:
        stage.say("220 mail.example.ch ESMTP")
        while not stage.is_over:
            line = stage.hear()
            if line.lower().startswith("rcpt to:"):
                return line.partition("<")[2].rstrip(">")
            stage.say("250 OK")
        return ""


@pytest.mark.in_turns("database")
@pytest.mark.parametrize("count", [40, pytest.param(1_000, marks=pytest.mark.long)])
def test_nothing_is_lost_and_only_an_unsure_mail_comes_twice(
    app: Flask, services: Services, environment: dict[str, str], portal: Portal, clock: FrozenClock,
    monkeypatch: pytest.MonkeyPatch, count: int,
) -> None:  # fmt: skip
    monkeypatch.setattr(mail, "TIMEOUT_S", 0.3)
    office, server = Office(app, services, environment, portal), Unreliable(count)
    right = {f"person{number}@example.ch" for number in range(count)}
    wrong = {f"nobody{number}@example.ch" for number in range(count // 20)}
    with playing(server) as (port, _):
        office.set(smtp_port=str(port))
        began = time.monotonic()
        for to in right | wrong:
            office.write(to)
        assert time.monotonic() - began < 0.05 * count + 5  # who asks for a mail waits for no mail server
        for _ in range(10 * count):
            waiting = [row.due_at for row in office.run() if row.state == "waiting"]
            if not waiting:
                break
            clock.advance(max(min(waiting) - clock.now(), timedelta(0)))
    rows = office.rows()
    assert {row.state for row in rows} == {"sent", "dead"}
    given_up = [row for row in rows if row.state == "dead" and row.tries > len(BACK_OFF)]
    assert sum(row.state == "dead" for row in rows) == len(wrong) + len(given_up)
    assert len(given_up) < count / 20
    assert len(right) - len(server.kept) <= len(given_up)  # they stand in the list of the dead, and nowhere less
    assert set(server.kept) <= right
    assert sum(server.kept.values()) - len(server.kept) <= server.unsure
