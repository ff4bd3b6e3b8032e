"""Webhooks as operators keep them, and their signatures (Standard Webhooks 1.0, HMAC-SHA-256).

A secret is shown once and kept sealed, for every message is signed with it; for a while after a change both sign.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import delete, select

from idp.chance import Random, new_id
from idp.clock import Clock
from idp.errors import BadInput
from idp.models.base import db, write
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.models.webhook import Webhook, WebhookDelivery
from idp.services.audit import Audit, AuditTag
from idp.services.portal_fields import HttpsAddress
from idp.services.webhook_events import WebhookEvent, WebhookEvents
from keys import Vault

PREFIX = "whsec_"
TEST = "webhook.test"
MOST = 10  # of one portal
FAILING_FOR = timedelta(days=5)  # then it is disabled
GONE = 410  # the receiver wants no more
ADDRESS: TypeAdapter[str] = TypeAdapter(HttpsAddress)


class Webhooks:
    def __init__(self, clock: Clock, random: Random, vault: Vault, audit: Audit, events: WebhookEvents) -> None:
        self._clock = clock
        self._random = random
        self._vault = vault
        self._audit = audit
        self._events = events

    def add(self, portal: Portal, url: str, events: Sequence[str]) -> tuple[Webhook, str]:
        """A new webhook, and its secret in plain text, this once. Raises `BadInput` with every fault, one a line."""
        if faults := [*_address_faults(url), *_event_faults(events), *self._room_faults(portal)]:
            raise BadInput("\n".join(faults))
        now = self._clock.now()
        hook = Webhook(
            id=new_id(self._random, now), portal_id=portal.id, url=url,
            events=[one.value for one in WebhookEvent if one in events], created_at=now,
        )  # fmt: skip
        secret = self._fresh(hook)
        db.session.add(hook)
        db.session.flush()
        self._record(hook, "add", " ".join(hook.events))
        return hook, secret

    def renew(self, hook: Webhook, keep_old_for: timedelta) -> str:
        """A new secret in plain text, this once; messages bear both signatures for so long."""
        keeps = keep_old_for > timedelta(0)
        hook.sealed_previous_secret = hook.sealed_secret if keeps else None
        hook.previous_secret_until = self._clock.now() + keep_old_for if keeps else None
        secret = self._fresh(hook)
        self._record(hook, "secret")
        return secret

    def has_previous(self, hook: Webhook) -> bool:
        """Whether messages bear a second signature, by the secret that was before."""
        until = hook.previous_secret_until
        return bool(hook.sealed_previous_secret and until and until > self._clock.now())

    def end_previous(self, hook: Webhook) -> None:
        """From here on the newest secret alone signs."""
        hook.sealed_previous_secret = hook.previous_secret_until = None
        self._record(hook, "end_secret")

    def disable(self, hook: Webhook) -> None:
        """Send nothing there until somebody enables it again."""
        hook.disabled_at = self._clock.now()
        self._record(hook, "disable", "operator")

    def enable(self, hook: Webhook) -> None:
        """Send there again, after it was disabled by hand or because it failed for days."""
        hook.disabled_at = hook.failing_since = None
        self._record(hook, "enable")

    def remove(self, hook: Webhook) -> None:
        """Nothing is sent there any more; what waits is dropped."""
        self._record(hook, "remove")
        write(delete(WebhookDelivery).where(WebhookDelivery.webhook_id == hook.id))
        write(delete(Webhook).where(Webhook.id == hook.id))

    def of_portal(self, portal: Portal) -> list[Webhook]:
        return list(db.session.scalars(select(Webhook).where(Webhook.portal_id == portal.id).order_by(Webhook.id)))

    def find(self, portal: Portal, webhook_id: UUID) -> Webhook | None:
        """A webhook of this portal; another's is as none."""
        return db.session.scalar(select(Webhook).where(Webhook.id == webhook_id, Webhook.portal_id == portal.id))

    def log(self, hook: Webhook, after: UUID | None, most: int) -> list[tuple[WebhookDelivery, OutboxMessage | None]]:
        """What was sent there, oldest first; the message itself is forgotten sooner than the log."""
        found = select(WebhookDelivery, OutboxMessage).outerjoin(OutboxMessage, OutboxMessage.id == WebhookDelivery.id)
        found = found.where(WebhookDelivery.webhook_id == hook.id)
        if after is not None:
            found = found.where(WebhookDelivery.id > after)
        return [(row[0], row[1]) for row in db.session.execute(found.order_by(WebhookDelivery.id).limit(most))]

    def recent(self, hook: Webhook, most: int) -> list[tuple[WebhookDelivery, OutboxMessage | None]]:
        """The last messages that were sent there, newest first."""
        found = select(WebhookDelivery, OutboxMessage).outerjoin(OutboxMessage, OutboxMessage.id == WebhookDelivery.id)
        mine = found.where(WebhookDelivery.webhook_id == hook.id).order_by(WebhookDelivery.id.desc()).limit(most)
        return [(row[0], row[1]) for row in db.session.execute(mine)]

    def test(self, hook: Webhook, portal: Portal) -> UUID:
        """Send a message that speaks of nobody, to see that the receiver takes it and verifies its signature."""
        now = self._clock.now()
        payload = {"type": TEST, "timestamp": now.isoformat(), "data": {"portal": portal.slug}}
        self._record(hook, "test")
        return self._events.queue(hook.id, hook.portal_id, new_id(self._random, now), TEST, payload)

    def redeliver(self, hook: Webhook, delivery_id: UUID) -> UUID | None:
        """Send a message again, under the id it had; None where this webhook has no such message."""
        known = db.session.scalar(
            select(WebhookDelivery).where(WebhookDelivery.id == delivery_id, WebhookDelivery.webhook_id == hook.id)
        )
        if known is None:
            return None
        self._record(hook, "redeliver", str(known.event_id))
        return self._events.queue(hook.id, hook.portal_id, known.event_id, known.event, known.payload)

    def signed(self, hook: Webhook, delivery: WebhookDelivery) -> tuple[dict[str, str], bytes]:
        """The headers and the body of one attempt: signed over id, moment and body with every secret that is good."""
        now = self._clock.now()
        ident, moment = f"msg_{delivery.event_id}", str(int(now.timestamp()))
        body = json.dumps(delivery.payload, separators=(",", ":"), sort_keys=True).encode()
        secrets = [hook.sealed_secret]
        if self.has_previous(hook) and hook.sealed_previous_secret:
            secrets.append(hook.sealed_previous_secret)
        marks = [_mark(self._vault.open(sealed, _context(hook.id)), ident, moment, body) for sealed in secrets]
        headers = {
            "Content-Type": "application/json", "User-Agent": "Connect-Webhooks", "webhook-id": ident,
            "webhook-timestamp": moment, "webhook-signature": " ".join(marks),
        }  # fmt: skip
        return headers, body

    def note(self, hook_id: UUID, delivery_id: UUID, status: int | None, *, is_taken: bool) -> None:
        """Write down how a try ended. An address that fails for days, or is gone, is disabled."""
        now = self._clock.now()
        delivery, hook = db.session.get(WebhookDelivery, delivery_id), db.session.get(Webhook, hook_id)
        if delivery is None or hook is None:
            return
        delivery.answer = status
        if is_taken:
            hook.answered_at, hook.failing_since = now, None
            return
        hook.failing_since = hook.failing_since or now
        if hook.disabled_at is None and (status == GONE or now - hook.failing_since >= FAILING_FOR):
            hook.disabled_at = now
            self._record(hook, "disable", "gone" if status == GONE else "failing")

    def _fresh(self, hook: Webhook) -> str:
        secret = self._random.bytes(32)
        hook.sealed_secret = self._vault.seal(secret, _context(hook.id))
        return PREFIX + base64.b64encode(secret).decode()

    def _room_faults(self, portal: Portal) -> list[str]:
        return [f"url: a portal has {MOST} webhooks at most"] if len(self.of_portal(portal)) >= MOST else []

    def _record(self, hook: Webhook, action: str, detail: str = "") -> None:
        self._audit.record(
            AuditTag.WEBHOOK_CHANGED, portal=hook.portal_id, webhook=str(hook.id), action=action, detail=detail
        )


def _address_faults(url: str) -> list[str]:
    try:
        ADDRESS.validate_python(url)
    except ValidationError as error:
        return [f"url: {error.errors()[0]['msg'].removeprefix('Value error, ')}"]
    return []


def _event_faults(events: Sequence[str]) -> list[str]:
    if not events:
        return ["events: one is needed at least"]
    return [f"events: {one!r} is none of {', '.join(WebhookEvent)}" for one in events if one not in set(WebhookEvent)]


def _mark(secret: bytes, ident: str, moment: str, body: bytes) -> str:
    digest = hmac.new(secret, b".".join([ident.encode(), moment.encode(), body]), hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def _context(ident: UUID) -> str:
    return f"webhook.sealed_secret.{ident}"
