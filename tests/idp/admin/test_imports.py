"""Imports in the console: sent, mapped, checked, confirmed, led on and undone, at the portals of one's role alone."""

from __future__ import annotations

import csv
import re
from datetime import timedelta
from io import BytesIO, StringIO
from uuid import UUID

import pytest
from flask import Flask, request
from sqlalchemy import func, select

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.person_import import ImportToken, PersonImport
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.import_worker import ImportWorker
from idp.services.person_columns import recognise
from tests.support.builders import add_person, add_portal
from tests.support.console import said
from tests.support.operators import add_operator, sign_in
from tests.support.person import ISSUER, Person
from tests.support.persons_file import file, many, row

EMAIL = "olga@fund.example.ch"


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, EMAIL, ["portal_admin@cpx"])
    return sign_in(web, services, EMAIL)


def send(olga: Person, content: bytes, name: str = "persons.csv", slug: str = "cpx") -> None:
    """Choose the file and press the button."""
    olga.open("/admin/new-import")
    address, values = olga.filled(1)
    data = {**values, "portal": slug, "file": (BytesIO(content), name)}
    answer = olga.client.post(address, data=data, base_url=ISSUER, headers={"Origin": ISSUER})
    olga._arrive(answer, address)


def choose(olga: Person) -> None:
    """Take the columns as they are proposed."""
    fields = ("external_id", "insured_number", "given_name", "family_name", "birth_date", "language", "address_1")
    olga.submit(1, **{f"c{at}": name for at, name in enumerate((*fields, "address_2"))})


def work(app: Flask, olga: Person) -> None:
    """The worker works, and the operator looks again."""
    ImportWorker(app).run_once()
    olga.open(olga.address)


def stored() -> set[str]:
    db.session.rollback()
    return set(db.session.scalars(select(InsuredPerson.external_id)))


def test_a_file_is_sent_mapped_checked_and_imported(app: Flask, portal: Portal, olga: Person) -> None:
    add_person(portal, "P-9")
    olga.open("/admin/imports")
    assert "Aucune importation" in said(olga)
    send(olga, file(row("P-1"), row("P-2")))
    assert olga.title == "Colonnes du fichier"
    assert "Exemple : 756.9217.0769.85" in said(olga).replace("\u00a0", " ")
    assert olga.text.count("selected") == 8, "known by their names"
    choose(olga)
    assert "contrôle en cours" in said(olga)
    work(app, olga)
    assert "Nouvelles 2" in said(olga)
    olga.open(f"{olga.address}/start")
    assert "2 personnes seront ajoutées" in said(olga)
    assert "1 personnes absentes" in said(olga)
    olga.submit(1)
    assert stored() == {"P-9"}, "the job is the worker's"
    assert "<progress" in olga.text
    work(app, olga)
    assert "terminé" in said(olga)
    assert re.search(r"attendent leur lettre\. .+ poster des lettres\W+lettres", said(olga))
    assert stored() == {"P-1", "P-2", "P-9"}
    olga.open("/admin/imports")
    assert "persons.csv" in said(olga)


@pytest.mark.sqlite_only
def test_wrong_rows_are_told_and_need_a_tick(app: Flask, olga: Person) -> None:
    send(olga, file(row("P-1"), row("P-2", language="rm"), row("P-3", family_name="x" * 101)))
    choose(olga)
    work(app, olga)
    page = said(olga)
    assert "3 Langue (fr, de, it, en) n’est ni fr, ni de, ni it, ni en rm" in page
    assert "4 Nom a plus de 100 caractères" in page
    olga.open(f"{olga.address}/start")
    olga.submit(1)
    assert olga.errors() == ["good_only"]
    olga.submit(1, good_only="yes")
    work(app, olga)
    assert stored() == {"P-1"}


@pytest.mark.sqlite_only
def test_the_report_of_errors_computes_nothing_in_a_spreadsheet(app: Flask, olga: Person) -> None:
    formulas = ("=1+1", "+41", "-2", "@SUM(A1)")
    send(olga, file(*(row(f"P-{at}", language=one) for at, one in enumerate(formulas))))
    choose(olga)
    work(app, olga)
    answer = olga.client.get(f"{olga.address}/errors.csv", base_url=ISSUER)
    table = list(csv.reader(StringIO(answer.get_data().decode("utf-8-sig")), delimiter=";"))
    assert table[0] == ["Ligne", "Champ", "Raison", "Valeur"]
    assert [cells[3] for cells in table[1:]] == [f"'{one}" for one in formulas]
    assert answer.headers["Content-Disposition"].startswith("attachment; filename=errors-")
    read = select(func.count()).where(AuditEvent.tag == "operator:person_import:read")
    assert db.session.scalar(read) >= 2


