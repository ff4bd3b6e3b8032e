"""Messages and signing keys in the console."""

from __future__ import annotations

from datetime import timedelta

from flask import Flask
from sqlalchemy import select, update

from idp.clock import FrozenClock
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.builders import add_portal
from tests.support.operators import add_operator, sign_in
from tests.support.person import Person

EMAIL = "olga@fund.example.ch"


def queue(services: Services, portal: Portal | None, count: int = 1) -> None:
    for number in range(count):
        services.outbox.mail(
            "exists", to=f"person{number}@example.ch", language="fr", portal=portal, values={"host": "x", "date": "d"}
        )
    db.session.commit()


def test_an_operator_sees_the_messages_of_the_own_portals_and_never_what_they_say(
    web: Flask, services: Services, portal: Portal
) -> None:
    other = add_portal("fon")
    queue(services, portal)
    queue(services, other)
    add_operator(services, EMAIL, ["support@cpx"])
    olga = sign_in(web, services, EMAIL)
    olga.open("/admin/messages")
    assert olga.text.count("<tr><th") == 1 + 1  # the head, and one message
    assert "cpx" in olga.text
    assert "Caisse FON" not in olga.text
    assert "@example.ch" not in olga.text.replace(EMAIL, "")
    olga.open("/admin/messages?portal=fon")
    assert "Aucun message" in olga.text


def test_what_waits_is_tried_at_once_at_the_own_portals(
    web: Flask, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    other = add_portal("fon")
    queue(services, portal, 2)
    queue(services, other)
    later = clock.now() + timedelta(hours=1)
    db.session.execute(update(OutboxMessage).values(due_at=later, tries=3, last_error="ConnectionRefusedError"))
    db.session.commit()
    add_operator(services, EMAIL, ["support@cpx"])
    olga = sign_in(web, services, EMAIL)
    olga.open("/admin/messages")
    assert "ConnectionRefusedError" in olga.text
    assert "en attente (27.3.2026, 15:30)" in olga.text
    olga.submit(1)
    assert "Messages essayés maintenant\u00a0: 2" in olga.text
    db.session.rollback()
    due = {row.portal_id: row.due_at for row in db.session.scalars(select(OutboxMessage))}
    assert (due[portal.id], due[other.id]) == (clock.now(), later)
    tags = db.session.execute(select(AuditEvent.tag, AuditEvent.actor_id).where(AuditEvent.actor_id.is_not(None))).all()
    assert ("operator:message:retry") in {row.tag for row in tags}


def test_a_long_list_goes_on_page_by_page(web: Flask, services: Services, portal: Portal) -> None:
    queue(services, portal, 60)
    add_operator(services, EMAIL, ["reader"])
    olga = sign_in(web, services, EMAIL)
    olga.open("/admin/messages?channel=mail")
    assert olga.text.count("<tr><th") == 50 + 1
    assert "Essayer maintenant" not in olga.text  # a reader only reads
    olga.open("/admin/messages" + olga.text.split('<p class="go"><a href="')[1].split('"')[0].replace("&amp;", "&"))
    assert olga.text.count("<tr><th") == 10 + 1
    assert '<option value="mail" selected>' in olga.text
    assert "Plus ancien" not in olga.text


def test_keys_are_rotated_by_hand_after_a_page_that_says_what_it_does(
    web: Flask, services: Services, clock: FrozenClock
) -> None:
    add_operator(services, EMAIL, ["security"])
    olga: Person = sign_in(web, services, EMAIL)
    before = {row.kid: row.state for row in services.keyring.rows()}
    olga.open("/admin/keys")
    assert all(kid in olga.text for kid in before)
    olga.open("/admin/keys/rotate")
    assert "il y a moins d’un jour" in olga.text
    olga.submit(1, alg="nonsense")
    assert olga.address == "/admin/keys/rotate"
    olga.submit(1, alg="ES256")
    assert "Les clés annoncées signent maintenant" in olga.text
    db.session.rollback()
    after = {row.kid: (row.alg, row.state) for row in services.keyring.rows()}
    assert {after[kid][0] for kid in before if after[kid][1] != before[kid]} == {"ES256"}
    event = db.session.scalars(select(AuditEvent).where(AuditEvent.tag == "operator:signing_key:rotate")).one()
    assert event.actor_id is not None
    assert event.detail == {"alg": "ES256"}
