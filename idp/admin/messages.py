"""Mail, SMS and logout notices on their way: where each stands. Recipients and contents stay sealed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, redirect, request
from sqlalchemy import Select, select
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, worker
from idp.admin.paging import Around, Choices, Listing, Sort, around, page_of
from idp.admin.setting_forms import gateway_words
from idp.models.outbox import OutboxMessage, hurry
from idp.models.portal import Portal, list_portals
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.services.lists import CHANNELS, MESSAGE_STATES
from idp.services.permissions import Permission
from idp.texts import format_moment
from idp.web.forms import FormView
from idp.web.i18n import language, text

blueprint = Blueprint("admin_messages", __name__)
SEE, RETRY = Permission.SEE_MESSAGES, Permission.RETRY_MESSAGES
LISTING = Listing("messages", ("channel", "state", "portal"), (Sort("when"),))
LIST = LISTING.address


@dataclass(frozen=True, repr=False)
class MessageView:
    at: str
    channel: str
    portal: str
    state: str
    tries: int
    error: str


@dataclass(frozen=True, repr=False)
class MessagesView:
    """`may_retry` where messages wait that may be sent at once. `gateway`: which one SMS go to first."""

    messages: tuple[MessageView, ...]
    choices: Choices
    around: Around
    may_retry: bool
    gateway: str
    may_switch: bool


@blueprint.get(LIST)
@requires(SEE)
def messages() -> Response:
    asked = LISTING.asked()
    portals = {portal.id: portal for portal in list_portals() if worker().rights.may(SEE, portal.id)}
    found, everything = _filtered(asked.filters, portals), _filtered(dict.fromkeys(LISTING.filters, ""), portals)
    shown, piece, total = page_of(asked, OutboxMessage.id, everything, [found])
    choices: Choices = {
        "channel": (text("msg.channel"), [(name, text(f"msg.{name}")) for name in CHANNELS]),
        "state": (text("adm.state"), [(name, text(f"msg.state.{name}")) for name in MESSAGE_STATES]),
        "portal": (text("adm.portal"), [(one.slug, one.name(language())) for one in portals.values()]),
    }
    view = MessagesView(
        messages=tuple(_view(row, portals) for row in shown),
        choices=choices,
        around=around(asked, piece, total, choices),
        may_retry=worker().rights.may_somewhere(RETRY) and any(row.state == "waiting" for row in shown),
        gateway=gateway_words(services().settings.sms_first),
        may_switch=worker().rights.may(Permission.CHANGE_SETTINGS),
    )
    done = request.args.get("tried", "")[:6]
    status = text("msg.retried", n=int(done)) if done.isdecimal() else None
    return console(
        "admin/messages.html", text("msg.title"), view, needs=SEE, form=FormView(asked.filters), status=status
    )


@blueprint.post("/admin/messages/retry")
@requires(RETRY)
def retry() -> Response:
    """Send at once what waits for a later try, at the portals that one may do so."""
    covered, bundle = worker().rights.portals(RETRY), services()
    count = hurry(bundle.clock.now(), covered)
    bundle.audit.record(AuditTag.MESSAGES_RETRIED, account=worker().account.id, count=str(count))
    return redirect(f"{LIST}?tried={count}", 303)


def _filtered(given: Mapping[str, str], portals: dict[UUID, Portal]) -> Select[OutboxMessage]:
    found = select(OutboxMessage)
    covered = worker().rights.portals(SEE)
    if covered is not None:
        found = found.where(OutboxMessage.portal_id.in_(covered))
    if given["portal"]:
        ids = [one.id for one in portals.values() if one.slug == given["portal"]]
        found = found.where(OutboxMessage.portal_id.in_(ids))
    for name in ("channel", "state"):
        if given[name]:
            found = found.where(getattr(OutboxMessage, name) == given[name])
    return found


def _view(row: OutboxMessage, portals: dict[UUID, Portal]) -> MessageView:
    portal = portals.get(row.portal_id) if row.portal_id else None
    return MessageView(
        at=format_moment(row.created_at),
        channel=text(f"msg.{row.channel}"),
        portal=portal.slug if portal else "",
        state=_state(row),
        tries=row.tries,
        error=row.last_error or "",
    )


def _state(row: OutboxMessage) -> str:
    """In words; of what waits for a later try, when that is; of an SMS, which gateway took it."""
    words = text(f"msg.state.{row.state}")
    if row.gateway is not None:
        return f"{words} ({gateway_words(row.gateway)})"
    return f"{words} ({format_moment(row.due_at)})" if row.state == "waiting" and row.tries else words