@pytest.mark.sqlite_only
def test_what_is_not_in_the_file_is_listed_by_its_reference(app: Flask, portal: Portal, olga: Person) -> None:
    for number in range(52):
        add_person(portal, f"Q-{number:02}")
    send(olga, file(row("P-1")))
    choose(olga)
    work(app, olga)
    found = olga.address
    olga.open(f"{found}/left")
    assert "H. Müller" in olga.text
    assert "Hélène" not in olga.text
    assert olga.text.count('<th scope="row">') == 50
    olga.open(f"{found}/left?from=50")
    assert olga.text.count('<th scope="row">') == 2
    for nonsense in ("x", "-1", "99999999"):
        olga.open(f"{found}/left?from={nonsense}")
        assert olga.page.status_code == 200


@pytest.mark.sqlite_only
def test_an_import_is_paused_resumed_and_cancelled(app: Flask, olga: Person) -> None:
    send(olga, many(3))
    choose(olga)
    work(app, olga)
    found = olga.address
    olga.open(f"{found}/start")
    olga.submit(1)
    olga.submit(1)
    assert "interrompu" in said(olga)
    work(app, olga)
    assert stored() == set()
    olga.submit(1)
    assert "importation en cours" in said(olga)
    olga.open(f"{found}/cancel")
    assert "Ce qui est déjà écrit reste" in said(olga)
    olga.submit(1)
    assert "abandonné" in said(olga)
    work(app, olga)
    assert stored() == set()


def test_an_import_is_undone_within_a_day(app: Flask, olga: Person, clock: FrozenClock) -> None:
    send(olga, many(3))
    choose(olga)
    work(app, olga)
    found = olga.address
    olga.open(f"{found}/start")
    olga.submit(1)
    work(app, olga)
    assert "28.3.2026, 14:30" in said(olga)
    olga.open(f"{found}/undo")
    assert "3 personnes ajoutées sont retirées" in said(olga)
    olga.submit(1)
    work(app, olga)
    assert stored() == set()
    clock.advance(timedelta(days=2))
    for deed in ("undo", "start", "cancel", "columns"):
        answer = olga.client.get(f"{found}/{deed}", base_url=ISSUER)
        assert answer.status_code == 303, "what its state does not allow leads back to it"


@pytest.mark.sqlite_only
@pytest.mark.parametrize(
    ("content", "words"),
    [(b"", "Choisissez un fichier"), (b"PK\x03\x04x", "ne se laisse pas lire"), (b"a;b\n\xff;1\n", "pas en UTF-8")],
)
def test_what_is_no_table_is_told_at_its_field(olga: Person, content: bytes, words: str) -> None:
    send(olga, content)
    assert olga.errors() == ["file"]
    assert words in said(olga)
    assert db.session.scalar(select(func.count()).select_from(PersonImport)) == 0


@pytest.mark.sqlite_only
def test_a_column_that_every_file_needs_is_asked_for_with_the_entries_kept(olga: Person) -> None:
    send(olga, file(row("P-1")))
    olga.submit(1, c0="", c1="insured_number", c2="insured_number", c3="family_name", c4="birth_date")
    assert "Aucune colonne pour : Référence de la caisse, Langue" in said(olga).replace("\u00a0", " ")
    assert olga.text.count("selected") == 4


def test_a_file_name_is_text(olga: Person) -> None:
    send(olga, file(row("P-1")), name="<b>\x01\u2028=HYPERLINK().csv")
    assert db.session.scalar(select(PersonImport.file_name)) == "<b>=HYPERLINK().csv"
    olga.open("/admin/imports")
    assert "&lt;b&gt;" in olga.text


