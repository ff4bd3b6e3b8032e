"""Batches of letters in the console: made by one operator, approved by another, printed, posted, brought back."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from idp.admin import letters as letters_page
from idp.admin.letter_returns import RETURNED
from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.letter_batch import BatchState, LetterBatch
from idp.models.portal import Portal
from idp.services import letter_batches
from idp.services.bundle import Services
from idp.services.letter_batches import BatchDeed
from idp.services.letter_references import show_reference
from idp.services.registration_codes import show
from tests.support import qr
from tests.support.batches import codes_of, in_state, letters_of, press, set_quickly
from tests.support.builders import add_person, add_portal
from tests.support.console import said
from tests.support.operators import add_operator, sign_in
from tests.support.person import ISSUER, Person
from tests.support.printed import Document

OLGA, PETER = "olga@fund.example.ch", "peter@fund.example.ch"


@pytest.fixture(autouse=True)
def quick(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if "on_paper" not in request.fixturenames:
        set_quickly(monkeypatch)


@pytest.fixture
def on_paper() -> None:
    """For tests that look at what is set."""


def at_work(web: Flask, services: Services, clock: FrozenClock, email: str, role: str = "letters@cpx") -> Person:
    """Another operator; a fresh app code needs another half a minute."""
    add_operator(services, email, [role])
    clock.at = clock.at.replace(minute=clock.at.minute + 1)
    return sign_in(web, services, email)


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal, clock: FrozenClock) -> Person:
    return at_work(web, services, clock, OLGA)


@pytest.fixture
def peter(web: Flask, services: Services, portal: Portal, clock: FrozenClock) -> Person:
    return at_work(web, services, clock, PETER)


def make(person: Person, kind: str = "never") -> UUID:
    """Counted, drafted; the id of the batch."""
    person.open("/admin/letters/new")
    chosen = {"portal": "cpx", "kind": kind, "language": "", "days": "14"}
    person.submit(1, **chosen)
    person.submit(1, **chosen, do="draft")
    found = re.search(r"/admin/letters/([0-9a-f-]{36})", person.address)
    assert found, said(person)
    return UUID(found[1])


def do(person: Person, batch_id: UUID, deed: str, **fields: str) -> None:
    person.open(f"/admin/letters/{batch_id}/{deed}")
    person.submit(1, **fields)


def get(person: Person, address: str) -> TestResponse:
    return person.client.get(address, base_url=ISSUER)


def state(batch_id: UUID) -> str:
    db.session.rollback()
    db.session.expire_all()
    return db.session.get_one(LetterBatch, batch_id).state


def events(tag: str) -> list[AuditEvent]:
    db.session.rollback()
    return list(db.session.scalars(select(AuditEvent).where(AuditEvent.tag == tag)))


def test_a_batch_from_its_count_to_the_letters_that_came_back(
    app: Flask, web: Flask, services: Services, portal: Portal, olga: Person, peter: Person
) -> None:
    for at in range(3):
        add_person(portal, f"P-{at}")
    olga.open("/admin/letters/new")
    olga.submit(1, portal="cpx", kind="never", language="", days="14")
    assert "3 personnes recevraient une lettre" in said(olga)
    assert db.session.scalar(select(LetterBatch)) is None, "counting makes nothing"
    batch_id = make(olga)
    assert "Une deuxième personne doit l’approuver" in said(olga)
    assert get(olga, f"/admin/letters/{batch_id}/letters.pdf?part=1").status_code == 404
    do(peter, batch_id, "approve")
    assert "PDF : 0 lettres sur 3" in said(peter)
    press(app)
    peter.open(f"/admin/letters/{batch_id}")
    assert "Lettres 0001 à 0003 (PDF)" in said(peter)
    answer = get(peter, f"/admin/letters/{batch_id}/letters.pdf?part=1")
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="cpx-1-01.pdf"'
    codes = codes_of(answer.get_data())
    (taken,) = events("operator:letter_batch:download")
    assert taken.detail == {"batch": "1", "part": "1"}
    do(peter, batch_id, "print")
    press(app)
    assert get(peter, f"/admin/letters/{batch_id}/letters.pdf?part=1").status_code == 404
    do(peter, batch_id, "post", day="27.3.2026")
    assert "L’envoi est indiqué" in said(peter)
    assert re.search(r"Code valable\s+3\s+100 %", said(peter))
    letters = letters_of(db.session.get_one(LetterBatch, batch_id))
    typed = f"0001 {show_reference(letters[1].reference)} ABCD-EFGH"
    peter.open(f"/admin/letters/{batch_id}/returned")
    peter.submit(1, letters=typed, reason="moved")
    assert "2 lettres reconnues" in said(peter)
    assert "…D-EFGH" in said(peter)
    assert events("operator:letter:return") == [], "counting voids nothing"
    peter.submit(1, do="void")
    assert "2 lettres revenues" in said(peter)
    assert re.search(r"Revenues\s+2\s+66 %", open_page(peter, batch_id))
    reader = Person(web)
    reader.open("/cpx/register/code")
    reader.submit(code=codes[0])
    assert reader.errors() == ["code"]
    reader.submit(code=codes[2])
    assert reader.errors() == []
    assert re.search(r"Code saisi\s+1\s+33 %", open_page(peter, batch_id))


def open_page(person: Person, batch_id: UUID) -> str:
    person.open(f"/admin/letters/{batch_id}")
    return said(person)


@pytest.mark.sqlite_only
def test_whoever_made_a_batch_cannot_approve_it_in_another_session_either(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock, olga: Person, peter: Person
) -> None:
    add_person(portal)
    batch_id = make(olga)
    clock.at = clock.at.replace(minute=clock.at.minute + 1)
    again = sign_in(web, services, OLGA)
    for session in (olga, again):
        session.open(f"/admin/letters/{batch_id}/approve")
        assert "Vous avez préparé ce lot" in said(session)
        fields = session.filled()[1]
        session.client.post(
            f"/admin/letters/{batch_id}/approve", base_url=ISSUER, headers={"Origin": ISSUER}, data=fields
        )  # whoever sends it all the same
        assert state(batch_id) == BatchState.DRAFT
    peter.open(f"/admin/letters/{batch_id}/approve")
    late = peter.filled(1)
    do(peter, batch_id, "approve")
    assert state(batch_id) == BatchState.APPROVED
    response, _ = peter.post(late)
    assert response.headers["Location"].endswith("/approve"), "the second one is led to the page that says why not"


@pytest.mark.sqlite_only
def test_every_deed_in_every_state_has_its_button_or_says_why_not(
    app: Flask, services: Services, portal: Portal, olga: Person
) -> None:
    for one in BatchState:
        add_person(portal, f"P-{one}")
        batch = in_state(app, services, portal, one)
        ident = batch.id
        shown = open_page(olga, ident)
        for deed in BatchDeed:
            refusal = services.letter_batches.refusal(deed, batch, None)
            olga.open(f"/admin/letters/{ident}/{deed}")
            has_button = len(re.findall('method="post"', olga.text)) > 1
            assert has_button == (refusal is None), (one, deed)
            if refusal:
                words = services.texts.get("fr", refusal)
                assert words in said(olga)
                assert words in shown
        if one not in {BatchState.PRINTED, BatchState.POSTED, BatchState.CANCELLED}:
            services.letter_batches.cancel(batch, None)
            db.session.commit()


@pytest.mark.sqlite_only
def test_no_code_stands_on_any_page_nor_in_the_record(
    app: Flask, web: Flask, services: Services, portal: Portal, olga: Person, capsys: pytest.CaptureFixture[str]
) -> None:
    add_person(portal, given_name="=HYPERLINK()")
    batch = in_state(app, services, portal, BatchState.SET)
    ident, opened = batch.id, services.letter_batches.open_file(batch, 1, None)
    assert opened is not None
    (code,) = codes_of(opened)
    reference = letters_of(batch)[0].reference
    pages = ["", "/approve", "/print", "/post", "/cancel", "/preview", "/returned", "/addresses.csv"]
    answers = [get(olga, f"/admin/letters/{ident}{page}") for page in pages]
    answers += [get(olga, address) for address in ("/admin/letters", "/admin/persons", "/admin/audit", RETURNED)]
    do(olga, ident, "print")
    press(app)
    olga.open(RETURNED)
    scan = services.letters.address(portal, "fr", code)
    olga.submit(1, letters=f"{scan} {scan[:-1]}", reason="")
    olga.submit(1, letters=f"{scan} {scan[:-1]}", reason="moved")
    assert show_reference(reference) in said(olga) or reference in olga.text
    answers.append(olga.page)
    for answer in answers:
        body = answer.get_data(as_text=True)
        assert code not in body
        assert show(code) not in body
        assert answer.headers["Cache-Control"] == "no-store"
    assert code not in olga.address
    assert code not in str([event.detail for event in db.session.scalars(select(AuditEvent))])
    logged = capsys.readouterr()
    assert code not in logged.out + logged.err


@pytest.mark.sqlite_only
def test_the_address_file_runs_nothing_in_a_spreadsheet(
    app: Flask, services: Services, portal: Portal, olga: Person
) -> None:
    add_person(portal, given_name="=cmd()", family_name="", address=["+41 Weg", "-1", "@SUM", "1000 Lausanne; Ost"])
    batch = in_state(app, services, portal, BatchState.SET)
    (letter,) = letters_of(batch)
    answer = get(olga, f"/admin/letters/{batch.id}/addresses.csv")
    _, row = csv.reader(io.StringIO(answer.get_data().decode("utf-8-sig")), delimiter=";")
    assert row == [
        "0001", show_reference(letter.reference), "fr", "'=cmd()", "'+41 Weg", "'-1", "'@SUM", "1000 Lausanne; Ost",
    ]  # fmt: skip
    assert len(events("operator:letter_batch:export")) == 1


@pytest.mark.sqlite_only
def test_the_preview_is_the_real_letter_with_a_code_that_is_none_and_the_window_over_it(
    app: Flask, services: Services, portal: Portal, olga: Person, on_paper: None
) -> None:
    add_person(portal)
    batch = in_state(app, services, portal, BatchState.DRAFT)
    olga.open(f"/admin/letters/{batch.id}/preview?n=7000")
    assert "Aperçu de la lettre 0001 sur 0001" in said(olga)
    picture = get(olga, f"/admin/letters/{batch.id}/preview.png?n=1")
    assert picture.mimetype == "image/png"
    assert qr.code(picture.get_data()) == "http://localhost:8000/cpx/r?lang=fr#XXXXXXXXXXXX"
    document = Document(get(olga, f"/admin/letters/{batch.id}/preview.pdf?n=1").get_data())
    assert "XXXX-XXXX-XXXX" in document.text(0)
    assert "0001/0001" in document.text(0)
    assert any(abs(box.left - 112) < 1 and abs(box.bottom - 90) < 1 for box in document.drawings(0))
    document.close()
    assert len(events("operator:letter:preview")) == 2


@pytest.mark.sqlite_only
def test_the_batches_of_another_fund_do_not_exist(app: Flask, services: Services, portal: Portal, olga: Person) -> None:
    other = add_portal("geheim", names={"fr": "Fondation Secrète"})
    add_person(other)
    batch = in_state(app, services, other, BatchState.SET)
    ident, reference = batch.id, letters_of(batch)[0].reference
    olga.open("/admin/letters")
    assert str(ident) not in olga.text
    assert "Secrète" not in olga.text
    for page in ("", "/approve", "/print", "/preview", "/preview.png", "/letters.pdf?part=1", "/addresses.csv"):
        assert get(olga, f"/admin/letters/{ident}{page}").status_code == 404, page
    olga.open(RETURNED)
    olga.submit(1, letters=reference, reason="moved")
    assert "0 lettres reconnues" in said(olga)
    olga.open("/admin/letters/new")
    olga.submit(1, portal="geheim", kind="never", language="", days="14")
    assert olga.errors() == ["portal"]


@pytest.mark.sqlite_only
def test_a_role_that_only_sees_reads_who_may_act(
    app: Flask, web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    add_person(portal)
    batch = in_state(app, services, portal, BatchState.SET)
    ident = batch.id
    reader = at_work(web, services, clock, PETER, "support@cpx")
    reader.open(f"/admin/letters/{ident}")
    assert "Préparer, approuver, imprimer et poster des lettres : lettres" in said(reader)
    assert "letters.pdf" not in reader.text
    for page in ("/print", "/preview", "/preview.png", "/letters.pdf?part=1", "/addresses.csv", "/returned"):
        assert get(reader, f"/admin/letters/{ident}{page}").status_code == 403, page


@pytest.mark.sqlite_only
def test_a_list_that_names_no_letter_says_what_to_do(portal: Portal, olga: Person) -> None:
    olga.open(RETURNED)
    olga.submit(1, letters="", reason="")
    assert olga.errors() == ["letters", "reason"]
    olga.open(RETURNED)
    olga.submit(1, letters=" ".join(["C7K2-9PQX"] * 201), reason="moved")
    assert olga.errors() == ["letters"]


def test_the_desk_finds_whose_a_letter_is_by_its_reference(
    app: Flask, services: Services, portal: Portal, olga: Person
) -> None:
    other = add_portal("geheim")
    mine, foreign = add_person(portal), add_person(other, "P-2")
    references = [
        show_reference(letters_of(in_state(app, services, one, BatchState.DRAFT))[0].reference)
        for one in (portal, other)
    ]
    for typed in (references[0], references[0].lower().replace("-", " ")):
        olga.open("/admin/persons")
        olga.submit(1, q=typed)
        assert f"/admin/persons/{mine.id}" in olga.text
    olga.open("/admin/persons")
    olga.submit(1, q=references[1])
    assert str(foreign.id) not in olga.text


@pytest.mark.sqlite_only
def test_a_large_fund_is_led_from_the_draft_to_the_post_without_a_click_for_each_batch(
    app: Flask, services: Services, portal: Portal, olga: Person, peter: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(letter_batches, "MOST", 2)
    monkeypatch.setattr(letters_page, "MOST", 2)
    for at in range(5):
        add_person(portal, f"P-{at}")
    chosen = {"portal": "cpx", "kind": "never", "language": "", "days": "14"}
    olga.open("/admin/letters/new")
    olga.submit(1, **chosen)
    assert re.search(r"Nombre de lots de 2 lettres au plus\W+3\.", said(olga))
    olga.submit(1, **chosen, do="draft")
    assert "3 lots sont créés" in said(olga)
    assert "/admin/letters/at/cpx/approve" not in olga.text, "whoever made them cannot approve them"
    together(peter, "approve", "3 lots sont approuvés")
    press(app)
    peter.open("/admin/letters/at/cpx/print")
    archive = re.findall(r'"(/admin/letters/[0-9a-f-]{36}/letters.zip)"', peter.text)
    assert len(archive) == 3
    with zipfile.ZipFile(io.BytesIO(get(peter, archive[0]).get_data())) as packed:
        assert packed.namelist() == ["cpx-1-01.pdf"]
        assert len(codes_of(packed.read("cpx-1-01.pdf"))) == 2
    assert [event.detail["part"] for event in events("operator:letter_batch:download")] == ["1"]
    together(peter, "print", "L’impression de 3 lots est confirmée")
    assert get(peter, archive[0]).status_code == 404, "what is printed is wiped"
    press(app)
    together(peter, "post", "L’envoi de 3 lots est indiqué", day="27.3.2026")
    batches = db.session.scalars(select(LetterBatch)).all()
    assert {(one.state, one.count) for one in batches} == {("posted", 2), ("posted", 1)}


def together(person: Person, deed: str, told: str, **fields: str) -> None:
    """From the list to all that wait for this, each ticked as it is offered."""
    person.open("/admin/letters")
    assert f"/admin/letters/at/cpx/{deed}" in person.text
    person.open(f"/admin/letters/at/cpx/{deed}")
    ticked = re.findall(r'name="batch" value="([0-9a-f-]{36})" checked', person.text)
    address, filled = person.filled(1, **fields)
    person._arrive(*person.post((address, {**filled, "batch": ticked})))  # type: ignore[dict-item]
    assert told in said(person)


@pytest.mark.sqlite_only
def test_of_several_batches_only_what_is_ticked_and_allowed_is_moved_on(
    services: Services, portal: Portal, olga: Person, peter: Person
) -> None:
    add_person(portal, "P-1")
    own = make(olga)
    add_person(portal, "P-2")
    others = make(peter)
    olga.open("/admin/letters/at/cpx/approve")
    assert f'value="{own}" disabled' in olga.text
    address, filled = olga.filled(1)
    olga._arrive(*olga.post((address, {**filled, "batch": str(own)})))
    assert olga.errors() == ["batch"]
    assert "Choisissez au moins un lot" in said(olga)
    olga.open("/admin/letters/at/cpx/approve")
    olga.submit(1, batch=str(others))
    assert (state(own), state(others)) == (BatchState.DRAFT, BatchState.APPROVED)
    olga.open("/admin/letters/at/cpx/post")
    assert "Aucun lot n’attend cela" in said(olga)


@pytest.mark.sqlite_only
def test_the_page_of_a_batch_leads_to_the_next_step_or_says_whom_it_waits_for(
    app: Flask, web: Flask, services: Services, portal: Portal, clock: FrozenClock, olga: Person
) -> None:
    add_person(portal)
    batch_id = make(olga)
    assert "Personne d’autre ne peut encore l’approuver" in said(olga)
    peter = at_work(web, services, clock, PETER)
    assert re.search(r"Peuvent l’approuver\W+Olga Peter\.", open_page(olga, batch_id))
    for deed in ("approve", "print", "post"):
        peter.open(f"/admin/letters/{batch_id}")
        assert f'<a class="button" href="/admin/letters/{batch_id}/{deed}">' in peter.text
        do(peter, batch_id, deed, **({"day": "27.3.2026"} if deed == "post" else {}))
        press(app)
    assert '<a class="button"' not in get(peter, f"/admin/letters/{batch_id}").get_data(as_text=True)
