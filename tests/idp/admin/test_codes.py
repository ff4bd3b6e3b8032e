"""Registration codes in the console: listed without a code, voided, extended and issued anew, singly and in bulk."""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import select
from werkzeug.test import TestResponse

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.code_change import CodeChange
from idp.models.letter_batch import BatchState, LetterBatch
from idp.models.person import RegistrationCode
from idp.models.portal import Portal
from idp.services.bundle import Services
from idp.services.code_changer import CodeChanger
from idp.services.code_changes import CodeState, in_state, latest
from idp.services.letter_references import show_reference
from idp.services.registration_codes import Expired, Found, Unknown
from tests.support.batches import in_state as batch_in_state
from tests.support.batches import letters_of, set_quickly
from tests.support.builders import add_person, add_portal
from tests.support.console import said
from tests.support.operators import add_operator, sign_in
from tests.support.person import ISSUER, Person

OLGA = "olga@fund.example.ch"


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, OLGA, ["letters@cpx"])
    return sign_in(web, services, OLGA)


def issue(services: Services, portal: Portal, external_id: str = "P-1") -> str:
    code = services.registration_codes.issue(add_person(portal, external_id), portal)
    db.session.commit()
    return code


def rows() -> list[RegistrationCode]:
    db.session.rollback()
    found = select(RegistrationCode).order_by(RegistrationCode.id)
    return list(db.session.scalars(found.execution_options(populate_existing=True)))


def do(olga: Person, address: str, **fields: str) -> None:
    olga.open(address)
    olga.submit(1, **fields)


def get(person: Person, address: str) -> TestResponse:
    return person.client.get(address, base_url=ISSUER)


def let_the_worker_change(app: Flask) -> None:
    while CodeChanger(app).run_once():
        pass


def details(tag: str) -> list[dict[str, str]]:
    db.session.rollback()
    return list(db.session.scalars(select(AuditEvent.detail).where(AuditEvent.tag == tag)))


