"""What portals can be told of, and the queueing of it in the transaction that caused it.

A message holds ids and a moment, and nothing else of a person: whoever wants to know more asks the API.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, select

from idp.chance import Random, new_id
from idp.clock import Clock
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.models.webhook import Webhook, WebhookDelivery

CHANNEL = "webhook"
NOBODY = UUID(int=0)


class WebhookEvent(StrEnum):
    REGISTERED = "person.registered"
    CHANGED = "person.changed"
    LOCKED = "person.locked"
    LETTER_RETURNED = "person.letter_returned"


class WebhookEvents:
    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random

    def emit(self, event: WebhookEvent, portal_id: UUID, person_id: UUID, about: str = "") -> None:
        """Tell this portal of its own person; `about` says what was changed, in a word."""
        self._queue(event, about, (InsuredPerson.id == person_id) & (InsuredPerson.portal_id == portal_id))

    def emit_for_account(self, event: WebhookEvent, account_id: UUID | None, about: str = "") -> None:
        """Tell every portal of its own person behind this account. Without an account the same is asked for, so that
        nobody learns by the time it takes who exists.
        """
        self._queue(event, about, InsuredPerson.account_id == (account_id or NOBODY))

    def queue(self, webhook: UUID, portal: UUID, event_id: UUID, event: str, payload: dict[str, Any]) -> UUID:
        """One message to one address; returns its id."""
        now = self._clock.now()
        ident = new_id(self._random, now)
        db.session.add(
            WebhookDelivery(
                id=ident, webhook_id=webhook, event_id=event_id, event=event, payload=payload, created_at=now
            )
        )
        db.session.add(
            OutboxMessage(
                id=ident, channel=CHANNEL, portal_id=portal, state="waiting", created_at=now, due_at=now, tries=0
            )
        )
        return ident

    def _queue(self, event: WebhookEvent, about: str, whose: ColumnElement[bool]) -> None:
        now = self._clock.now()
        found = (
            select(Webhook.id, Webhook.events, Portal.id, Portal.slug, InsuredPerson.id, InsuredPerson.external_id)
            .join(Portal, Portal.id == Webhook.portal_id)
            .join(InsuredPerson, InsuredPerson.portal_id == Portal.id)
            .where(whose, Webhook.disabled_at.is_(None), Portal.disabled_at.is_(None))
        )
        for row in db.session.execute(found):
            if event in row[1]:
                self.queue(row[0], row[2], new_id(self._random, now), event.value, _payload(event, about, row, now))


def _payload(event: WebhookEvent, about: str, row: Any, now: datetime) -> dict[str, Any]:
    """In the shape of Standard Webhooks: type, timestamp, data."""
    person = {"id": str(row[4]), "external_id": row[5]}
    data: dict[str, Any] = {"portal": row[3], "person": person}
    if about:
        data["changed"] = about
    return {"type": event.value, "timestamp": now.isoformat(), "data": data}
