"""The nightly feed: a key for one portal, a file, and an import that starts by itself where nothing is wrong."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import func, select
from werkzeug.test import TestResponse

from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.person_import import ImportToken, PersonImport
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.import_worker import ImportWorker
from tests.support import workbook
from tests.support.builders import add_portal
from tests.support.person import ISSUER
from tests.support.persons_file import file, row


class Fund:
    """A fund's own system with its key."""

    def __init__(self, web: Flask, secret: str) -> None:
        self._client = web.test_client()
        self._secret = secret

    def send(self, content: bytes, slug: str = "cpx", kind: str = "text/csv", secret: str = "") -> TestResponse:
        headers = {"Authorization": f"Bearer {secret or self._secret}"}
        return self._client.post(
            f"/api/imports/{slug}", data=content, content_type=kind, base_url=ISSUER, headers=headers
        )

    def ask(self, ident: str, slug: str = "cpx") -> TestResponse:
        headers = {"Authorization": f"Bearer {self._secret}"}
        return self._client.get(f"/api/imports/{slug}/{ident}", base_url=ISSUER, headers=headers)


@pytest.fixture
def fund(web: Flask, services: Services, portal: Portal) -> Fund:
    secret = services.import_jobs.make_token(portal, portal.id)
    assert secret is not None
    db.session.commit()
    return Fund(web, secret)


def test_a_clean_file_is_imported_and_its_sender_may_ask(app: Flask, fund: Fund) -> None:
    answer = fund.send(file(row("P-1"), row("P-2")))
    assert answer.status_code == 202
    assert answer.json is not None
    assert answer.json["state"] == "checking"
    ImportWorker(app).run_once()
    told = fund.ask(answer.json["id"]).json
    assert told is not None
    assert (told["state"], told["new"], told["errors"]) == ("done", 2, 0)
    assert db.session.scalar(select(func.count()).select_from(InsuredPerson)) == 2
    assert db.session.scalar(select(ImportToken.used_at)) is not None


@pytest.mark.sqlite_only
def test_a_workbook_and_wrong_rows_wait_for_an_operator(app: Flask, fund: Fund) -> None:
    answer = fund.send(workbook.table(file(row("P-1", language="rm")).decode()), kind="application/octet-stream")
    assert answer.json is not None
    ImportWorker(app).run_once()
    told = fund.ask(answer.json["id"]).json
    assert told is not None
    assert (told["state"], told["errors"]) == ("checked", 1)
    assert "rm" not in str(told)


def test_without_a_key_of_this_very_portal_nothing_is_taken(services: Services, fund: Fund) -> None:
    other = add_portal("fon")
    theirs = services.import_jobs.receive(other, "x.csv", file(row("F-1")), "feed").id
    db.session.commit()
    good = file(row("P-1"))
    for answer in (
        fund.send(good, secret="cc_im_wrong"), fund.send(good, slug="fon"), fund.send(good, slug="nirgends"),
        fund.ask(str(theirs), slug="fon"),
    ):  # fmt: skip
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    for ident in (str(theirs), "x"):
        assert fund.ask(ident).status_code == 404
    assert db.session.scalar(select(func.count()).select_from(PersonImport)) == 1


@pytest.mark.sqlite_only
def test_size_kind_and_number_of_files_are_bounded(services: Services, fund: Fund) -> None:
    assert fund.send(b"x" * 100_000, secret="cc_im_wrong").status_code == 413, "a stranger sends no file"
    assert fund.send(bytes(services.import_jobs.largest + 1)).status_code == 413
    assert fund.send(b"a=b", kind="application/x-www-form-urlencoded").status_code == 415
    refused = fund.send(b"a;b\n")
    assert (refused.status_code, refused.json) == (
        400,
        {"error": "invalid_file", "error_description": "the file has a header and no row"},
    )
    for _ in range(services.settings.imports_per_hour - 1):
        fund.send(b"a;b\n")
    last = fund.send(b"a;b\n")
    assert last.status_code == 429
    assert int(last.headers["Retry-After"]) > 0


@pytest.mark.sqlite_only
def test_a_key_that_was_ended_is_as_none(services: Services, portal: Portal, fund: Fund) -> None:
    ident = db.session.scalars(select(ImportToken.id)).one()
    services.import_jobs.end_token(portal, ident)
    db.session.commit()
    assert fund.send(file(row("P-1"))).status_code == 401
