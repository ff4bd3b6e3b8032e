"""Exports of the console's lists: asked for with a reason, written by the worker, fetched by whoever asked, wiped."""

from __future__ import annotations

import csv
import io
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update
from werkzeug.test import TestResponse

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.list_export import DONE, EXPIRED, ExportPiece, ListExport, take_export
from idp.models.portal import Portal
from idp.services import exporter
from idp.services.bundle import Services
from idp.services.exporter import LEASE, Exporter, step
from idp.services.list_rows import SOURCES, Step
from idp.services.lists import KNOWN, Listing
from idp.services.permissions import Rights, Role
from tests.support.batches import draft
from tests.support.builders import add_person, add_portal
from tests.support.console import said
from tests.support.engines import held_connections
from tests.support.operators import add_operator, sign_in
from tests.support.person import ISSUER, Person
from tests.support.persons_file import many
from tests.support.walks import add_account

OLGA = "olga@fund.example.ch"
SECRETS = ("Hélène", "756.1234", "1958", "Rue du Lac", "Lausanne")


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, OLGA, ["letters@cpx"])
    return sign_in(web, services, OLGA)


def ask(olga: Person, query: str = "list=persons", reason: str = "compare") -> ListExport:
    """The newest export, after the page and its button."""
    olga.open(f"/admin/exports/new?{query}")
    olga.submit(1, reason=reason)
    return newest()


def newest() -> ListExport:
    db.session.rollback()
    found = select(ListExport).order_by(ListExport.made_at.desc(), ListExport.id.desc())
    export = db.session.scalars(found.execution_options(populate_existing=True)).first()
    assert export is not None
    return export


def get(person: Person, address: str) -> TestResponse:
    return person.client.get(address, base_url=ISSUER)


def fetch(person: Person, export: ListExport) -> TestResponse:
    return get(person, f"/admin/exports/{export.id}/file.csv")


