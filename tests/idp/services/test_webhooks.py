"""Webhooks against a real receiver, which believes nothing but the signature (Standard Webhooks 1.0)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.errors import BadInput
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.models.webhook import Webhook, WebhookDelivery
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from idp.services.housekeeping import Housekeeper
from idp.services.returned_letters import Reason
from idp.services.webhook_delivery import BACK_OFF, WebhookCourier
from idp.services.webhook_events import WebhookEvent
from tests.actions import link, register
from tests.support.authority import Authority
from tests.support.batches import MAKER, letters_of, print_batch, set_batch
from tests.support.builders import add_person, add_portal
from tests.support.portal_server import Canary, Page, PortalServer, serving

ALL = tuple(map(str, WebhookEvent))


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def server(authority: Authority) -> Iterator[PortalServer]:
    with serving(authority, "localhost") as made:
        made.pages["/hooks"] = Page(status=204)
        yield made


@pytest.fixture
def environment(environment: dict[str, str], authority: Authority) -> dict[str, str]:
    places = {"CONNECT_PORTALS_INSIDE": "localhost", "CONNECT_PORTALS_CA_FILE": str(authority.file)}
    return {**environment, **places}


@pytest.fixture
def person(app: Flask) -> InsuredPerson:
    return add_person(add_portal())


class Receiver:
    """A fund's own server: its webhook, its secrets, and what it makes of a message."""

    def __init__(self, app: Flask, services: Services, server: PortalServer, portal: Portal) -> None:
        self.services, self.server, self.portal, self._courier = services, server, portal, WebhookCourier(app)
        hook, self.secret = services.webhooks.add(portal, server.url("/hooks"), ALL)
        self.id = hook.id
        db.session.commit()

    def emit(self, person: InsuredPerson, event: WebhookEvent = WebhookEvent.LETTER_RETURNED) -> None:
        self.services.webhook_events.emit(event, person.portal_id, person.id)
        db.session.commit()

    def deliver(self) -> int:
        db.session.rollback()
        return self._courier.run_once()

    def hook(self) -> Webhook:
        db.session.rollback()
        db.session.expire_all()
        return db.session.get_one(Webhook, self.id)

    def states(self) -> list[str]:
        db.session.rollback()
        return list(db.session.scalars(select(OutboxMessage.state).order_by(OutboxMessage.id)))

    def read(self, at: int = -1, secret: str | None = None) -> dict[str, Any]:
        """The body of a message whose signature is right; raises AssertionError."""
        headers, body = self.server.messages[at]
        key = base64.b64decode((secret or self.secret).removeprefix("whsec_"))
        signed = f"{headers['webhook-id']}.{headers['webhook-timestamp']}.".encode() + body
        expected = base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()
        given = [one.removeprefix("v1,") for one in headers["webhook-signature"].split(" ")]
        assert any(hmac.compare_digest(expected, one) for one in given)
        document: dict[str, Any] = json.loads(body)
        return document


@pytest.fixture
def receiver(app: Flask, services: Services, server: PortalServer, person: InsuredPerson) -> Receiver:
    return Receiver(app, services, server, person.portal)


def test_a_message_is_signed_and_holds_ids_alone(receiver: Receiver, person: InsuredPerson, clock: FrozenClock) -> None:
    receiver.emit(person)
    assert receiver.deliver() == 1
    assert receiver.read() == {
        "type": "person.letter_returned", "timestamp": clock.now().isoformat(),
        "data": {"portal": "cpx", "person": {"id": str(person.id), "external_id": "P-1"}},
    }  # fmt: skip
    headers, body = receiver.server.messages[0]
    assert headers["content-type"] == "application/json"
    assert abs(int(headers["webhook-timestamp"]) - clock.now().timestamp()) < 1
    assert not [word for word in ("Hélène", "Müller", "756", "1958", "Rue") if word in body.decode()]
    assert receiver.states() == ["sent"]
    assert receiver.hook().answered_at == clock.now()
    with pytest.raises(AssertionError):
        receiver.read(secret="whsec_" + base64.b64encode(b"x" * 32).decode())


