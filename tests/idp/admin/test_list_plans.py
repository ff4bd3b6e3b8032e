"""No page of a list reads a big table from end to end, with whichever filter and order.

On PostgreSQL that is looked at for every request (tests/support/every_plan.py); here are the pages, and SQLite's plans.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import product
from typing import Any

from flask import Flask
from sqlalchemy import Engine, event

from idp.admin import audit, codes, imports, letters, messages, persons, portals
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.builders import add_person, add_portal
from tests.support.engines import SQLITE
from tests.support.operators import add_operator, sign_in

EMAIL = "olga@fund.example.ch"
LISTINGS = [one.LISTING for one in (audit, codes, imports, letters, messages, persons, portals)]
BIG = (
    "account|audit_event|batch_letter|insured_person|outbox_message|person_import|person_word|registration_code|session"
)
CHOSEN = {
    "portal": "cpx", "state": "issued", "status": "invited", "language": "it", "ages": "80-199", "group": "code",
    "tag": "person:account:register", "person": "P-1", "from": "2026-01-01", "to": "2026-12-31", "channel": "sms",
    "who": "0123456789abcdef0123456789abcdef",
}  # fmt: skip
WHOLE = re.compile(rf"SCAN ({BIG})$", re.MULTILINE)


@contextmanager
def plans() -> Iterator[dict[str, str]]:
    """Every question to SQLite that is asked meanwhile, and how it finds the answer."""
    found: dict[str, str] = {}

    def explain(connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool) -> None:
        if many or not statement.startswith(("SELECT", "WITH")) or statement in found:
            return
        if connection.dialect.name != SQLITE:
            found[statement] = ""
            return
        own = connection.connection.cursor()
        own.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
        found[statement] = "\n".join(str(row[-1]) for row in own.fetchall())
        own.close()

    event.listen(Engine, "before_cursor_execute", explain)
    yield found
    event.remove(Engine, "before_cursor_execute", explain)


def test_no_list_reads_a_big_table_from_end_to_end(web: Flask, services: Services, portal: Portal) -> None:
    add_portal("fon")
    services.registration_codes.issue(add_person(portal), portal)
    add_operator(services, EMAIL, ["superuser"])
    olga = sign_in(web, services, EMAIL)
    with plans() as found:
        for listing in LISTINGS:
            ways = [f"{name}={CHOSEN[name]}" for name in listing.filters]
            for way, sort in product(["", *ways, "&".join(ways)], listing.sorts):
                olga.open(f"{listing.address}?{way}&sort={sort.name}")
                assert olga.page.status_code == 200
    assert len(found) > 60
    assert {statement: plan for statement, plan in found.items() if WHOLE.search(plan)} == {}
