"""F-18, C-01, C-12, O-08: every state of every journey × every address of the application × every method.

Generated from the journeys and from the URL map: a new route or step is a new row or column. Nothing but a right answer
to the open step moves a walk, no address answers 5xx, and every redirect is a 303 to an address of our own.
"""

from __future__ import annotations

from collections import Counter
from itertools import count

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from idp.clock import FrozenClock
from idp.models.account import Account
from idp.models.base import db
from idp.models.session import Session
from idp.services.bundle import Services
from tests.support.builders import add_portal
from tests.support.fingerprint import fingerprint
from tests.support.person import ISSUER
from tests.support.turns import takes_all
from tests.support.walks import VARIANTS, World, cells, walked

pytestmark = pytest.mark.generated

METHODS = ("GET", "POST")
WAITING = 4  # states from one turn of an address to its next
AUTOMATIC = ("HEAD", "OPTIONS")  # the framework answers them alike everywhere: each address is asked so in one state
UNDECLARED = ("PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "X")
LEAST_STATES = 16  # on either engine there are more
GROWING = {"submission", "flow_run", "pending_request", "audit_event"}  # a new, empty walk may begin anywhere
VALUES = {
    "slug": "cpx", "action": "resend", "handle": "A" * 43, "digest": "0123456789", "name": "help",
    "filename": "connect.css", "account_id": "00000000-0000-7000-8000-000000000000",
    "person_id": "00000000-0000-7000-8000-000000000000", "import_id": "00000000-0000-7000-8000-000000000000",
    "token_id": "00000000-0000-7000-8000-000000000000",
    "batch_id": "00000000-0000-7000-8000-000000000000",
    "letter_id": "00000000-0000-7000-8000-000000000000", "print_id": "00000000-0000-7000-8000-000000000000",
    "code_id": "00000000-0000-7000-8000-000000000000",
    "change_id": "00000000-0000-7000-8000-000000000000",
    "export_id": "00000000-0000-7000-8000-000000000000",
    "view_id": "00000000-0000-7000-8000-000000000000",
    "external_id": "P-1", "webhook_id": "00000000-0000-7000-8000-000000000000",
    "delivery_id": "00000000-0000-7000-8000-000000000000",
}  # fmt: skip


def addresses(web: Flask) -> list[str]:
    """Every rule of the URL map with its variables filled in."""
    found = []
    for rule in web.url_map.iter_rules():
        address = str(rule.rule)
        for name in rule.arguments:
            for kind in (
                f"<{name}>",
                f"<path:{name}>",
                f"<uuid:{name}>",
                "<any(help,terms,privacy,accessibility):name>",
            ):
                address = address.replace(kind, VALUES.get(name, "x"))
        assert "<" not in address, rule
        found.append(address)
    return sorted(set(found))


def ask(world: World, method: str, address: str) -> TestResponse:
    """As this browser, with its good token, the walk's handle, and no right answer to anything."""
    client, form = world.person.client, world.person.filled()[1]
    fields = {**form, "nonce": f"{method}{address}"[:60], "extent": "none"}
    query = {"f": world.handle}
    if method in {"GET", "HEAD", "OPTIONS", "TRACE"}:
        return client.open(address, method=method, query_string=query, base_url=ISSUER)
    return client.open(
        address, method=method, query_string=query, data=fields, base_url=ISSUER, headers={"Origin": ISSUER}
    )


def test_no_cell_moves_a_walk_that_was_not_answered(web: Flask, services: Services, clock: FrozenClock) -> None:
    """Addresses without a portal are asked in every fourth state by turns, the others in each; in the long run all."""
    portal, all_, asked = add_portal(), addresses(web), Counter[str]()
    add_portal("home")
    states = cells("every cell", walked())
    for number, (variant, step) in enumerate(states):
        world = World(web, services, clock, portal, variant, number + 1)
        world.walk_to(step.name)
        state, held = world.answered(), fingerprint()
        is_a_button = not world.right(step.name)  # its form alone is the answer
        for at, address in enumerate(all_):
            if address == "/logout/confirm":
                continue  # the person's own answer: it ends the session, and has tests of its own
            if is_a_button and address == world.path(step.name).split("?")[0]:
                continue
            if not is_of_a_portal(address) and not takes_all() and (at - number) % WAITING:
                continue
            for method in METHODS + (AUTOMATIC if at % LEAST_STATES == number else ()):
                cell = (str(variant), step.name, method, address)
                response = ask(world, method, address)
                asked[address] += 1
                assert response.status_code < 500, cell
                check_redirect(response, cell)
                response.close()
        assert world.answered() == state, (variant, step.name)
        assert_nothing_gained(held, fingerprint(), (str(variant), step.name))
    assert len(states) >= LEAST_STATES
    assert set(asked) == set(all_) - {"/logout/confirm"}
    assert min(asked.values()) >= len(METHODS) * (len(states) // WAITING)


def is_of_a_portal(address: str) -> bool:
    """Where journeys stand, and whatever else belongs to the portal they are walked at."""
    return address.startswith(f"/{VALUES['slug']}/")


def test_no_address_knows_a_method_that_was_not_declared(web: Flask) -> None:
    """OWASP ASVS 5.0 §4.1.4, §13.4.4."""
    for address in addresses(web):
        for method in UNDECLARED:
            if address.startswith("/api/v1/") and method in {"PUT", "PATCH", "DELETE"}:
                continue  # tests/attacks/test_api_matrix.py
            if address.startswith("/register/") and method in {"PUT", "DELETE"}:
                continue  # RFC 7592 §2.2 and §2.3
            response = web.test_client().open(address, method=method, base_url=ISSUER, headers={"Origin": ISSUER})
            assert response.status_code == 405, (method, address)
            assert method not in response.headers["Allow"].split(", ")


def check_redirect(response: TestResponse, cell: tuple[str, ...]) -> None:
    location = response.headers.get("Location", "")
    if 300 <= response.status_code < 400:
        assert response.status_code == 303, cell
        assert location.startswith("/"), cell
        assert not location.startswith(("//", "/\\")), cell
    else:
        assert not location, cell


def assert_nothing_gained(before: dict[str, object], after: dict[str, object], cell: tuple[str, str]) -> None:
    """Nobody was created, signed in, linked or written to; codes of the walk itself may have been sent again."""
    for table in before:
        if table in GROWING | {"challenge", "outbox_message", "attempt_counter"}:
            continue
        assert before[table] == after[table], (cell, table)


def test_every_registration_address_is_closed_without_a_live_code(
    web: Flask, services: Services, clock: FrozenClock
) -> None:
    """C-12: what follows the letter's code is out of reach without it, by any method."""
    variant = VARIANTS[0]
    world = World(web, services, clock, add_portal(), variant, 1)
    world.begin()
    first = f"/cpx/{variant.journey.first_path}"
    for path in list(dict.fromkeys(variant.journey.paths.values()))[1:]:
        for suffix in ("", "/do/resend", "/do/switch", "/do/existing"):
            for method in ("GET", "POST"):
                response = ask(world, method, f"/cpx/{path}{suffix}")
                assert response.status_code in {303, 404, 405}, (path, suffix, method)
                if response.status_code == 303:
                    assert response.headers["Location"].startswith(first)
    assert db.session.scalar(select(func.count()).select_from(Account)) == 0
    assert db.session.scalar(select(func.count()).select_from(Session)) == 0


def test_every_post_of_a_walk_is_answered_by_303(web: Flask, services: Services, clock: FrozenClock) -> None:
    """O-08 (RFC 9700 §4.12): a password is never sent on by 307 or 308."""
    portal, numbers = add_portal(), count(1)
    add_portal("home")
    for variant in walked():
        world = World(web, services, clock, portal, variant, next(numbers))
        world.begin()
        for step in variant.stops():
            if wrong := dict.fromkeys(world.right(step.name), "wrong"):
                assert world.person.post(world.person.filled(**wrong))[0].status_code == 303
                world.person.open(world.person.address)
            form = world.person.filled(**world.right(step.name))
            response, address = world.person.post(form)
            assert response.status_code == 303
            world.person._arrive(response, address)
        assert world.is_finished()
    for address in ("//cpx/login", "/cpx//login", "/cpx/login/", "///", "//evil.example/cpx/login"):
        response = web.test_client().post(address, base_url=ISSUER, headers={"Origin": ISSUER})
        assert response.status_code in {403, 404, 405}, address
        assert "Location" not in response.headers