def test_while_the_secret_changes_both_sign(receiver: Receiver, person: InsuredPerson, clock: FrozenClock) -> None:
    old, receiver.secret = receiver.secret, receiver.services.webhooks.renew(receiver.hook(), timedelta(days=1))
    db.session.commit()
    receiver.emit(person)
    receiver.deliver()
    assert receiver.read() == receiver.read(secret=old)
    clock.advance(timedelta(days=1))
    receiver.emit(person)
    receiver.deliver()
    assert receiver.read()
    with pytest.raises(AssertionError):
        receiver.read(secret=old)
    stored = db.session.get_one(Webhook, receiver.id)
    assert old not in f"{stored.sealed_secret}{stored.sealed_previous_secret}"


def test_a_server_that_is_away_is_tried_again_and_in_the_end_given_up(
    receiver: Receiver, person: InsuredPerson, clock: FrozenClock
) -> None:
    receiver.server.pages["/hooks"] = Page(status=503)
    receiver.emit(person)
    assert receiver.deliver() == 1
    assert receiver.deliver() == 0, "not at once"
    for wait in BACK_OFF:
        clock.advance(timedelta(seconds=wait))
        assert receiver.deliver() == 1
    assert receiver.states() == ["dead"]
    assert len({headers["webhook-id"] for headers, _ in receiver.server.messages}) == 1
    assert len(receiver.server.messages) == 1 + len(BACK_OFF)
    assert receiver.hook().failing_since is not None
    assert db.session.scalars(select(WebhookDelivery)).one().answer == 503


@pytest.mark.sqlite_only
def test_an_address_that_fails_for_days_is_disabled_until_somebody_enables_it(
    receiver: Receiver, person: InsuredPerson, clock: FrozenClock
) -> None:
    receiver.server.pages["/hooks"] = Page(status=500)
    for _ in range(6):
        receiver.emit(person)
        receiver.deliver()
        clock.advance(timedelta(days=1))
    assert receiver.hook().disabled_at is not None
    event = db.session.scalars(select(AuditEvent).order_by(AuditEvent.id.desc())).first()
    assert event is not None
    assert (event.tag, event.detail["action"]) == ("operator:webhook:change", "disable")
    before = len(receiver.server.messages)
    receiver.emit(person)
    receiver.deliver()
    assert len(receiver.server.messages) == before
    receiver.server.pages["/hooks"] = Page(status=200)
    receiver.services.webhooks.enable(receiver.hook())
    receiver.emit(person)
    receiver.deliver()
    assert receiver.states()[-1] == "sent"
    assert receiver.hook().failing_since is None


@pytest.mark.sqlite_only
def test_a_good_answer_ends_the_count_and_410_ends_it_all(
    receiver: Receiver, person: InsuredPerson, clock: FrozenClock
) -> None:
    receiver.server.pages["/hooks"] = Page(status=500)
    receiver.emit(person)
    receiver.deliver()
    receiver.server.pages["/hooks"] = Page(status=200)
    clock.advance(timedelta(days=4))
    receiver.deliver()
    assert receiver.hook().failing_since is None
    receiver.server.pages["/hooks"] = Page(status=410)
    receiver.emit(person)
    receiver.deliver()
    assert receiver.states()[-1] == "dead"
    assert receiver.hook().disabled_at == clock.now()


@pytest.mark.sqlite_only
def test_no_message_goes_where_it_must_not(
    app: Flask, services: Services, person: InsuredPerson, server: PortalServer
) -> None:
    """C-83: an address inside, and a redirect to one."""
    canary = Canary()
    portal, portal_id = person.portal, person.portal_id
    server.pages["/away"] = Page(status=307, headers={"Location": f"https://127.0.0.1:{canary.port}/"})
    for url in (f"https://127.0.0.1:{canary.port}/x", server.url("/away")):
        services.webhooks.add(portal, url, ALL)
    services.webhook_events.emit(WebhookEvent.REGISTERED, portal_id, person.id)
    db.session.commit()
    WebhookCourier(app).run_once()
    assert not canary.was_touched()
    rows = {row.last_error: row.state for row in db.session.scalars(select(OutboxMessage))}
    assert rows == {"the address is not allowed": "dead", "status 307": "waiting"}
    canary.close()


