"""Imports as jobs: checked, confirmed, written step by step, paused and gone on with, cancelled, undone; all sealed."""

from __future__ import annotations

import threading
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from flask import Flask
from sqlalchemy import func, select, text, update
from sqlalchemy.exc import DBAPIError

from idp.clock import FrozenClock
from idp.errors import BadInput
from idp.models.audit import AuditEvent
from idp.models.base import Base, db
from idp.models.person import InsuredPerson
from idp.models.person_import import ImportBatch, ImportChunk, PersonImport
from idp.models.person_word import PersonWord
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.import_job import LEASE
from idp.services.import_worker import ImportWorker
from idp.services.person_records import BATCH
from idp.services.person_rows import BadTable
from tests.support import workbook
from tests.support.builders import add_person, add_portal
from tests.support.persons_file import CELLS, file, many, row

OLGA = UUID(int=7)


class Office:
    """An operator at work on the imports of one portal, and the worker that is told when to work."""

    def __init__(self, app: Flask, services: Services, portal: Portal) -> None:
        self.services = services
        self.jobs = services.import_jobs
        self.portal = portal
        self.worker = ImportWorker(app)

    def upload(self, content: bytes, source: str = "console", where: Portal | None = None) -> UUID:
        found = self.jobs.receive(where or self.portal, "persons.csv", content, source, OLGA)
        db.session.commit()
        return found.id

    def check(self, content: bytes) -> PersonImport:
        """Upload, take the columns as they are proposed, and let the worker look."""
        ident = self.upload(content)
        self.jobs.choose_columns(self.row(ident), self.jobs.columns(self.row(ident)).proposed)
        db.session.commit()
        return self.worked(ident)

    def confirm(self, found: PersonImport, *, good_only: bool = False) -> PersonImport:
        assert self.jobs.confirm(found, OLGA, good_only=good_only)
        db.session.commit()
        return self.worked(found.id)

    def undo(self, found: PersonImport) -> PersonImport:
        assert self.jobs.undo(found)
        db.session.commit()
        return self.worked(found.id)

    def worked(self, ident: UUID, stop: threading.Event | None = None) -> PersonImport:
        self.worker.run_once(stop)
        return self.row(ident)

    def row(self, ident: UUID) -> PersonImport:
        db.session.rollback()
        return db.session.get_one(PersonImport, ident, populate_existing=True)


@pytest.fixture
def office(app: Flask, services: Services, portal: Portal) -> Office:
    return Office(app, services, portal)


def counts(found: PersonImport) -> tuple[int, int, int]:
    return found.new, found.changed, found.unchanged


def stored() -> dict[str, str]:
    db.session.rollback()
    rows = db.session.execute(select(InsuredPerson.external_id, InsuredPerson.family_name))
    return {one.external_id: one.family_name for one in rows}


def count(model: type[Base]) -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_a_file_is_checked_then_confirmed_then_written(office: Office) -> None:
    add_person(office.portal, "P-0", address=["Rue 9", "1000 Lausanne"], insured_number=CELLS["insured_number"])
    add_person(office.portal, "P-9")
    found = office.check(file(row("P-0"), row("P-1"), row("P-2")))
    assert (found.state, found.rows, found.errors, found.left_out) == ("checked", 3, 0, 1)
    assert counts(found) == (2, 1, 0)
    assert found.changed_fields == {"address": 1}
    assert set(stored()) == {"P-0", "P-9"}, "a dry run writes nothing"
    found = office.confirm(found)
    assert (found.state, found.position, counts(found)) == ("done", 3, (2, 1, 0))
    assert set(stored()) == {"P-0", "P-1", "P-2", "P-9"}
    assert count(ImportChunk) == 0, "nobody needs the file any more"
    tags = [one.tag.partition(":")[2] for one in db.session.scalars(select(AuditEvent).order_by(AuditEvent.id))]
    assert tags == ["person_import:upload", "person_import:confirm", "insured_person:import"]
    again = office.confirm(office.check(workbook.table(file(row("P-0"), row("P-1"), row("P-2")).decode())))
    assert counts(again) == (0, 0, 3)


