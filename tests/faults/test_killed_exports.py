"""A worker that is killed in the middle of an export: the next one goes on, and every row is there once."""

from __future__ import annotations

import csv
import io
import signal
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from idp.clock import SystemClock
from idp.models.base import db
from idp.models.list_export import ExportPiece, ListExport
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.exporter import ROWS
from idp.services.lists import Listing
from idp.services.permissions import Rights, Role
from tests.faults.test_killed_imports import worker
from tests.support.builders import BORN, add_person
from tests.support.operators import add_operator
from tests.support.waiting import wait_until

pytestmark = pytest.mark.sqlite_only

PERSONS = 8 * ROWS


def add_many(portal: Portal) -> None:
    """Without the words by which they are found."""
    like = add_person(portal, "P-0")
    known = {
        name: getattr(like, name) for name in ("insured_number", "given_name", "birth_date", "language", "address")
    }
    known |= {"portal_id": portal.id, "created_at": BORN, "changed_at": BORN}
    rows = [known | {"id": uuid4(), "external_id": f"P-{at}", "family_name": "Rochat"} for at in range(1, PERSONS)]
    db.session.execute(insert(InsuredPerson), rows)
    db.session.commit()


def test_an_export_goes_on_where_its_worker_was_killed_and_no_row_comes_twice(
    app: Flask, services: Services, environment: dict[str, str], portal: Portal, tmp_path: Path
) -> None:
    add_many(portal)
    whose, rights = add_operator(services, "olga@fund.example.ch", ["letters"]), Rights(frozenset({Role.LETTERS}))
    exports, asked = services.list_exports, (Listing.PERSONS, {"portal": "cpx"})
    begun = exports.begin(*asked, exports.counts(*asked, rights), by=whose, reason="report", language="fr")
    assert begun is not None
    ident, begun.made_at = begun.id, SystemClock().now()  # the workers live in the real time, this test does not
    db.session.commit()
    with worker(environment, tmp_path) as first:
        wait_until(lambda: now(ident).pieces >= 2, within_s=60)
        first.send_signal(signal.SIGKILL)
        first.wait(10)
    stopped = now(ident)
    assert (stopped.state, 0 < stopped.done < PERSONS) == ("running", True)
    assert pieces() == stopped.pieces, "a piece is there whole, with its position, or not at all"
    with worker(environment, tmp_path):
        wait_until(lambda: now(ident).state == "done", within_s=60)
    whole = b"".join(exports.pieces(ident, now(ident).pieces))
    heads, *rows = csv.reader(io.StringIO(whole.decode("utf-8-sig"), newline=""), delimiter=";")
    assert len(rows) == now(ident).done == PERSONS
    assert {row[0] for row in rows} == {f"P-{at}" for at in range(PERSONS)}
    assert (heads[0], len(whole)) == ("Référence de la caisse", now(ident).size)


def now(ident: UUID) -> ListExport:
    db.session.rollback()
    return db.session.get_one(ListExport, ident, populate_existing=True)


def pieces() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(ExportPiece)) or 0
