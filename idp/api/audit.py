"""The record of events, oldest first, so that a fund's own systems can follow it from where they ended last."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from pydantic import AwareDatetime, Field
from sqlalchemy import select

from idp.api.operation import Answer, Call, Operation, Paged, Shown
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.services.permissions import Scope

# Events get their numbers before they are committed. By then every transaction is over, so none is passed over.
SETTLED_AFTER = timedelta(minutes=1)


class EventShown(Shown):
    """`external_id`: whom it is about, at the portal of the event. Accounts are not told: they span portals."""

    id: str
    at: datetime
    tag: str
    portal: str | None
    external_id: str | None
    actor_id: str | None
    request_id: str | None
    detail: dict[str, str]


class EventsShown(Shown):
    events: list[EventShown]
    next: str | None


class EventsQuery(Paged):
    tag: str | None = Field(None, max_length=60, description="only events of this tag")
    portal: str | None = Field(None, max_length=31, description="only events of this portal")
    since: AwareDatetime | None = Field(None, description="only events from this moment on")


def list_events(call: Call) -> Answer:
    query, only = call.query, call.caller.rights.portal_id
    found = select(AuditEvent, Portal.slug).outerjoin(Portal, Portal.id == AuditEvent.portal_id)
    found = found.where(AuditEvent.at <= services().clock.now() - SETTLED_AFTER)
    if only is not None:
        found = found.where(AuditEvent.portal_id == only)
    if query.portal is not None:
        found = found.where(Portal.slug == query.portal)
    if query.tag is not None:
        found = found.where(AuditEvent.tag == query.tag)
    if query.since is not None:
        found = found.where(AuditEvent.at >= query.since)
    if query.after is not None:
        found = found.where(AuditEvent.id > query.after)
    rows = db.session.execute(found.order_by(AuditEvent.id).limit(query.limit + 1)).all()
    page, is_last = rows[: query.limit], len(rows) <= query.limit
    names = _subjects([row[0] for row in page])
    shown = [_shown(row[0], row[1], names) for row in page]
    return Answer(EventsShown(events=shown, next=None if is_last else shown[-1].id))


def _subjects(events: Sequence[AuditEvent]) -> dict[UUID | tuple[UUID, UUID], str]:
    """The fund's own keys by person, and by account and portal."""
    persons = [one.insured_person_id for one in events if one.insured_person_id]
    accounts = [one.account_id for one in events if one.account_id]
    who = InsuredPerson.id.in_(persons) | InsuredPerson.account_id.in_(accounts)
    columns = (InsuredPerson.id, InsuredPerson.account_id, InsuredPerson.portal_id, InsuredPerson.external_id)
    found: dict[UUID | tuple[UUID, UUID], str] = {}
    for row in db.session.execute(select(*columns).where(who)):
        found[row.id] = row.external_id
        found[row.account_id, row.portal_id] = row.external_id
    return found


def _shown(event: AuditEvent, slug: str | None, names: dict[UUID | tuple[UUID, UUID], str]) -> EventShown:
    external_id = names.get(event.insured_person_id) if event.insured_person_id else None
    if external_id is None and event.account_id and event.portal_id:
        external_id = names.get((event.account_id, event.portal_id))
    return EventShown(
        id=str(event.id), at=event.at, tag=event.tag, portal=slug, external_id=external_id,
        actor_id=str(event.actor_id) if event.actor_id else None, request_id=event.request_id,
        detail={name: str(value) for name, value in event.detail.items()},
    )  # fmt: skip


OPERATIONS = (
    Operation("GET", "/audit", Scope.AUDIT_READ, list_events, "Follow the record of events", EventsShown,
              query=EventsQuery),
)  # fmt: skip
