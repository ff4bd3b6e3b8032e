"""The audit page: every event in words, filtered, with what was before and after, and as a file."""

from __future__ import annotations

import csv
import io
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from idp.admin.audit_words import GROUPS, group_of, tags_of
from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.services.audit_chain import Linker, Verifier
from idp.services.bundle import Services
from idp.texts import Texts
from tests.support.builders import add_person, add_portal
from tests.support.console import said
from tests.support.engines import held_connections
from tests.support.operators import add_operator, sign_in
from tests.support.person import ISSUER, Person

pytestmark = pytest.mark.sqlite_only
EMAIL = "olga@fund.example.ch"


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, EMAIL, ["reader"])
    return sign_in(web, services, EMAIL)


@pytest.mark.no_database
def test_every_event_has_words_in_every_language_and_one_group() -> None:
    texts = Texts.load()
    assert {f"ev.{tag.value.replace(':', '.')}" for tag in AuditTag} <= texts.keys()
    assert sorted(tag for group in GROUPS for tag in tags_of(group)) == sorted(tag.value for tag in AuditTag)
    assert {f"adm.group.{group_of(tag)}" for tag in AuditTag} <= texts.keys()


def test_what_changed_stands_as_before_and_after(services: Services, portal: Portal, olga: Person) -> None:
    services.portals.update("cpx", {"phone": "058 765 43 21"})
    db.session.commit()
    olga.open("/admin/audit?tag=operator:portal:change")
    assert "phone: 058 123 45 67 → 058 765 43 21" in said(olga)
    assert "Portail modifié" in olga.text


def rows_of(person: Person, address: str) -> int:
    person.open(address)
    return person.text.count('<tr><td data-label="Quand">')


def test_the_filters_narrow_to_who_whom_what_and_when(
    services: Services, portal: Portal, olga: Person, clock: FrozenClock
) -> None:
    person = add_person(portal, "P-77")
    services.audit.record(AuditTag.CODE_ISSUED, person=person.id, portal=portal.id)
    services.audit.record(AuditTag.SIGNED_IN, portal=portal.id)
    db.session.commit()
    clock.advance(timedelta(days=2))
    services.audit.record(AuditTag.CODE_REVOKED, person=person.id, portal=portal.id)
    db.session.commit()
    clock.advance(timedelta(days=-2, minutes=5))
    at = "/admin/audit?"
    assert rows_of(olga, f"{at}person=P-77") == 2
    assert rows_of(olga, f"{at}person=P-78") == 0
    assert rows_of(olga, f"{at}person=P-77&to=2026-03-27") == 1
    assert rows_of(olga, f"{at}person=P-77&from=2026-03-28") == 1
    assert rows_of(olga, f"{at}group=letters") == 2
    assert rows_of(olga, f"{at}group=access") == 1
    assert rows_of(olga, f"{at}who={services.operators.load(EMAIL).id}") == 0
    olga.open(f"{at}from=yesterday")
    assert olga.errors() == ["from"]


def test_the_file_holds_every_event_and_no_formula_and_is_recorded(
    services: Services, portal: Portal, olga: Person
) -> None:
    for number in range(1203):
        services.audit.record(AuditTag.PASSKEY_ADDED, portal=portal.id, passkey=f"=cmd|{number}")
    services.audit.record(AuditTag.SIGNED_IN, portal=portal.id)
    db.session.commit()
    answer = olga.client.get("/admin/audit.csv?tag=person:passkey:add", base_url=ISSUER)
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    lines = list(csv.reader(io.StringIO(answer.get_data(as_text=True).removeprefix("\ufeff"))))
    assert len(lines) == 1 + 1203
    assert len({tuple(line) for line in lines}) == len(lines)
    db.session.rollback()
    taken = db.session.scalars(select(AuditEvent).where(AuditEvent.tag == "operator:audit:export")).one()
    assert taken.detail == {"fields": "tag=person:passkey:add"}
    assert taken.actor_id == services.operators.load(EMAIL).id


def test_whoever_reads_the_file_slowly_holds_no_connection(olga: Person) -> None:
    olga.open("/admin/audit")
    answer = olga.client.get("/admin/audit.csv", base_url=ISSUER, buffered=False)
    db.session.rollback()
    parts = answer.iter_encoded()
    next(parts), next(parts)
    held = held_connections(olga.client.application)
    answer.close()
    assert held == 0


def test_the_reader_of_one_fund_gets_nothing_of_another_in_page_or_file(
    web: Flask, services: Services, portal: Portal, olga: Person
) -> None:
    other = add_portal("fon")
    add_operator(services, "fon@fund.example.ch", ["reader@fon"])
    stranger = sign_in(web, services, "fon@fund.example.ch")
    addresses = ("/admin/audit", "/admin/audit.csv", "/admin/audit?person=P-9", "/admin/audit.csv?person=P-9")
    before = [seen(stranger, address) for address in addresses]
    services.audit.record(AuditTag.CODE_ISSUED, person=add_person(portal, "P-9").id, portal=portal.id)
    db.session.commit()
    assert [seen(stranger, address) for address in addresses] == before
    assert "Olga Olga" not in before[0]
    services.audit.record(AuditTag.CODE_ISSUED, person=add_person(other, "P-9").id, portal=other.id)
    db.session.commit()
    assert [seen(stranger, address) for address in addresses] != before


def seen(person: Person, address: str) -> str:
    page = person.client.get(address, base_url=ISSUER).get_data(as_text=True)
    return "\n".join(line for line in page.split("\n") if 'type="hidden"' not in line)


def test_the_page_says_how_the_chain_is(
    app: Flask, web: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock
) -> None:
    linker, verifier = Linker(app), Verifier(app)
    linker.run_once()
    verifier.run_once()
    olga.open("/admin/audit")
    assert "La chaîne compte" in olga.text
    assert "intacts" not in olga.text
    clock.advance(timedelta(days=1, minutes=1))
    verifier.run_once()
    verifier.run_once()
    db.session.rollback()
    assert len(db.session.scalars(select(AuditEvent).where(AuditEvent.tag == "operator:audit:verify")).all()) == 1
    again = sign_in(web, services, EMAIL)
    again.open("/admin/audit")
    assert "maillons sont intacts" in again.text
    db.session.execute(AuditEvent.__table__.update().values(tag="person:x:y").where(AuditEvent.tag.contains("join")))
    db.session.commit()
    clock.advance(timedelta(days=1, minutes=1))
    verifier.run_once()
    again = sign_in(web, services, EMAIL)
    again.open("/admin/audit")
    assert "la chaîne est rompue" in again.text
