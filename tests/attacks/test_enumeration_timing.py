"""F-09: how long an answer takes tells nobody who has an account or a letter, nor does the work that is done for it.

The area under the ROC curve is how often a stranger who must say which of two answers was for somebody is right: one
half for whoever only guesses. With 5,000 answers a kind its sampling error is 0.0058, so 0.02 is three and a half.
"""

from __future__ import annotations

import http.client
import random
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import argon2
import pytest
from flask import Flask
from sqlalchemy import Engine, event
from sqlalchemy.orm import Mapper

from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.builders import add_portal
from tests.support.person import ISSUER
from tests.support.ports import five_free_ports
from tests.support.probes import KNOWN, PROBES, UNKNOWN, Form, World, add_owners
from tests.support.served import granian, inside, installation

SAMPLES, WARM_UP = 5_000, 200
MOST_TELLING = 0.02
Probe = Callable[[World, int, range], list[Form]]


def named(probe: Probe) -> str:
    return probe.__name__.replace("_", "-")


def filled(services: Services, form: Form, number: int) -> tuple[str, str, dict[str, str]]:
    """Address, body and headers of a form that is sent for the first time, by a network of its own."""
    where, fields = form
    body = urlencode({"csrf_token": services.vault.mac("csrf", where.secret), "nonce": f"n{number:08}", **fields})
    headers = {
        "Content-Type": "application/x-www-form-urlencoded", "Cookie": f"connect_browser={where.secret}",
        "X-Forwarded-For": f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}",
    }  # fmt: skip
    return where.address, body, headers


@contextmanager
def work() -> Iterator[list[str]]:
    """Every statement, every hash and every record made of a row in the block."""
    done: list[str] = []
    verify, hashed = argon2.PasswordHasher.verify, argon2.PasswordHasher.hash

    def note(_c: Any, _cursor: Any, statement: str, *_: Any) -> None:
        done.append(statement)

    def loaded(target: object, _context: object) -> None:
        done.append(f"read a {type(target).__name__}")

    def noted(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def run(*given: Any) -> Any:
            done.append(name)
            return real(*given)

        return run

    event.listen(Engine, "before_cursor_execute", note)
    event.listen(Mapper, "load", loaded)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(argon2.PasswordHasher, "verify", noted("verify a hash", verify))
        patch.setattr(argon2.PasswordHasher, "hash", noted("make a hash", hashed))
        try:
            yield done
        finally:
            event.remove(Engine, "before_cursor_execute", note)
            event.remove(Mapper, "load", loaded)


@pytest.mark.parametrize("probe", PROBES, ids=named)
def test_the_same_statements_hashes_and_records_answer_for_everybody(
    web: Flask, services: Services, portal: Portal, probe: Probe
) -> None:
    world = World(services, portal, add_portal("fon"))
    add_owners(world, 3)
    forms = {kind: probe(world, kind, range(3)) for kind in (KNOWN, UNKNOWN)}
    db.session.commit()
    seen: dict[int, list[list[str]]] = {KNOWN: [], UNKNOWN: []}
    for at in range(3):
        for kind in (KNOWN, UNKNOWN):
            where, body, headers = filled(services, forms[kind][at], at)
            environ = {"REMOTE_ADDR": headers.pop("X-Forwarded-For")}
            client = web.test_client(use_cookies=False)
            with work() as done:
                answer = client.post(
                    where, data=body, headers={**headers, "Origin": ISSUER}, base_url=ISSUER, environ_base=environ
                )
            assert answer.status_code == 303
            seen[kind].append(list(done))
            db.session.rollback()
    assert len(seen[KNOWN][1]) > 5
    for known, unknown in zip(seen[KNOWN][1:], seen[UNKNOWN][1:], strict=True):  # the first ones compile and cache
        assert known == unknown


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, World]]:
    """One web process, and 5,000 accounts."""
    folder = Path(tmp_path_factory.mktemp("timing"))
    issuer = f"http://localhost:{five_free_ports()}"
    plenty = dict.fromkeys(("SIGN_INS_PER_HOUR", "LETTER_CODES_PER_HOUR", "SENDS_PER_HOUR"), "100000000")
    environ = installation(
        folder, issuer, CONNECT_TRUSTED_PROXIES="1", **{f"CONNECT_{name}": value for name, value in plenty.items()}
    )
    with inside(environ) as services:
        world = World(services, add_portal(), add_portal("fon"))
        add_owners(world, SAMPLES + WARM_UP)
        web = granian(environ, folder / "web.log", None, "--log-level", "warning")
        yield issuer, world
        web.stop()


def ask(line: http.client.HTTPConnection, issuer: str, given: tuple[str, str, dict[str, str]]) -> float:
    """Seconds from the question to the whole answer, on a connection that stays open."""
    where, body, headers = given
    began = time.perf_counter()
    line.request("POST", where, body, {**headers, "Origin": issuer, "Host": issuer.partition("//")[2]})
    answer = line.getresponse()
    answer.read()
    spent = time.perf_counter() - began
    assert answer.status == 303, answer.status
    return spent


def area(known: list[float], unknown: list[float]) -> float:
    """How often an answer for somebody took longer than one for nobody; ties count half."""
    ranked = sorted([(value, KNOWN) for value in known] + [(value, UNKNOWN) for value in unknown])
    total, at = 0.0, 0
    while at < len(ranked):
        end = at
        while end < len(ranked) and ranked[end][0] == ranked[at][0]:
            end += 1
        total += sum(kind == KNOWN for _, kind in ranked[at:end]) * (at + end + 1) / 2
        at = end
    return (total - len(known) * (len(known) + 1) / 2) / (len(known) * len(unknown))


def test_the_area_is_what_it_is_said_to_be() -> None:
    assert area([3, 4], [1, 2]) == 1
    assert area([1, 2], [3, 4]) == 0
    assert area([1, 2, 3], [1, 2, 3]) == 0.5
    assert area([1, 1, 3], [1, 2]) == (0.5 + 0 + 0.5 + 0 + 1 + 1) / 6


@pytest.mark.long
@pytest.mark.parametrize("probe", PROBES, ids=named)
def test_five_thousand_answers_of_each_kind_cannot_be_told_apart(served: tuple[str, World], probe: Probe) -> None:
    issuer, world = served
    numbers = range(SAMPLES + WARM_UP)
    forms = {kind: probe(world, kind, numbers) for kind in (KNOWN, UNKNOWN)}
    db.session.commit()
    order = random.Random(probe.__name__)
    taken: dict[int, list[float]] = {KNOWN: [], UNKNOWN: []}
    with closing(http.client.HTTPConnection("127.0.0.1", int(issuer.rpartition(":")[2]), timeout=60)) as line:
        for number in numbers:
            for kind in order.sample((KNOWN, UNKNOWN), 2):
                given = filled(world.services, forms[kind][number], number)
                taken[kind].append(ask(line, issuer, given))
    found = area(taken[KNOWN][WARM_UP:], taken[UNKNOWN][WARM_UP:])
    assert abs(found - 0.5) < MOST_TELLING, found