def test_the_list_shows_letters_and_masked_persons_by_portal_and_state(
    app: Flask, services: Services, portal: Portal, olga: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    set_quickly(monkeypatch)
    add_person(portal)
    batch = batch_in_state(app, services, portal, BatchState.PRINTED)
    (letter,) = letters_of(batch)
    code = issue(services, portal, "P-2")
    issue(services, add_portal("geheim"), "P-3")
    olga.open("/admin/codes")
    assert show_reference(letter.reference) in said(olga)
    assert "H. Müller" in said(olga)
    assert "Hélène" not in olga.text
    assert "GEHEIM" not in olga.text
    assert code not in olga.text
    assert olga.text.count("<tr>") == 3
    olga.open("/admin/codes?portal=cpx&state=revoked")
    assert "Aucun code ne correspond" in said(olga)
    olga.open("/admin/codes?portal=cpx&state=issued")
    assert olga.text.count("<tr>") == 3


def test_every_state_is_listed_as_its_code_says_it(
    app: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    for at in range(5):
        issue(services, portal, f"P-{at}")
    now = clock.now()
    made = rows()
    made[0].redeemed_at = made[1].revoked_at = made[2].reserved_at = now
    made[3].expires_at = now
    db.session.commit()
    for state in CodeState:
        (found,) = db.session.scalars(select(RegistrationCode).where(*in_state(state, now)))
        assert found.state(now) == state


@pytest.mark.sqlite_only
def test_voiding_and_extending_one_code(
    web: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock
) -> None:
    code = issue(services, portal)
    clock.advance(timedelta(days=32))
    olga = sign_in(web, services, OLGA)  # the session of a month ago has ended
    assert isinstance(services.registration_codes.look_up(portal, code), Expired)
    (row,) = rows()
    do(olga, f"/admin/codes/{row.id}/extend", days="14")
    assert "Le code est valable jusqu’au 12.5.2026" in said(olga)
    assert rows()[0].state(clock.now()) == "issued"
    assert isinstance(services.registration_codes.look_up(portal, code), Found)
    do(olga, f"/admin/codes/{row.id}/void")
    assert "Le code est annulé" in said(olga)
    assert rows()[0].state(clock.now()) == "revoked"
    assert isinstance(services.registration_codes.look_up(portal, code), Unknown)
    for deed in ("void", "extend"):
        olga.open(f"/admin/codes/{row.id}/{deed}")
        assert olga.text.count('method="post"') == 1, "no button but the one that signs out"
    assert details("operator:registration_code:extend") == [{"until": "2026-05-12", "by": ""}]
    assert len(details("operator:registration_code:revoke")) == 1


@pytest.mark.sqlite_only
def test_a_code_never_lives_longer_than_ninety_days(
    app: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    issue(services, portal)
    (row,) = rows()
    changes, issued = services.code_changes, row.issued_at
    for _ in range(10):
        changes.extend(row, changes.day_in(30))
        db.session.commit()
        (row,) = rows()
        clock.advance(timedelta(days=20))
    assert row.expires_at == latest(row) == datetime.fromisoformat("2026-06-25T23:59:59+02:00")
    assert row.expires_at - issued < timedelta(days=91)
    assert not changes.extend(row, changes.day_in(30))


def test_many_codes_are_counted_first_and_then_changed_by_the_worker(
    app: Flask, services: Services, portal: Portal, olga: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idp.services.code_changes.ROWS", 2)
    codes = [issue(services, portal, f"P-{at}") for at in range(5)]
    other = add_portal("other")
    spared = issue(services, other, "P-9")
    address = "/admin/codes/all-extend?portal=cpx&state=issued"
    olga.open(address)
    assert "5 codes de Caisse CPX : pas encore utilisé" in said(olga)
    assert details("operator:registration_code:change") == []
    until = {row.expires_at for row in rows()}
    do(olga, address, days="30")
    assert "0 codes sur 5" in said(olga)
    let_the_worker_change(app)
    assert {row.expires_at for row in rows()} == until, "they were good for 30 days before"
    do(olga, "/admin/codes/all-void?portal=cpx&state=issued")
    let_the_worker_change(app)
    olga.open(olga.address)
    assert "Terminé : 5 codes sur 5" in said(olga)
    looked_up = {type(services.registration_codes.look_up(portal, code)) for code in codes}
    assert looked_up == {Unknown}
    assert isinstance(services.registration_codes.look_up(other, spared), Found)
    assert len(details("operator:registration_code:revoke")) == 5
    assert len({detail["by"] for detail in details("operator:registration_code:revoke")}) == 1


@pytest.mark.sqlite_only
def test_more_codes_than_may_be_changed_at_once_are_not_changed(
    services: Services, portal: Portal, olga: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for at in range(3):
        issue(services, portal, f"P-{at}")
    address = "/admin/codes/all-void?portal=cpx&state=issued"
    olga.open(address)
    late = olga.filled(1)
    for module in ("services.code_changes", "admin.codes_in_bulk"):
        monkeypatch.setattr(f"idp.{module}.MOST", 2)
    olga.open(address)
    assert "2+ codes de Caisse CPX" in said(olga)
    assert "plus de 2 codes à la fois" in said(olga)
    assert olga.text.count('method="post"') == 1
    olga.post((address, late[1]))
    db.session.rollback()
    assert db.session.scalar(select(CodeChange)) is None


def test_a_worker_that_stopped_in_the_middle_is_followed_by_another(
    app: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("idp.services.code_changes.ROWS", 2)
    for at in range(5):
        issue(services, portal, f"P-{at}")
    do(olga, "/admin/codes/all-void?portal=cpx&state=issued")
    change = db.session.scalars(select(CodeChange)).one()
    assert services.code_changes.go_on(change)
    db.session.commit()  # and there it died
    let_the_worker_change(app)
    assert [row.state(clock.now()) for row in rows()].count("revoked") == 2, "its lease has not ended"
    clock.advance(timedelta(minutes=3))
    let_the_worker_change(app)
    assert {row.state(clock.now()) for row in rows()} == {"revoked"}
    db.session.expire_all()
    assert db.session.scalars(select(CodeChange.done)).one() == 5


def test_new_letters_for_all_that_match_become_a_draft_for_a_second_person(
    services: Services, portal: Portal, olga: Person, clock: FrozenClock
) -> None:
    for at in range(3):
        issue(services, portal, f"P-{at}")
    address = "/admin/codes/all-letter?portal=cpx&state=issued"
    olga.open(address)
    assert "3 personnes recevraient une lettre" in said(olga)
    olga.submit(1)
    batch = db.session.scalars(select(LetterBatch)).one()
    assert (batch.count, batch.state, batch.kind) == (3, BatchState.DRAFT, "chosen")
    assert {row.state(clock.now()) for row in rows()} == {"issued"}, "good until the new ones are printed"
    olga.open(address)
    assert olga.text.count('method="post"') == 1, "they are in a batch already"


def test_the_codes_of_another_fund_and_bulk_without_the_role_are_out_of_reach(
    web: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock
) -> None:
    issue(services, add_portal("geheim"), "P-9")
    (row,) = rows()
    for page in ("", "/void", "/extend"):
        assert get(olga, f"/admin/codes/{row.id}{page}").status_code == 404
    for action in ("void", "extend", "letter"):
        assert get(olga, f"/admin/codes/all-{action}?portal=geheim&state=issued").status_code == 404
    assert get(olga, "/admin/codes/all-void?portal=cpx&state=redeemed").status_code == 404
    assert get(olga, f"/admin/codes/changes/{UUID(int=1)}").status_code == 404
    add_operator(services, "peter@fund.example.ch", ["support@cpx"])
    clock.advance(timedelta(minutes=1))
    peter = sign_in(web, services, "peter@fund.example.ch")
    issue(services, portal, "P-1")
    peter.open("/admin/codes?portal=cpx&state=issued")
    assert "all-void" not in peter.text
    assert get(peter, "/admin/codes/all-void?portal=cpx&state=issued").status_code == 403
    assert get(peter, f"/admin/codes/{rows()[-1].id}/extend").status_code == 200