def test_wrong_rows_are_told_and_come_in_only_where_somebody_said_so(office: Office) -> None:
    content = file(row("P-1"), row("P-2", birth_date="31.2.1960", language="rm"), row("P-1"), "too;few", row("P-3"))
    found = office.check(content)
    assert (found.state, found.rows, found.errors, counts(found)) == ("checked", 5, 4, (2, 0, 0))
    told = [(one.line, one.field, one.kind, one.value) for one in office.jobs.errors(found)]
    assert told == [
        (3, "birth_date", "date", "31.2.1960"), (3, "language", "language", "rm"), (4, "external_id", "twice", "P-1"),
        (5, "row", "cells", "too | few"),
    ]  # fmt: skip
    assert not office.jobs.confirm(found, OLGA, good_only=False)
    assert counts(office.confirm(found, good_only=True)) == (2, 0, 0)
    assert set(stored()) == {"P-1", "P-3"}


@pytest.mark.sqlite_only
def test_who_pauses_wins_before_the_next_step_and_the_job_goes_on_where_it_was(office: Office) -> None:
    found = office.check(many(2 * BATCH + 10))

    class Paused(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            office.jobs.pause(office.row(found.id))
            db.session.commit()
            return False

    office.jobs.confirm(found, OLGA, good_only=False)
    db.session.commit()
    found = office.worked(found.id, Paused())
    assert (found.state, found.position, counts(found)) == ("paused", BATCH, (BATCH, 0, 0))
    assert office.worked(found.id).position == BATCH
    assert office.jobs.resume(found)
    db.session.commit()
    found = office.worked(found.id)
    assert (found.state, counts(found)) == ("done", (2 * BATCH + 10, 0, 0))
    assert count(InsuredPerson) == 2 * BATCH + 10


@pytest.mark.sqlite_only
def test_a_worker_that_is_told_to_stop_gives_the_import_back_and_one_that_died_loses_it_in_time(
    office: Office, clock: FrozenClock
) -> None:
    found = office.check(many(BATCH + 10))
    office.jobs.confirm(found, OLGA, good_only=False)
    db.session.commit()

    class Stopped(threading.Event):
        def wait(self, timeout: float | None = None) -> bool:
            self.set()
            return True

    found = office.worked(found.id, Stopped())
    assert (found.state, found.position, found.held_until) == ("running", BATCH, None)
    db.session.execute(update(PersonImport).values(held_until=clock.now() + timedelta(seconds=60)))  # as a dead one
    db.session.commit()
    assert office.worked(found.id).state == "running"
    clock.advance(timedelta(seconds=61))
    assert counts(office.worked(found.id)) == (BATCH + 10, 0, 0)


@pytest.mark.sqlite_only
def test_a_job_that_is_cancelled_keeps_what_it_wrote_and_may_be_undone(office: Office) -> None:
    found = office.check(file(row("P-1")))
    assert office.jobs.cancel(found)
    db.session.commit()
    found = office.row(found.id)
    assert (found.state, count(ImportChunk)) == ("cancelled", 0)
    assert not office.jobs.may_undo(found), "nothing was written"
    assert not office.jobs.confirm(found, OLGA, good_only=True)
    assert office.row(found.id).state == "cancelled"
    assert stored() == {}


def test_an_import_is_undone_but_for_whom_somebody_touched(office: Office, clock: FrozenClock) -> None:
    portal, services = office.portal, office.services
    for name in ("old", "moved", "owned"):
        add_person(portal, name, insured_number=CELLS["insured_number"])
    before = {one.external_id: one.changed_at for one in db.session.scalars(select(InsuredPerson))}
    rows = [row(name, family_name="Rochat") for name in ("old", "moved", "owned", "new", "invited", "joined")]
    found = office.confirm(office.check(file(*rows)))
    assert counts(found) == (3, 3, 0)
    clock.advance(timedelta(hours=1))
    for name in ("joined", "owned"):
        account = services.accounts.create(
            email=f"{name}@example.ch", given_name="A", family_name="B", language="fr", password_hash="x"
        )
        person(name).link(account.id, clock.now())
    services.registration_codes.issue(person("invited"), portal)
    db.session.commit()
    office.confirm(office.check(file(row("moved", family_name="Favre"))))
    assert office.jobs.may_undo(office.row(found.id))
    found = office.undo(office.row(found.id))
    assert (found.state, found.kept) == ("undone", 4)
    assert stored() == {"old": "Müller", "moved": "Favre", "owned": "Rochat", "invited": "Rochat", "joined": "Rochat"}
    assert person("old").changed_at == before["old"], "so that an earlier import can be undone too"
    words = set(db.session.scalars(select(PersonWord.word).where(PersonWord.person_id == person("old").id)))
    assert "muller" in words
    assert "rochat" not in words
    assert not office.jobs.undo(found)


def person(external_id: str) -> InsuredPerson:
    return db.session.scalars(select(InsuredPerson).where(InsuredPerson.external_id == external_id)).one()


def test_undoing_ends_after_a_day_and_what_it_needs_goes(office: Office, clock: FrozenClock) -> None:
    found = office.confirm(office.check(file(row("P-1"))))
    assert count(ImportBatch) == 1
    clock.advance(timedelta(hours=24))
    assert not office.jobs.may_undo(office.row(found.id))
    clock.advance(timedelta(seconds=1))
    office.worker.run_once()
    assert count(ImportBatch) == 0
    clock.advance(timedelta(days=30))
    assert office.worked(found.id).sealed_headings is None


@pytest.mark.sqlite_only
def test_a_file_that_nobody_went_on_with_is_forgotten_after_a_week(office: Office, clock: FrozenClock) -> None:
    ident, checked = office.upload(file(row("P-1"))), office.check(file(row("P-1")))
    clock.advance(timedelta(days=7, seconds=1))
    for one in (ident, checked.id):
        assert office.worked(one).state == "cancelled"
    assert count(ImportChunk) == 0


@pytest.mark.sqlite_only
def test_columns_are_proposed_chosen_and_remembered_and_their_names_kept_from_readers(office: Office) -> None:
    content = file(row("P-1"), header="Kennung;AHV-Nr;Ruf;Name;Geb;Idiom;Wo;Ort")
    columns = office.jobs.columns(office.row(office.upload(content)))
    assert columns.headings[0] == "Kennung"
    assert columns.example[4] == "27.3.1958"
    assert columns.proposed == ("", "insured_number", "", "family_name", "", "", "", "address_2")
    fields = ["external_id", "insured_number", "given_name", "family_name", "birth_date", "language", "address_1"]
    with pytest.raises(BadInput) as caught:
        office.jobs.choose_columns(office.row(office.upload(content)), [*fields, "external_id"])
    assert caught.value.message.splitlines() == ["address_2", "external_id"]
    chosen = office.row(office.upload(content))
    office.jobs.choose_columns(chosen, [*fields, "address_2"])
    db.session.commit()
    assert office.worked(chosen.id).errors == 0
    again = office.jobs.columns(office.row(office.upload(content))).proposed
    assert list(again) == [*fields, "address_2"]
    elsewhere = office.upload(content, where=add_portal("fon"))
    assert office.jobs.columns(office.row(elsewhere)).proposed[0] == "", "what one fund chose says nothing to another"


def test_nothing_of_a_file_can_be_read_in_the_database(office: Office) -> None:
    secret = row("X-secret", given_name="Zenobia", family_name="Quarzenegger", birth_date="31.2.1960", language="qq")
    office.check(file(secret, row("X-1", family_name="Quarzenegger")))
    office.upload(
        file(secret, header=row("Kopf", family_name="Quarz", given_name=""))
    )  # a file without names of columns
    office.confirm(office.check(file(row("P-reference", family_name="Quarzenegger"))))
    office.confirm(office.check(file(row("P-reference", family_name="Other"))))
    held = "".join(
        repr(tuple(one))
        for table in Base.metadata.sorted_tables
        if table.name.startswith(("import_", "person_import", "audit"))
        for one in db.session.execute(select(table))
    )
    for word in ("Quarz", "Zenobia", "X-secret", "31.2.1960", "P-reference", "Rue du Lac"):
        assert word not in held


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "header"), (b"a;b\n", "empty"), (file(row("P-1")).decode().encode("utf-16"), "utf16"),
        (b"PK\x03\x04xxxxx", "workbook"), (b"\xd0\xcf\x11\xe0" + bytes(600), "old"), (b"x" * 5_000, "line"),
        (";".join("abcdefgh" * 8).encode(), "columns"),
    ],
)  # fmt: skip
def test_what_is_no_table_is_refused_at_once(office: Office, content: bytes, kind: str) -> None:
    with pytest.raises(BadTable) as caught:
        office.upload(content)
    assert caught.value.kind == kind
    db.session.rollback()
    assert count(PersonImport) == 0


