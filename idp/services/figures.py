"""Figures for operators: what happened on each Swiss day, counted from the record of events and the outbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Date, String, and_, cast, func, select, true
from sqlalchemy.orm import InstrumentedAttribute

from idp.clock import SWISS_TIME, swiss
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.person import InsuredPerson, RegistrationCode
from idp.services.audit import AuditTag

REFUSED = (AuditTag.PASSWORD_REFUSED, AuditTag.FACTOR_REFUSED, AuditTag.PASSKEY_REFUSED)
SOON = timedelta(days=7)
Column = InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None]


@dataclass(frozen=True)
class Day:
    day: date
    registrations: int
    sign_ins: int
    refused: int


@dataclass(frozen=True)
class Figures:
    """`days`, oldest first, the last one is today; `sms` and `given_up` of the same days; `expiring` within a week."""

    days: tuple[Day, ...]
    sms: int
    given_up: int
    expiring: int

    @property
    def registrations(self) -> int:
        return sum(day.registrations for day in self.days)

    @property
    def sign_ins(self) -> int:
        return sum(day.sign_ins for day in self.days)

    @property
    def refused(self) -> int:
        return sum(day.refused for day in self.days)

    @property
    def success(self) -> int | None:
        """Of a hundred tries at signing in, how many went through; None where nobody tried."""
        tries = self.sign_ins + self.refused
        return round(100 * self.sign_ins / tries) if tries else None


def figures(now: datetime, days: int, portal_ids: Collection[UUID] | None) -> Figures:
    """The figures of the last days, today included, of these portals or of all."""
    today = swiss(now).date()
    first = today - timedelta(days=days - 1)
    since = datetime.combine(first, time(), SWISS_TIME)
    counted = _events(now, since, portal_ids)
    by_day = tuple(_day(first + timedelta(days=at), counted) for at in range(days))
    messages = select(func.count()).select_from(OutboxMessage).where(OutboxMessage.created_at >= since)
    messages = messages.where(_at(OutboxMessage.portal_id, portal_ids))
    sms = messages.where(OutboxMessage.channel == "sms", OutboxMessage.state == "sent")
    given_up = messages.where(OutboxMessage.state == "dead")
    return Figures(by_day, db.session.scalar(sms) or 0, db.session.scalar(given_up) or 0, _expiring(now, portal_ids))


def _events(now: datetime, since: datetime, portal_ids: Collection[UUID] | None) -> Counter[tuple[str, str]]:
    """How often each tag was recorded on each day."""
    tags = [tag.value for tag in (AuditTag.REGISTERED, AuditTag.SIGNED_IN, *REFUSED)]
    day = _swiss_day(now)
    rows = db.session.execute(
        select(day, AuditEvent.tag, func.count())
        .where(AuditEvent.at >= since, AuditEvent.tag.in_(tags), _at(AuditEvent.portal_id, portal_ids))
        .group_by(day, AuditEvent.tag)
    )
    return Counter({(str(row[0]), row[1]): row[2] for row in rows})


def _day(day: date, counted: Counter[tuple[str, str]]) -> Day:
    shown = day.isoformat()
    return Day(
        day,
        counted[shown, AuditTag.REGISTERED.value],
        counted[shown, AuditTag.SIGNED_IN.value],
        sum(counted[shown, tag.value] for tag in REFUSED),
    )


def _expiring(now: datetime, portal_ids: Collection[UUID] | None) -> int:
    """Letter codes that nobody used and that end within a week."""
    ends_soon = and_(
        RegistrationCode.redeemed_at.is_(None),
        RegistrationCode.revoked_at.is_(None),
        RegistrationCode.expires_at > now,
        RegistrationCode.expires_at <= now + SOON,
    )
    found = (
        select(func.count())
        .select_from(RegistrationCode)
        .join(InsuredPerson, InsuredPerson.id == RegistrationCode.insured_person_id)
        .where(ends_soon, _at(InsuredPerson.portal_id, portal_ids))
    )
    return db.session.scalar(found) or 0


def _at(column: Column, portal_ids: Collection[UUID] | None) -> ColumnElement[bool]:
    return true() if portal_ids is None else column.in_(portal_ids)


def _swiss_day(now: datetime) -> ColumnElement[str]:
    """The Swiss day of an event. SQLite knows no time zones: there it is the offset of today that counts."""
    if db.engine.dialect.name == "postgresql":
        return cast(cast(func.timezone(SWISS_TIME.key, AuditEvent.at), Date), String)
    offset = swiss(now).utcoffset() or timedelta()
    return func.date(AuditEvent.at, f"{int(offset.total_seconds())} seconds")
