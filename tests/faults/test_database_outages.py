"""R-04, T-13: PostgreSQL crashes, stands still, is full, only reads, or fails over, under a process that goes on.

Meanwhile every route answers 503 with Retry-After, or does what needs no database; nothing waits long; and soon after
the database is back everything works, without a restart.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from idp.models.base import db
from tests.actions import PASSWORD, finish_registration, letter
from tests.attacks.test_every_cell import VALUES
from tests.house.test_routes import SAMPLES
from tests.support.builders import add_portal
from tests.support.fragile import Server
from tests.support.person import ISSUER, Person
from tests.support.quick_apps import share_templates
from tests.support.relying_party import PORTAL_SECRET, RelyingParty
from tests.support.served import inside, installation
from tests.support.waiting import wait_until
from wsgi import create_app

RECOVERS_WITHIN_S = 10
RETRY_AFTER = {"1", "10"}
LONGEST_S = 12  # an answer that does not come, and then no connection
LEAKS = ("psycopg", "sqlalchemy", "traceback", "127.0.0.1", "select ", "sqlstate", "postgresql")
EMAIL = "helene@example.ch"


@contextmanager
def stopped(server: Server) -> Iterator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


FAULTS: dict[str, Callable[[Server], AbstractContextManager[None]]] = {
    "crashed": stopped,
    "full": Server.full,
    "only reading": Server.reading_only,
    "frozen": Server.frozen,
}


@dataclass
class World:
    server: Server
    web: Flask
    owner: Person  # is signed in

    def stranger(self) -> Person:
        """Somebody who is about to sign in."""
        person = Person(self.web)
        person.open("/cpx/login")
        return person

    def redeem(self) -> TestResponse:
        return RelyingParty(self.web, "client-cpx", "https://cpx.example.ch/callback", PORTAL_SECRET).redeem(
            "cc_code_x"
        )

    def is_ready(self) -> bool:
        return self.web.test_client().get("/readyz", base_url=ISSUER).status_code == 200


@pytest.fixture(scope="module")
def world(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A server of its own, in the run's folder that the database's user may enter."""
    folder = tmp_path_factory.mktemp("outages")
    server = Server.new(run_folder / f"{folder.parent.name}-{folder.name}")
    with inside(installation(folder, ISSUER, CONNECT_DATABASE_URL=server.url())) as bundle:
        portal = add_portal(client_secret_hash=bundle.vault.mac("client-secret", PORTAL_SECRET))
        web = create_app(services=bundle)
        share_templates(web)
        owner = Person(web)
        owner.open("/cpx/register/code")
        finish_registration(owner, letter(bundle, portal), EMAIL)
        db.session.rollback()
        yield World(server, web, owner)
        with web.app_context():
            db.engine.dispose()
    server.stop("fast")


def addresses(app: Flask) -> list[tuple[str, str]]:
    """Method and address of every route."""
    values, found = {**SAMPLES, **VALUES, "name": "help"}, set()
    for rule in app.url_map.iter_rules():
        address = str(rule.rule)
        for name in rule.arguments:
            for kind in ("", "path:", "uuid:", "any(help,terms,privacy,accessibility):"):
                address = address.replace(f"<{kind}{name}>", values.get(name, "x"))
        found |= {(method, address) for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}}
    return sorted(found)


def ask(person: Person, method: str, address: str) -> TestResponse:
    """With a good token, so that it is not refused before the database is asked."""
    form = {**person.filled()[1], "nonce": address[:60]} if method == "POST" else {}
    headers = {"Origin": ISSUER}
    return person.client.open(address, method=method, data=form, base_url=ISSUER, headers=headers, buffered=True)


def wrong(method: str, address: str, answer: TestResponse) -> str | None:
    """What is wrong with an answer during an outage."""
    said, told = answer.get_data(as_text=True), answer.headers.get("Retry-After")
    if answer.status_code >= 500 and (answer.status_code != 503 or told not in RETRY_AFTER):
        return f"{method} {address}: {answer.status_code}, Retry-After {told}"
    leaked = [word for word in LEAKS if word in said.lower()]
    return f"{method} {address} says {leaked}" if leaked else None


@pytest.mark.parametrize("fault", FAULTS)
def test_every_route_says_that_it_passes_and_it_passes(world: World, fault: str) -> None:
    stranger, longest, unavailable = world.stranger(), 0.0, 0
    with FAULTS[fault](world.server):
        for method, address in addresses(world.web):
            began = time.monotonic()
            answer = ask(stranger, method, address)
            longest = max(longest, time.monotonic() - began)
            unavailable += answer.status_code == 503
            assert wrong(method, address, answer) is None
        assert longest < LONGEST_S
        assert unavailable > 10
        refused, token = ask_with_form(stranger), world.redeem()
        assert (token.status_code, token.get_json()) == (503, {"error": "temporarily_unavailable"})
        assert world.web.test_client().get("/livez", base_url=ISSUER).status_code == 200
        assert not world.is_ready() or fault == "only reading"
    began = time.monotonic()
    wait_until(world.is_ready, RECOVERS_WITHIN_S)
    assert refused.status_code == 503
    assert "Connect n’est pas disponible pour le moment" in refused.text
    assert EMAIL in refused.text
    assert PASSWORD not in refused.text
    stranger.submit(password=PASSWORD)  # the page of the outage has the rest
    assert stranger.title == "Saisissez le code SMS"
    assert world.redeem().status_code == 400
    world.owner.open("/account")
    assert world.owner.page.status_code == 200
    assert time.monotonic() - began < RECOVERS_WITHIN_S


def ask_with_form(stranger: Person) -> TestResponse:
    stranger.submit(email=EMAIL, password=PASSWORD)
    return stranger.page