def table(answer: TestResponse) -> list[list[str]]:
    assert answer.status_code == 200
    return list(csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig"), newline=""), delimiter=";"))


def events(action: str) -> list[AuditEvent]:
    db.session.rollback()
    tag = f"operator:list_export:{action}"
    return list(db.session.scalars(select(AuditEvent).where(AuditEvent.tag == tag).order_by(AuditEvent.id)))


def pieces() -> int:
    db.session.rollback()
    return db.session.scalar(select(func.count()).select_from(ExportPiece)) or 0


def test_persons_are_exported_masked_with_the_reference_of_the_fund(
    web: Flask, services: Services, portal: Portal, olga: Person
) -> None:
    add_person(portal, "P-1042")
    add_person(portal, "=cmd|' /C calc'!A0", family_name="@SUM(A1)")
    services.registration_codes.issue(add_person(portal, "P-7", given_name="", family_name=""), portal)
    db.session.commit()
    olga.open("/admin/persons")
    olga.open("/admin/exports/new?list=persons")
    assert "Exporter ces 3 lignes" in said(olga)
    assert "Référence de la caisse" in said(olga)
    assert pieces() == 0
    export = ask(olga)
    assert olga.address == f"/admin/exports/{export.id}"
    assert "0 lignes sur 3" in said(olga)
    assert fetch(olga, export).status_code == 404, "nothing is offered before it is whole"
    assert Exporter(web).run_once()
    assert not Exporter(web).run_once()
    olga.open(olga.address)
    assert "Prêt : 3 lignes" in said(olga)
    answer = fetch(olga, export)
    assert answer.get_data().startswith("\ufeff".encode())
    assert int(answer.headers["Content-Length"]) == len(answer.get_data())
    assert answer.headers["Content-Disposition"] == 'attachment; filename="persons-2026-03-27.csv"'
    heads, *rows = table(answer)
    assert heads[0] == "Référence de la caisse"
    by_reference = {row[0]: row for row in rows}
    assert set(by_reference) == {"P-1042", "'=cmd|' /C calc'!A0", "P-7"}
    assert by_reference["P-1042"][1:6] == ["H. Müller", "…897", "Caisse CPX", "pas encore de lettre", "fr"]
    assert by_reference["P-7"][4] == "invité"
    for hidden in SECRETS:
        assert hidden not in answer.get_data(as_text=True)
    sealed = db.session.scalars(select(ExportPiece.sealed_data)).one()
    assert "P-1042" not in sealed


def test_the_request_and_every_download_stand_in_the_audit_with_filters_count_and_reason(
    web: Flask, services: Services, portal: Portal, olga: Person
) -> None:
    services.registration_codes.issue(add_person(portal, "P-1"), portal)
    add_person(portal, "P-2")
    db.session.commit()
    export = ask(olga, "list=persons&status=invited&sort=-name&q=M%C3%BCller&before=x&kept=x", "report")
    Exporter(web).run_once()
    assert [row[0] for row in table(fetch(olga, export))[1:]] == ["P-1"]
    fetch(olga, export)
    detail = {"list": "persons", "fields": "status=invited", "count": "1", "reason": "report", "export": str(export.id)}
    (asked,), taken = events("create"), events("download")
    assert [one.detail for one in (asked, *taken)] == [detail] * 3
    whose = services.operators.load(OLGA).id
    assert {(one.actor_id, one.account_id, one.portal_id) for one in (asked, *taken)} == {(whose, whose, portal.id)}


@pytest.mark.sqlite_only
def test_personal_lists_need_a_reason_and_others_do_not(web: Flask, portal: Portal, olga: Person) -> None:
    add_person(portal)
    for reason in ("", "because"):
        olga.open("/admin/exports/new?list=persons&status=invited")
        olga.open("/admin/exports/new?list=persons")
        olga.submit(1, reason=reason)
        assert olga.errors() == ["reason"]
        assert "Exporter ces 1 lignes" in said(olga), "what was asked for stays"
    assert events("create") == []
    olga.open("/admin/exports/new?list=portals")
    assert 'name="reason"' not in olga.text
    olga.submit(1)
    assert newest().reason is None


def test_rows_of_portals_that_are_not_covered_never_leave(
    web: Flask, services: Services, portal: Portal, olga: Person
) -> None:
    other = add_portal("geheim", names={"fr": "Fondation Secrète"})
    for at in range(3):
        services.registration_codes.issue(add_person(portal, f"P-{at}"), portal)
        services.registration_codes.issue(add_person(other, f"F-{at}", family_name="Quarroz"), other)
    db.session.commit()
    for query in ("list=persons", "list=codes", "list=persons&portal=cpx", "list=letters", "list=portals"):
        olga.open(f"/admin/exports/new?{query}")
        if "list=letters" in query:
            assert "Rien à exporter" in said(olga)
            continue
        export = ask(olga, query)
        Exporter(web).run_once()
        answer = fetch(olga, export)
        assert len(table(answer)) == (2 if "portals" in query else 4)
        for hidden in ("F-", "Quarroz", "Secrète", "geheim", "GEHEIM", str(other.id)):
            assert hidden.encode() not in answer.get_data()
    for query in ("list=persons&portal=geheim", "list=persons&portal=nirgends"):
        olga.open(f"/admin/exports/new?{query}")
        assert "Rien à exporter" in said(olga)
        assert olga.text.count('method="post"') == 1, "no button but the one that signs out"
        assert "Secrète" not in olga.text
    assert {one.portal_id for one in events("create")} == {portal.id}


def test_each_fund_reads_of_its_own_rows_in_the_audit_and_each_must_still_be_seen(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    other = add_portal("fon")
    for at in range(3):
        add_person(portal, f"P-{at}")
    add_person(other, "F-0")
    add_operator(services, "clara@fund.example.ch", ["letters"])
    clara = sign_in(web, services, "clara@fund.example.ch")
    export = ask(clara)
    Exporter(web).run_once()
    assert len(table(fetch(clara, export))) == 5
    for action in ("create", "download"):
        assert {one.portal_id: one.detail["count"] for one in events(action)} == {portal.id: "3", other.id: "1"}
    for roles, status in ((["letters@cpx", "letters@fon"], 200), (["letters@cpx", "support@fon"], 404)):
        services.operators.change_roles(services.operators.load("clara@fund.example.ch").id, roles, None)
        db.session.commit()
        assert fetch(clara, export).status_code == status, "at every portal whose rows are in it"


def test_only_who_asked_and_still_may_see_it_fetches_the_file(
    web: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock
) -> None:
    add_person(portal)
    export = ask(olga)
    Exporter(web).run_once()
    add_operator(services, "clara@fund.example.ch", ["superuser"])
    clock.advance(timedelta(minutes=1))
    clara = sign_in(web, services, "clara@fund.example.ch")
    clara.open("/admin/exports")
    assert str(export.id) not in clara.text
    for address in (f"/admin/exports/{export.id}", f"/admin/exports/{export.id}/file.csv"):
        assert get(clara, address).status_code == 404
    clara.open("/admin/portals")
    fields = clara.filled()[1]
    end = f"/admin/exports/{export.id}/end"
    assert clara.client.post(end, data=fields, base_url=ISSUER, headers={"Origin": ISSUER}).status_code == 404
    whose = services.operators.load(OLGA).id
    services.operators.change_roles(whose, ["letters@cpx", "support@cpx"], None)
    db.session.commit()
    assert fetch(olga, export).status_code == 200
    for roles, status in ((["support@cpx"], 403), (["portal_admin@cpx"], 404), (["letters@fon"], 404)):
        if roles == ["letters@fon"]:
            add_portal("fon")
        services.operators.change_roles(whose, roles, None)
        db.session.commit()
        assert fetch(olga, export).status_code == status, roles
    assert len(events("download")) == 1


def test_a_file_is_wiped_after_a_day_and_cannot_be_fetched_a_moment_later(
    web: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock
) -> None:
    add_person(portal)
    export = ask(olga)
    Exporter(web).run_once()
    clock.advance(timedelta(hours=24, seconds=-1))
    olga = sign_in(web, services, OLGA)
    assert fetch(olga, export).status_code == 200
    clock.advance(timedelta(seconds=1))
    assert fetch(olga, export).status_code == 404, "also while the worker sleeps"
    assert pieces() == 1
    Exporter(web).run_once()
    assert pieces() == 0
    assert newest().state == EXPIRED
    (event,) = events("expire")
    assert (event.portal_id, event.detail["count"], event.detail["reason"]) == (portal.id, "1", "compare")
    olga.open(f"/admin/exports/{export.id}")
    assert "Effacé après 24 heures" in said(olga)
    assert "file.csv" not in olga.text


def test_it_can_be_stopped_while_it_is_written_and_wiped_when_it_is_there(
    web: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "ROWS", 2)
    for at in range(5):
        add_person(portal, f"P-{at}")
    first = ask(olga)
    taken = take_export(clock.now(), LEASE)
    assert taken is not None
    assert step(services, *taken, ())
    olga.open(f"/admin/exports/{first.id}")
    assert "2 lignes sur 5" in said(olga)
    assert 'value="2"' in olga.text
    olga.submit(1)
    assert "Arrêté" in said(olga)
    assert pieces() == 0
    assert not step(services, *taken, ()), "the worker sees it at its next step"
    assert pieces() == 0
    clock.advance(timedelta(minutes=2))
    second = ask(olga)
    Exporter(web).run_once()
    olga.open(f"/admin/exports/{second.id}")
    olga.submit(1)
    assert (pieces(), fetch(olga, second).status_code) == (0, 404)
    assert [one.detail["count"] for one in events("cancel")] == ["2", "5"]


def test_another_worker_goes_on_where_one_died_and_no_row_comes_twice(
    web: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "ROWS", 2)
    for at in range(5):
        add_person(portal, f"P-{at}")
    export = ask(olga)
    taken = take_export(clock.now(), LEASE)
    assert taken is not None
    assert step(services, *taken, ())
    assert not Exporter(web).run_once(), "its lease has not ended"
    clock.advance(LEASE + timedelta(seconds=1))
    olga = sign_in(web, services, OLGA)
    assert Exporter(web).run_once()
    assert not step(services, *taken, ()), "the one that was believed dead writes nothing more"
    rows = table(fetch(olga, export))
    assert len(rows) == 6, "one heading"
    assert {row[0] for row in rows[1:]} == {f"P-{at}" for at in range(5)}
    assert newest().pieces == pieces() == 3


@pytest.mark.parametrize("values", [{"tries": 2}, {"state": "cancelled"}], ids=["taken", "stopped"])
def test_a_step_that_is_overtaken_while_it_reads_counts_for_nothing(
    app: Flask, services: Services, portal: Portal, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch,
    values: dict[str, Any],
) -> None:  # fmt: skip
    add_person(portal)
    whose, rights = add_operator(services, OLGA, ["letters@cpx"]), Rights(frozenset({Role.LETTERS}))
    counts = services.list_exports.counts(Listing.PERSONS, {}, rights)
    assert services.list_exports.begin(Listing.PERSONS, {}, counts, by=whose, reason="report", language="fr")
    db.session.commit()
    taken, real = take_export(clock.now(), LEASE), exporter.walk
    assert taken is not None

    def overtaken(*asked: Any) -> Step:
        found = real(*asked)
        db.session.execute(update(ListExport).values(**values).execution_options(synchronize_session=False))
        db.session.commit()
        return found

    monkeypatch.setattr(exporter, "walk", overtaken)
    assert not step(services, *taken, ())
    assert (pieces(), newest().done) == (0, 0)


@pytest.mark.sqlite_only
def test_a_download_that_is_overtaken_by_the_wiping_breaks_off(
    web: Flask, services: Services, portal: Portal, olga: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "ROWS", 1)
    for at in range(3):
        add_person(portal, f"P-{at}")
    export = ask(olga)
    Exporter(web).run_once()
    reading = services.list_exports.pieces(export.id, 3)
    next(reading)
    assert services.list_exports.end(newest())
    with pytest.raises(Exception, match="No row was found"):
        next(reading)


def test_whoever_reads_slowly_holds_no_connection(web: Flask, services: Services, portal: Portal, olga: Person) -> None:
    add_person(portal, "P-1")
    export = ask(olga)
    Exporter(web).run_once()
    ident = export.id
    db.session.rollback()
    reading = services.list_exports.pieces(ident, 1)
    assert next(reading)
    assert held_connections(web) == 0
    reading.close()


def test_whatever_a_list_counts_is_in_its_file_with_a_cell_for_every_heading(
    app: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    """Every list, as it is and with every value of its filters."""
    whose = add_operator(services, "clara@fund.example.ch", ["superuser"])
    add_account(services, portal, "ruth@example.ch", number="+41797654321")
    for at in range(3):
        add_person(portal, f"P-{at}")
    draft(services, portal)
    services.registration_codes.issue(add_person(portal, "P-9"), portal)
    services.import_jobs.receive(portal, "persons.csv", many(1), "feed")
    for where in (portal, None):
        services.outbox.mail(
            "exists", to="a@example.ch", language="fr", portal=where, values={"host": "x", "date": "d"}
        )
    db.session.commit()
    asked: list[tuple[Listing, dict[str, str]]] = [(one, {}) for one in SOURCES]
    for one in SOURCES:
        asked += [(one, {name: value}) for name, choice in KNOWN[one].choices.items() for value in choice.values]
    full = set()
    for listing, filters in asked:
        counts = services.list_exports.counts(listing, filters, Rights(frozenset({Role.SUPERUSER})))
        begun = services.list_exports.begin(listing, filters, counts, by=whose, reason="", language="de")
        assert (begun is None) == (not counts), (listing, filters)
        if begun is None:
            continue
        db.session.commit()
        while Exporter(app).run_once():
            pass
        export = newest()
        assert (export.state, export.done) == (DONE, sum(counts.values())), (listing, filters)
        written = b"".join(services.list_exports.pieces(export.id, export.pieces)).decode("utf-8-sig")
        rows = list(csv.reader(io.StringIO(written, newline=""), delimiter=";"))
        assert len(rows) == export.done + 1
        assert {len(row) for row in rows} == {len(SOURCES[listing].headings)}
        assert len(written.encode("utf-8-sig")) == export.size
        assert services.list_exports.end(export)
        clock.advance(timedelta(seconds=1))
        full |= {(listing, *filters.values())}
    assert {listing for listing, *_ in full} == set(SOURCES)
    assert {(Listing.PERSONS, "invited"), (Listing.PERSONS, "registered"), (Listing.LETTERS, "draft")} <= full


@pytest.mark.sqlite_only
def test_nobody_lets_more_files_lie_there_than_may(
    web: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    add_person(portal)
    monkeypatch.setattr("idp.services.list_exports.MOST_LIVE", 2)
    for _ in range(2):
        ask(olga)
    olga.open("/admin/exports/new?list=persons")
    assert "déjà" in said(olga)
    assert olga.text.count('method="post"') == 1
    late = {"csrf_token": olga.filled()[1]["csrf_token"], "list": "persons", "reason": "compare"}
    olga.post(("/admin/exports/new", late))
    assert len(events("create")) == 2
    services.list_exports.end(newest())
    db.session.commit()
    ask(olga)
    assert len(events("create")) == 3


@pytest.mark.sqlite_only
def test_a_search_is_not_exported_and_the_desk_exports_nothing(
    web: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock
) -> None:
    add_person(portal)
    olga.open("/admin/persons")
    assert 'href="/admin/exports/new?list=persons"' in olga.text
    olga.submit(1, q="Müller")
    assert "/admin/exports/new" not in olga.text
    assert "Une recherche ne s’exporte pas" in said(olga)
    add_operator(services, "peter@fund.example.ch", ["support@cpx"])
    clock.advance(timedelta(minutes=1))
    peter = sign_in(web, services, "peter@fund.example.ch")
    peter.open("/admin/persons?status=invited")
    assert "/admin/exports" not in peter.text
    assert get(peter, "/admin/exports/new?list=persons").status_code == 403


@pytest.mark.sqlite_only
def test_a_list_that_cannot_be_written_is_given_up_and_its_pieces_are_wiped(
    web: Flask, services: Services, portal: Portal, olga: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporter, "ROWS", 1)
    for at in range(3):
        add_person(portal, f"P-{at}")
    export = ask(olga)
    real, met = exporter.walk, []

    def broken(*asked: Any) -> Step:
        met.append(1)
        if len(met) == 2:
            raise ValueError("a row that nobody foresaw")
        return real(*asked)

    monkeypatch.setattr(exporter, "walk", broken)
    Exporter(web).run_once()
    assert (newest().state, pieces()) == ("failed", 0)
    olga.open(f"/admin/exports/{export.id}")
    assert "erreur de notre part" in said(olga)


@pytest.mark.sqlite_only
def test_with_the_account_of_its_operator_an_export_is_gone(
    web: Flask, services: Services, portal: Portal, olga: Person
) -> None:
    add_person(portal)
    ask(olga)
    Exporter(web).run_once()
    assert pieces() == 1
    account = services.operators.load(OLGA)
    services.closing.close(account)
    db.session.commit()
    assert pieces() == 0
    assert db.session.scalar(select(func.count()).select_from(ListExport)) == 0
