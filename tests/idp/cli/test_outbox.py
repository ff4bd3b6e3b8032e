"""`connect outbox`: what was given up can be seen, what waits can be hurried, and nobody's address is shown."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select, update

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.idp.cli.conftest import Connect


def test_dead_messages_are_listed_without_their_recipient_and_waiting_ones_are_hurried(
    connect: Connect, services: Services, portal: Portal, clock: FrozenClock
) -> None:
    for number in range(3):
        values = {"code": "123456", "time": "14:30"}
        services.outbox.mail("code", to=f"p{number}@example.ch", language="fr", portal=portal, values=values)
    db.session.flush()
    first, second, third = db.session.scalars(select(OutboxMessage))
    first.state, first.last_error, first.tries = "dead", "the mail server refused the recipient", 1
    later = clock.now() + timedelta(days=365)
    db.session.execute(update(OutboxMessage).where(OutboxMessage.id.in_([second.id, third.id])).values(due_at=later))
    db.session.commit()
    said = connect("outbox", "list")
    assert said == "2026-03-27 13:30 mail tries 1 the mail server refused the recipient\n"
    assert len(connect("outbox", "list", "--state", "waiting").splitlines()) == 2
    assert connect("outbox", "retry") == "2 messages are tried again\n"
    db.session.rollback()
    assert {row.due_at < later for row in db.session.scalars(select(OutboxMessage).where(OutboxMessage.id != first.id))}
    assert connect("outbox", "list", "--state", "sent") == ""