@pytest.mark.sqlite_only
def test_a_file_beyond_the_limit_is_refused(office: Office) -> None:
    with pytest.raises(BadTable, match="larger than 50 MB"):
        office.upload(bytes(office.jobs.largest + 1))


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("tail", "kind"), [(b"\xff;b", "utf8"), (b"a;\0", "nul"), (b'P-2;"x', "quote"), (b"x" * 5_000, "line")]
)
def test_what_is_wrong_further_down_is_told_with_its_line_and_the_file_goes(
    office: Office, tail: bytes, kind: str
) -> None:
    found = office.check(file(row("P-1")) + tail)
    assert (found.state, found.fault, (found.fault_named or {})["line"]) == ("failed", kind, "3")
    assert count(ImportChunk) == 0
    assert stored() == {}


def test_what_comes_from_a_system_starts_by_itself_where_it_is_clean(office: Office) -> None:
    assert office.worked(office.upload(file(row("P-1")), "feed")).state == "done"
    wrong = office.worked(office.upload(file(row("P-1"), row("P-2", language="rm")), "feed"))
    assert (wrong.state, wrong.errors) == ("checked", 1)
    unknown = office.worked(office.upload(file(row("P-3"), header="a;b;c;d;e;f;g;h"), "feed"))
    assert unknown.state == "uploaded"
    assert set(stored()) == {"P-1"}


