"""Delivers webhooks: each message until it is taken, with longer and longer waits over three days, then given up."""

from __future__ import annotations

from flask import Flask

from idp.models.base import db
from idp.models.outbox import Attempt, OutboxMessage
from idp.models.portal import Portal
from idp.models.webhook import Webhook, WebhookDelivery
from idp.services.bundle import services
from idp.services.courier import Courier
from idp.services.http_out import OutgoingFailed, OutgoingRefused, post
from idp.services.settling import put_off, settle
from idp.services.webhook_events import CHANNEL
from idp.services.webhooks import GONE

HOUR = 3600
BACK_OFF = (5, 300, 1800, 2 * HOUR, 5 * HOUR, 10 * HOUR, 14 * HOUR, 20 * HOUR, 24 * HOUR)
ANSWER_WITHIN_S = 15.0
POLL_S = 1.0
REFUSED = "the address is not allowed"


class WebhookCourier(Courier):
    def __init__(self, app: Flask) -> None:
        super().__init__(app, CHANNEL, POLL_S, _try)


def _try(attempt: Attempt) -> None:
    bundle = services()
    delivery = db.session.get(WebhookDelivery, attempt.id)
    hook = db.session.get(Webhook, delivery.webhook_id) if delivery else None
    portal_id = db.session.get_one(OutboxMessage, attempt.id).portal_id
    portal = db.session.get(Portal, portal_id) if portal_id else None
    if delivery is None or hook is None or hook.disabled_at is not None or portal is None or portal.is_disabled:
        settle(attempt, CHANNEL, "dropped", bundle.clock.now())
        return
    hook_id, url, (headers, body) = hook.id, hook.url, bundle.webhooks.signed(hook, delivery)
    db.session.rollback()  # nothing is held while the network is asked
    status, fault = _sent(url, body, headers)
    is_taken = status is not None and 200 <= status < 300
    bundle.webhooks.note(hook_id, attempt.id, status, is_taken=is_taken)
    now = bundle.clock.now()
    if is_taken:
        settle(attempt, CHANNEL, "sent", now)
    elif status == GONE or fault == REFUSED:
        settle(attempt, CHANNEL, "dead", now, fault)
    else:
        put_off(attempt, CHANNEL, BACK_OFF, now, fault)


def _sent(url: str, body: bytes, headers: dict[str, str]) -> tuple[int | None, str]:
    """The status that came back, if any did, and what went wrong; no redirect is followed (C-83)."""
    try:
        answer = post(url, body, headers, reach=services().reach, within=ANSWER_WITHIN_S)
    except OutgoingRefused:
        return None, REFUSED
    except OutgoingFailed as error:
        return None, str(error)
    return answer.status, f"status {answer.status}"
