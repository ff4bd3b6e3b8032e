"""Where the portals of one's role hear of events: each address, whether it answers, and what was sent there last."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, abort, request
from sqlalchemy import select
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, whose, worker
from idp.admin.letters import named, portals_for
from idp.admin.portal_edit import FieldView
from idp.admin.portal_forms import Kind
from idp.errors import BadInput
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.models.webhook import Webhook, WebhookDelivery
from idp.services.bundle import services
from idp.services.permissions import Permission
from idp.services.webhook_events import WebhookEvent
from idp.services.webhooks import TEST
from idp.texts import format_moment
from idp.web import kept
from idp.web.forms import FormView, line
from idp.web.i18n import language, text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_webhooks", __name__)
LIST, NEW, CHANGE = "/admin/webhooks", "/admin/webhooks/new", Permission.CHANGE_PORTAL
ONE = f"{LIST}/<uuid:webhook_id>"
BOXES = {f"events_{at}": event for at, event in enumerate(WebhookEvent)}
KEEP = ("day", "week", "none")
SHOWN = 20
LONGEST = 2000  # characters of an address
DONE = {"test", "again", "enable", "disable", "remove", "ended"}


@dataclass(frozen=True, repr=False)
class HookView:
    id: UUID
    url: str
    portal: str
    events: tuple[str, ...]
    state: str
    is_disabled: bool


@dataclass(frozen=True, repr=False)
class ListView:
    hooks: tuple[HookView, ...]


@dataclass(frozen=True, repr=False)
class NewView:
    portals: tuple[tuple[str, str], ...]
    events: FieldView


@dataclass(frozen=True, repr=False)
class DeliveryView:
    """`error`: the status or the class of what went wrong, never an address."""

    id: UUID
    at: str
    event: str
    state: str
    tries: str
    error: str


@dataclass(frozen=True, repr=False)
class OneView:
    """`previous`: until when the older secret signs too, where there is one."""

    hook: HookView
    facts: tuple[tuple[str, str], ...]
    previous: str
    choices: tuple[tuple[str, str], ...]
    deliveries: tuple[DeliveryView, ...]


@dataclass(frozen=True, repr=False)
class SecretView:
    url: str
    secret: str
    back: str


@blueprint.get(LIST)
@requires(CHANGE)
def webhooks() -> Response:
    portals = {one.id: one for one in portals_for(CHANGE)}
    rows = db.session.scalars(select(Webhook).where(Webhook.portal_id.in_(portals)).order_by(Webhook.id))
    view = ListView(tuple(_view(row, portals[row.portal_id]) for row in rows))
    return console("admin/webhooks.html", text("hook.title"), view, needs=CHANGE, status=_status())


@blueprint.get(NEW)
@requires(CHANGE)
def new() -> Response:
    boxes = tuple((box, str(event), _event(event)) for box, event in BOXES.items())
    portals = named(portals_for(CHANGE))
    view = NewView(portals, FieldView("events", Kind.CHECKS, text("hook.events"), "", boxes, False))
    form = kept.find(whose()) or FormView({"portal": portals[0][0]} if len(portals) == 1 else {})
    return console("admin/webhook_new.html", text("hook.new"), view, needs=CHANGE, form=form, back=LIST)


@blueprint.post(NEW)
@requires(CHANGE)
def add() -> Response:
    """The secret stands in this answer and nowhere else."""
    chosen = {box: event for box, event in BOXES.items() if request.form.get(box)}
    url, slug = line(request.form.get("url"))[:LONGEST], line(request.form.get("portal"))[:100]
    portal = next((one for one in portals_for(CHANGE) if one.slug == slug), None)
    typed = {"url": url, "portal": slug, **dict.fromkeys(chosen, "yes")}
    if portal is None:
        return kept.lead(NEW, whose(), typed, {"portal": Wrong("bat.e.portal")})
    try:
        made, secret = services().webhooks.add(portal, url, [event.value for event in chosen.values()])
    except BadInput as error:
        return kept.lead(NEW, whose(), typed, _wrong(error))
    return secret_page(made, secret)


@blueprint.get(ONE)
@requires(CHANGE)
def webhook(webhook_id: UUID) -> Response:
    row, portal = load(webhook_id)
    until = row.previous_secret_until
    previous = format_moment(until) if until and services().webhooks.has_previous(row) else ""
    deliveries = services().webhooks.recent(row, SHOWN)
    view = OneView(
        hook=_view(row, portal),
        facts=_facts(row, portal),
        previous=previous,
        choices=tuple((name, text(f"hook.keep.{name}")) for name in KEEP),
        deliveries=tuple(_delivery(*one) for one in deliveries),
    )
    form = kept.find(whose()) or FormView({"keep": KEEP[0]})
    return console(
        "admin/webhook.html", text("hook.one"), view, needs=CHANGE, form=form, back=LIST, status=_status()
    )  # fmt: skip


def load(webhook_id: UUID) -> tuple[Webhook, Portal]:
    """404 for one of a portal that this operator may not change, as for none."""
    row = db.session.get(Webhook, webhook_id)
    if row is None or not worker().rights.may(CHANGE, row.portal_id):
        abort(404)
    return row, db.session.get_one(Portal, row.portal_id)


def secret_page(row: Webhook, secret: str) -> Response:
    view = SecretView(row.url, secret, f"{LIST}/{row.id}")
    return console("admin/webhook_secret.html", text("hook.secret"), view, needs=CHANGE, can_switch=False)


def _wrong(error: BadInput) -> dict[str, Wrong]:
    faults = {fault.partition(":")[0]: fault for fault in error.message.splitlines()}
    wrong = {name: Wrong(f"hook.e.{name}") for name in faults}
    if "webhooks at most" in faults.get("url", ""):
        wrong["url"] = Wrong("hook.e.most")
    return wrong


def _status() -> str | None:
    done = request.args.get("done", "")
    return text(f"hook.done.{done}") if done in DONE else None


def _event(event: str) -> str:
    return text(f"hook.event.{event.partition('.')[2]}")


def _view(row: Webhook, portal: Portal) -> HookView:
    state = text("hook.state.open")
    if row.disabled_at:
        state = text("hook.state.disabled", when=format_moment(row.disabled_at))
    elif row.failing_since:
        state = text("hook.state.failing", when=format_moment(row.failing_since))
    events = tuple(_event(event) for event in row.events)
    return HookView(row.id, row.url, portal.name(language()), events, state, row.disabled_at is not None)


def _facts(row: Webhook, portal: Portal) -> tuple[tuple[str, str], ...]:
    shown = _view(row, portal)
    return (
        (text("adm.state"), shown.state),
        (text("hook.url"), row.url),
        (text("adm.portal"), shown.portal),
        (text("hook.events"), ", ".join(shown.events)),
        (text("hook.answered"), format_moment(row.answered_at) if row.answered_at else text("api.never")),
    )


def _delivery(row: WebhookDelivery, message: OutboxMessage | None) -> DeliveryView:
    """The message itself is forgotten sooner than the log."""
    error = message.last_error if message and message.state != "sent" else ""
    return DeliveryView(
        id=row.id,
        at=format_moment(row.created_at),
        event=text("hook.event.test") if row.event == TEST else _event(row.event),
        state=text(f"msg.state.{message.state}") if message else text("hook.forgotten"),
        tries=str(message.tries) if message else "–",
        error=error or (str(row.answer) if row.answer else ""),
    )