@pytest.mark.sqlite_only
def test_who_has_an_account_keeps_the_language_they_chose(office: Office) -> None:
    account = office.services.accounts.create(
        email="a@example.ch", given_name="A", family_name="B", language="de", password_hash="x"
    )
    add_person(office.portal, "P-1", account_id=account.id, language="de", insured_number=CELLS["insured_number"])
    assert counts(office.check(file(row("P-1")))) == (0, 0, 1)


@pytest.mark.sqlite_only
def test_a_fault_of_ours_ends_one_import_and_no_other(office: Office) -> None:
    broken, good = office.check(file(row("P-1"))), office.check(file(row("P-2")))
    for one in (broken, good):
        assert office.jobs.confirm(one, OLGA, good_only=False)
    db.session.execute(update(ImportChunk).where(ImportChunk.import_id == broken.id).values(sealed_data="x"))
    db.session.commit()
    assert office.worked(broken.id).fault == "fault"
    assert office.row(good.id).state == "done"


@pytest.mark.postgresql_only
@pytest.mark.parametrize("state", ["25006", "57P01", "40P01"])
def test_a_database_that_fails_over_ends_no_import(office: Office, clock: FrozenClock, state: str) -> None:
    found = office.check(file(row("P-1")))
    assert office.jobs.confirm(found, OLGA, good_only=False)
    db.session.commit()
    refuse = f"BEGIN RAISE EXCEPTION 'not now' USING ERRCODE = '{state}'; END"
    db.session.execute(text(f"CREATE FUNCTION not_now() RETURNS trigger LANGUAGE plpgsql AS $${refuse}$$"))
    db.session.execute(text("CREATE TRIGGER now BEFORE INSERT ON insured_person EXECUTE FUNCTION not_now()"))
    db.session.commit()
    try:
        with pytest.raises(DBAPIError):
            office.worker.run_once()
        assert office.row(found.id).state == "running"
    finally:
        db.session.rollback()
        db.session.execute(text("DROP FUNCTION not_now CASCADE"))
        db.session.commit()
    clock.advance(LEASE)
    assert office.worked(found.id).state == "done"


def test_a_token_sends_files_for_one_portal_until_it_is_ended(office: Office) -> None:
    secret = office.jobs.make_token(office.portal, OLGA)
    assert secret is not None
    found = office.jobs.find_token(secret)
    assert found is not None
    assert (found.portal_id, secret in repr(found.token_hash)) == (office.portal.id, False)
    assert not office.jobs.end_token(add_portal("fon"), found.id)
    assert office.jobs.end_token(office.portal, found.id)
    assert not office.jobs.end_token(office.portal, uuid4())
    assert office.jobs.find_token(secret) is None
    made: list[str | None] = [office.jobs.make_token(office.portal, OLGA) for _ in range(6)]
    assert made.index(None) == 5