def test_imports_of_another_fund_do_not_exist(web: Flask, services: Services, portal: Portal, olga: Person) -> None:
    other = add_portal("fon", names={"fr": "Fondation Secrète"})
    theirs = services.import_jobs.receive(other, "geheim.csv", file(row("F-1")), "console").id
    db.session.commit()
    olga.open("/admin/imports?portal=fon")
    assert "geheim" not in olga.text
    assert "Secrète" not in olga.text
    send(olga, file(row("P-1")), slug="fon")
    assert olga.errors() == ["portal"]
    for deed in ("", "/columns", "/start", "/cancel", "/undo", "/left", "/errors.csv"):
        found = olga.client.get(f"/admin/imports/{theirs}{deed}", base_url=ISSUER)
        none = olga.client.get(f"/admin/imports/{UUID(int=1)}{deed}", base_url=ISSUER)
        assert found.status_code == none.status_code == 404
    _, values = olga.filled(1)
    for deed in ("columns", "start", "pause", "resume", "cancel", "undo"):
        answer = olga.client.post(
            f"/admin/imports/{theirs}/{deed}", data=values, base_url=ISSUER, headers={"Origin": ISSUER}
        )
        assert answer.status_code == 404


@pytest.mark.sqlite_only
def test_a_stranger_may_send_no_more_than_a_form(web: Flask, services: Services, portal: Portal, olga: Person) -> None:
    stranger = Person(web)
    stranger.open("/admin/login")
    content = b"x" * 100_000
    for person, wanted in ((stranger, 413), (olga, 303)):
        _, values = person.filled(0)
        data = {**values, "portal": "cpx", "file": (BytesIO(content), "x.csv")}
        answer = person.client.post("/admin/new-import", data=data, base_url=ISSUER, headers={"Origin": ISSUER})
        assert answer.status_code == wanted
    huge, kind = bytes(services.import_jobs.largest + 200_000), "multipart/form-data; boundary=x"
    answer = olga.client.post(
        "/admin/new-import", data=huge, content_type=kind, base_url=ISSUER, headers={"Origin": ISSUER}
    )
    assert answer.status_code == 413
    assert "50 Mo" in answer.get_data(as_text=True)


@pytest.mark.sqlite_only
def test_a_file_of_many_pieces_arrives(olga: Person) -> None:
    send(olga, many(4_000))
    assert olga.title == "Colonnes du fichier"


@pytest.mark.sqlite_only
def test_a_file_never_lies_open_on_a_disk(web: Flask) -> None:
    data = {"file": (BytesIO(b"x"), "x.csv")}
    with web.test_request_context("/admin/new-import", method="POST", data=data, base_url=ISSUER):
        assert isinstance(request.files["file"].stream, BytesIO)


@pytest.mark.sqlite_only
def test_a_key_for_feeds_is_shown_once_and_ended(olga: Person) -> None:
    olga.open("/admin/portals/cpx/feed")
    assert f"POST {ISSUER}/api/imports/cpx" in said(olga)
    olga.submit(1)
    secret = olga.text.split('data-copy="')[1].split('"')[0]
    assert secret.startswith("cc_im_")
    olga.open("/admin/portals/cpx/feed")
    assert secret not in olga.text
    assert secret not in repr(db.session.execute(select(ImportToken.token_hash)).all())
    olga.open("/admin/portals/cpx/feed/" + olga.text.split('<a href="/admin/portals/cpx/feed/')[1].split('"')[0])
    olga.submit(1)
    assert "pas encore de clé" in said(olga)


@pytest.mark.sqlite_only
def test_a_new_portal_leads_to_its_persons_and_they_to_their_letters(
    app: Flask, web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_operator(services, "peter@fund.example.ch", ["portal_admin@cpx", "letters@cpx"])
    peter = sign_in(web, services, "peter@fund.example.ch")
    peter.open("/admin/portals/cpx")
    assert '<a class="button" href="/admin/new-import">' in peter.text
    send(peter, file(row("P-1")))
    choose(peter)
    work(app, peter)
    assert "attendent leur lettre" not in said(peter), "nothing is written yet"
    peter.open(f"{peter.address}/start")
    peter.submit(1)
    work(app, peter)
    assert '<a class="button" href="/admin/letters/new">' in peter.text
    peter.open("/admin/portals/cpx")
    assert "/admin/new-import" not in peter.text


@pytest.mark.parametrize("heading", ["Personal-Nr.", "Mitgliednummer", "N° de membre", "Matricule", "Matricola"])
def test_what_a_fund_calls_its_own_number_is_known(heading: str) -> None:
    assert recognise([heading, "AHV-Nr.", "Name"]) == ["external_id", "insured_number", "family_name"]
