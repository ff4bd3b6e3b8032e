"""Webhooks of a portal: where it hears of events, with which secret, and what became of each message."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, Literal
from uuid import UUID

from pydantic import Field

from idp.api.operation import Answer, Body, Call, Operation, Paged, Shown
from idp.errors import BadInput
from idp.models.outbox import OutboxMessage
from idp.models.webhook import Webhook, WebhookDelivery
from idp.services.bundle import services
from idp.services.permissions import Scope
from idp.web.problems import Kind, Problem


class WebhookBody(Body):
    """`url`: https, on a public place."""

    url: str = Field(max_length=2000)
    events: list[Literal["person.registered", "person.changed", "person.locked", "person.letter_returned"]] = Field(
        min_length=1
    )


class SecretBody(Body):
    keep_old_days: int = Field(1, ge=0, le=30, description="how long both secrets sign")


class WebhookShown(Shown):
    """`disabled_at`: nothing is sent any more, because it failed for days or said 410."""

    id: str
    url: str
    events: list[str]
    created_at: datetime
    answered_at: datetime | None
    failing_since: datetime | None
    disabled_at: datetime | None


class WebhookMade(WebhookShown):
    """`secret`: for verifying signatures, this once."""

    secret: str


class WebhooksShown(Shown):
    webhooks: list[WebhookShown]


class DeliveryShown(Shown):
    """`answer`: the last status that came back. `state` is empty once the message itself is forgotten."""

    id: str
    event_id: str
    event: str
    created_at: datetime
    state: Literal["waiting", "sending", "sent", "expired", "dead", "dropped"] | None
    tries: int | None
    answer: int | None


class DeliveriesShown(Shown):
    deliveries: list[DeliveryShown]
    next: str | None


class DeliveryMade(Shown):
    id: str


def list_webhooks(call: Call) -> Answer:
    return Answer(WebhooksShown(webhooks=[_shown(row) for row in services().webhooks.of_portal(call.portal)]))


def add_webhook(call: Call) -> Answer:
    try:
        hook, secret = services().webhooks.add(call.portal, call.body.url, call.body.events)
    except BadInput as error:
        faults = [line.partition(": ") for line in error.message.splitlines()]
        raise Problem(Kind.INVALID, "", [(f"/{name}", reason) for name, _, reason in faults]) from None
    return Answer(WebhookMade(**_values(hook), secret=secret), 201)


def get_webhook(call: Call) -> Answer:
    return Answer(_shown(_load(call)))


def remove_webhook(call: Call) -> Answer:
    services().webhooks.remove(_load(call))
    return Answer(None, 204)


def renew_webhook_secret(call: Call) -> Answer:
    hook = _load(call)
    secret = services().webhooks.renew(hook, timedelta(days=call.body.keep_old_days))
    return Answer(WebhookMade(**_values(hook), secret=secret))


def enable_webhook(call: Call) -> Answer:
    hook = _load(call)
    services().webhooks.enable(hook)
    return Answer(_shown(hook))


def list_deliveries(call: Call) -> Answer:
    rows = services().webhooks.log(_load(call), call.query.after, call.query.limit + 1)
    page, is_last = rows[: call.query.limit], len(rows) <= call.query.limit
    shown = [_delivery(*row) for row in page]
    return Answer(DeliveriesShown(deliveries=shown, next=None if is_last else shown[-1].id))


def redeliver(call: Call) -> Answer:
    made = services().webhooks.redeliver(_load(call), _ident(call, "delivery_id"))
    if made is None:
        raise Problem(Kind.NOT_FOUND)
    return Answer(DeliveryMade(id=str(made)), 202)


def _load(call: Call) -> Webhook:
    found = services().webhooks.find(call.portal, _ident(call, "webhook_id"))
    if found is None:
        raise Problem(Kind.NOT_FOUND)
    return found


def _ident(call: Call, name: str) -> UUID:
    """What is no id is the id of nothing."""
    try:
        return UUID(call.path[name])
    except ValueError:
        raise Problem(Kind.NOT_FOUND) from None


def _values(row: Webhook) -> dict[str, Any]:
    return {
        "id": str(row.id), "url": row.url, "events": row.events, "created_at": row.created_at,
        "answered_at": row.answered_at, "failing_since": row.failing_since, "disabled_at": row.disabled_at,
    }  # fmt: skip


def _shown(row: Webhook) -> WebhookShown:
    return WebhookShown(**_values(row))


def _delivery(row: WebhookDelivery, message: OutboxMessage | None) -> DeliveryShown:
    return DeliveryShown.model_validate(
        {
            "id": str(row.id), "event_id": str(row.event_id), "event": row.event, "created_at": row.created_at,
            "state": message.state if message else None, "tries": message.tries if message else None,
            "answer": row.answer,
        }
    )  # fmt: skip


ALL, ONE = "/portals/<slug>/webhooks", "/portals/<slug>/webhooks/<webhook_id>"
LOG = f"{ONE}/deliveries"
READ, WRITE = Scope.PORTALS_READ, Scope.PORTALS_WRITE
OPERATIONS = (
    Operation("GET", ALL, READ, list_webhooks, "List a portal's webhooks", WebhooksShown),
    Operation("POST", ALL, WRITE, add_webhook, "Add a webhook", WebhookMade, 201, body=WebhookBody),
    Operation("GET", ONE, READ, get_webhook, "Read a webhook", WebhookShown),
    Operation("DELETE", ONE, WRITE, remove_webhook, "Remove a webhook", None, 204),
    Operation("POST", f"{ONE}/secret", WRITE, renew_webhook_secret, "Make a new secret", WebhookMade, body=SecretBody),
    Operation("POST", f"{ONE}/enable", WRITE, enable_webhook, "Send there again", WebhookShown),
    Operation("GET", LOG, READ, list_deliveries, "List what was sent", DeliveriesShown, query=Paged),
    Operation("POST", f"{LOG}/<delivery_id>/again", WRITE, redeliver, "Send a message again", DeliveryMade, 202),
)  # fmt: skip
