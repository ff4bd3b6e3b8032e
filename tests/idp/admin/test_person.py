"""The page of one person: hidden until it is revealed, in plain words, and nothing of another fund."""

from __future__ import annotations

import re
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select, update

from idp.admin.person_words import TOLD
from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from idp.texts import Texts
from tests.actions import letter, link, register
from tests.support.builders import add_person, add_portal
from tests.support.operators import add_operator, sign_in
from tests.support.person import ISSUER, Person

EMAIL = "olga@fund.example.ch"
HIDDEN = ("Hélène", "756.1234", "27.3.1958", "Rue du Lac", "Lausanne", "P-1042")


@pytest.fixture
def olga(web: Flask, services: Services, portal: Portal) -> Person:
    add_operator(services, EMAIL, ["support@cpx"])
    return sign_in(web, services, EMAIL)


def page_of(found: InsuredPerson) -> str:
    return f"/admin/persons/{found.id}"


def registered() -> InsuredPerson:
    db.session.rollback()
    return db.session.scalars(select(InsuredPerson).where(InsuredPerson.account_id.is_not(None)).limit(1)).one()


def events(tag: str) -> list[AuditEvent]:
    db.session.rollback()
    return list(db.session.scalars(select(AuditEvent).where(AuditEvent.tag == tag)))


def test_nothing_personal_is_shown_before_a_reason_is_given(portal: Portal, olga: Person, clock: FrozenClock) -> None:
    found = add_person(portal, "P-1042")
    olga.open(page_of(found))
    assert olga.title == "H. Müller"
    for hidden in HIDDEN:
        assert hidden not in olga.text
    olga.submit(1, name="yes")
    assert olga.errors() == ["reason"]
    assert "Hélène" not in olga.text
    olga.submit(1, name="yes", birth="yes", reason="call")
    for hidden in HIDDEN:
        assert hidden in olga.text
    assert olga.text.count("dit par la personne") == 2
    for hidden in HIDDEN:
        assert hidden not in olga.address
    (event,) = events("operator:insured_person:reveal")
    assert event.detail == {"reason": "call", "told": "name birth"}
    assert event.insured_person_id == found.id
    assert event.actor_id is not None
    address = olga.address
    clock.advance(timedelta(minutes=10))
    olga.open(address)
    assert "Hélène" not in olga.text
    assert len(events("operator:insured_person:reveal")) == 1


def test_every_look_at_a_person_is_recorded(portal: Portal, olga: Person) -> None:
    found = add_person(portal)
    olga.open(page_of(found))
    olga.open(page_of(found))
    assert [one.insured_person_id for one in events("operator:insured_person:open")] == [found.id] * 2


def test_what_one_operator_revealed_another_does_not_see(
    web: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock
) -> None:
    found = add_person(portal)
    olga.open(page_of(found))
    olga.submit(1, reason="fund")
    add_operator(services, "peter@fund.example.ch", ["reader@cpx"])
    clock.advance(timedelta(minutes=1))
    peter = sign_in(web, services, "peter@fund.example.ch")
    peter.open(olga.address)
    assert "Hélène" not in peter.text
    assert "ne montre pas" in peter.text  # the role of a reader reveals nobody


def test_where_the_person_is_stuck_is_said_in_words(
    web: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock
) -> None:
    code = letter(services, portal)
    found = db.session.scalars(select(InsuredPerson)).one()
    olga.open(page_of(found))
    assert "code n’a pas encore été saisi" in olga.text
    caller = Person(web)
    caller.open("/cpx/register/code")
    caller.submit(code=code)
    olga.open(page_of(found))
    assert "attend l’adresse e-mail depuis 27.3.2026, 14:30" in olga.text
    clock.advance(timedelta(minutes=2))
    caller.submit(email="helene@example.ch")
    olga.open(page_of(found))
    assert "Attend le code envoyé par e-mail depuis 27.3.2026, 14:32" in olga.text
    assert "Code par e-mail\u00a0: attend l’envoi" in olga.text
    db.session.execute(update(OutboxMessage).values(state="dead", settled_at=clock.now()))
    db.session.commit()
    olga.open(page_of(found))
    assert "Le dernier message par e-mail n’a pas pu être remis" in olga.text
    assert "Code par e-mail pas remis" in olga.text


def test_what_happened_stands_in_plain_words(web: Flask, services: Services, portal: Portal, olga: Person) -> None:
    register(web, services, portal)
    olga.open(page_of(registered()))
    for words in ("Inscription terminée", "Connexion (SMS)", "Code de la lettre saisi", "La personne est inscrite",
                  "SMS au numéro se terminant par 67", "utilisée le 27.3.2026", "Caisse CPX"):  # fmt: skip
        assert words in olga.text, words
    assert "person:" not in olga.text


def test_every_event_that_the_page_tells_has_its_words() -> None:
    assert {f"ev.{tag.value.replace(':', '.')}" for tag in TOLD} <= Texts.load().keys()


def test_a_lock_is_told_with_its_end(
    web: Flask, services: Services, portal: Portal, olga: Person, clock: FrozenClock
) -> None:
    register(web, services, portal)
    stranger = Person(web)
    stranger.open("/cpx/login")
    for _ in range(8):
        stranger.submit(email="helene@example.ch", password="wrong wrong wrong")
        clock.advance(timedelta(seconds=61))
    olga.open(page_of(registered()))
    assert "Trop de mots de passe faux" in olga.text
    assert "Bloqué après trop d’essais" in olga.text


def test_an_account_that_another_fund_knows_too_tells_nothing_of_that(
    web: Flask, services: Services, portal: Portal, olga: Person
) -> None:
    register(web, services, portal)
    found, other = registered(), add_portal("fon")
    link(services, other)
    services.audit.record(AuditTag.SIGNED_IN, account=found.account_id, portal=other.id, method="recovery")
    db.session.commit()
    olga.open(page_of(found))
    assert "Caisse CPX" in olga.text
    assert "FON" not in olga.text
    assert "code de récupération" not in olga.text


def shape(text: str) -> str:
    """A page without what is new at every error, and without the address that was asked for."""
    return re.sub(r"[0-9A-Z]{4}-[0-9A-Z]{4}\b|[0-9a-f]{8}-[0-9a-f-]{27}", "", text)


def test_somebody_of_another_fund_is_as_unknown_as_nobody(
    web: Flask, services: Services, portal: Portal, olga: Person
) -> None:
    """C-74, byte for byte, on every address of the console that names a person."""
    hidden = add_person(add_portal("fon"), "F-1")
    fields, asked = olga.filled()[1], 0
    for rule in web.url_map.iter_rules():
        if "person_id" in rule.arguments:
            for method in (rule.methods or set()) & {"GET", "POST"}:
                answers = []
                for ident in (hidden.id, "00000000-0000-7000-8000-000000000000"):
                    answer = olga.client.open(
                        rule.rule.replace("<uuid:person_id>", str(ident)), method=method, base_url=ISSUER,
                        data=fields if method == "POST" else None, headers={"Origin": ISSUER},
                    )  # fmt: skip
                    kept = {name: value for name, value in answer.headers.items() if name != "X-Request-Id"}
                    answers.append((answer.status_code, shape(answer.get_data(as_text=True)), kept.keys()))
                assert answers[0] == answers[1], rule
                assert answers[0][0] == 404, rule
                asked += 1
    assert asked >= 2
    assert events("operator:insured_person:open") == []
