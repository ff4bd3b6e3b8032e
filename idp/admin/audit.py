"""What happened: newest first, filtered, page by page; only the portals that one's role covers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from flask import Blueprint
from sqlalchemy import Select, select
from werkzeug.wrappers import Response

from idp.admin.entrance import console, requires, worker
from idp.admin.paging import filters, page_of
from idp.clock import SWISS_TIME
from idp.models.account import Account
from idp.models.api_client import ApiClient
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.portal import Portal, list_portals
from idp.services.audit import AuditTag
from idp.services.permissions import Permission
from idp.texts import format_moment
from idp.web.forms import FormView
from idp.web.i18n import language, text

blueprint = Blueprint("admin_audit", __name__)
SEE = Permission.SEE_AUDIT


@dataclass(frozen=True, repr=False)
class EventView:
    """`subject` ends the number of the account that it is about: a list shows no names of persons."""

    at: str
    tag: str
    portal: str
    actor: str
    subject: str
    detail: str


@dataclass(frozen=True, repr=False)
class AuditView:
    """`older` is the address of the next page, empty on the last one."""

    events: tuple[EventView, ...]
    tags: tuple[tuple[str, str], ...]
    portals: tuple[tuple[str, str], ...]
    older: str
    is_filtered: bool


@blueprint.get("/admin/audit")
@requires(SEE)
def audit() -> Response:
    given = filters("tag", "portal", "on")
    portals = {portal.id: portal for portal in list_portals() if _is_visible(portal.id)}
    shown, older = page_of(_filtered(given, portals), AuditEvent.id, given)
    names = actor_names({row.actor_id for row in shown})
    view = AuditView(
        events=tuple(_view(row, portals, names) for row in shown),
        tags=tuple((tag.value, tag.value) for tag in AuditTag),
        portals=tuple((portal.slug, portal.name(language())) for portal in portals.values()),
        older=older,
        is_filtered=any(given.values()),
    )
    form = FormView(given, {"on": text("adm.e.day")} if given["on"] and _day(given["on"]) is None else {})
    return console("admin/audit.html", text("adm.audit"), view, needs=SEE, form=form)


def _filtered(given: dict[str, str], portals: dict[UUID, Portal]) -> Select[AuditEvent]:
    found = select(AuditEvent)
    covered = worker().rights.portals(SEE)
    if covered is not None:
        found = found.where(AuditEvent.portal_id.in_(covered))
    if given["tag"]:
        found = found.where(AuditEvent.tag == given["tag"])
    if given["portal"]:
        found = found.where(
            AuditEvent.portal_id.in_([one.id for one in portals.values() if one.slug == given["portal"]])
        )
    if (day := _day(given["on"])) is not None:
        begin = datetime(day.year, day.month, day.day, tzinfo=SWISS_TIME)
        found = found.where(AuditEvent.at >= begin, AuditEvent.at < begin + timedelta(days=1))
    return found


def _day(typed: str) -> date | None:
    try:
        return date.fromisoformat(typed)
    except ValueError:
        return None


def _is_visible(portal_id: UUID) -> bool:
    return worker().rights.may(SEE, portal_id)


def actor_names(ids: set[UUID | None]) -> dict[UUID, str]:
    """Who the operators of these accounts are, and the clients of the API."""
    known = [one for one in ids if one]
    clients = db.session.execute(select(ApiClient.id, ApiClient.name).where(ApiClient.id.in_(known)))
    rows = db.session.execute(
        select(Account.id, Account.given_name, Account.family_name, Account.email).where(Account.id.in_(known))
    )
    names = {row.id: f"{row.given_name} {row.family_name}".strip() or row.email for row in rows}
    return names | {row.id: row.name for row in clients}


def _view(row: AuditEvent, portals: dict[UUID, Portal], names: dict[UUID, str]) -> EventView:
    portal = portals.get(row.portal_id) if row.portal_id else None
    detail = ", ".join(f"{name}: {value}" for name, value in row.detail.items())
    return EventView(
        at=format_moment(row.at),
        tag=row.tag,
        portal=portal.slug if portal else "",
        actor=names.get(row.actor_id, "") if row.actor_id else "",
        subject=str(row.account_id)[-8:] if row.account_id else "",
        detail=detail,
    )