@pytest.mark.sqlite_only
def test_a_message_is_sent_again_by_hand_under_the_id_it_had(receiver: Receiver, person: InsuredPerson) -> None:
    receiver.emit(person)
    receiver.deliver()
    ((known, message),) = receiver.services.webhooks.log(receiver.hook(), None, 10)
    assert message is not None
    assert (message.state, known.answer) == ("sent", 204)
    assert receiver.services.webhooks.redeliver(receiver.hook(), known.id) is not None
    db.session.commit()
    receiver.deliver()
    first, second = receiver.server.messages
    assert (first[0]["webhook-id"], first[1]) == (second[0]["webhook-id"], second[1])
    assert receiver.services.webhooks.redeliver(receiver.hook(), person.id) is None


@pytest.mark.sqlite_only
def test_a_removed_one_hears_nothing_more_and_the_log_ends_after_a_month(
    receiver: Receiver, app: Flask, person: InsuredPerson, clock: FrozenClock
) -> None:
    receiver.emit(person)
    receiver.deliver()
    clock.advance(timedelta(days=31))
    Housekeeper(app).run_once()
    assert db.session.scalars(select(WebhookDelivery)).all() == []
    receiver.emit(person)
    receiver.services.webhooks.remove(receiver.hook())
    db.session.commit()
    assert receiver.deliver() == 1
    assert receiver.states() == ["dropped"]
    assert len(receiver.server.messages) == 1


def test_what_is_recorded_of_an_account_is_told_to_each_of_its_portals_of_its_own_person(
    web: Flask, services: Services, portal: Portal
) -> None:
    other = add_portal("cpy")
    for one in (portal, other):
        services.webhooks.add(one, "https://fund.example.ch/hooks", ALL)
    services.webhooks.add(portal, "https://fund.example.ch/locks", ["person.locked"])
    db.session.commit()
    register(web, services, portal)
    link(services, other)
    found = services.accounts.find("helene@example.ch")
    account = found.id if found else None
    services.audit.record(AuditTag.EMAIL_CHANGED, account=account)
    services.audit.record(AuditTag.FACTOR_REPLACED, account=account, method="sms")
    services.audit.record(AuditTag.ATTEMPTS_EXHAUSTED, account=account)
    services.audit.record(AuditTag.ATTEMPTS_EXHAUSTED)
    db.session.commit()
    told = [
        (row.payload["data"]["portal"], row.event, row.payload["data"].get("changed"))
        for row in db.session.scalars(select(WebhookDelivery).order_by(WebhookDelivery.id))
    ]
    assert sorted(told, key=str) == sorted([
        ("cpx", "person.registered", None), ("cpx", "person.changed", "email"), ("cpy", "person.changed", "email"),
        ("cpx", "person.changed", "mobile"), ("cpy", "person.changed", "mobile"), ("cpx", "person.locked", None),
        ("cpx", "person.locked", None), ("cpy", "person.locked", None),
    ], key=str)  # fmt: skip


def test_a_letter_that_came_back_is_told_to_its_portal(
    app: Flask, services: Services, receiver: Receiver, person: InsuredPerson
) -> None:
    batch = set_batch(app, services, person.portal)
    print_batch(app, services, batch)
    assert services.returned_letters.take_back(letters_of(batch), Reason.MOVED, MAKER) == 1
    db.session.commit()
    assert receiver.deliver() == 1
    told = receiver.read()
    assert (told["type"], told["data"]["person"]["external_id"]) == ("person.letter_returned", person.external_id)


@pytest.mark.sqlite_only
def test_what_is_wrong_with_a_webhook_is_said(services: Services, person: InsuredPerson) -> None:
    add, portal = services.webhooks.add, person.portal
    for url, events, fault in (
        ("http://fund.example.ch/", ALL, "url"), ("https://u:p@fund.example.ch/", ALL, "url"),
        ("https://fund.example.ch/", (), "events"), ("https://fund.example.ch/", ("x",), "events"),
    ):  # fmt: skip
        with pytest.raises(BadInput, match=f"^{fault}: "):
            add(portal, url, events)
    for number in range(10):
        add(portal, f"https://fund.example.ch/{number}", ALL)
    with pytest.raises(BadInput, match="10 webhooks at most"):
        add(portal, "https://fund.example.ch/", ALL)
