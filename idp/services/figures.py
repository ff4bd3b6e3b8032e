"""Figures for operators: what happened on each Swiss day, counted from the record of events and the outbox."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, Date, String, and_, cast, func, select, true
from sqlalchemy.orm import InstrumentedAttribute

from idp.clock import SWISS_TIME, swiss
from idp.models.audit import LATE, AuditEvent, AuditLink, newest_link
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.tally import Tally
from idp.services.audit import AuditTag
from idp.services.message_tallies import midnight, newest_counted

REFUSED = (AuditTag.PASSWORD_REFUSED, AuditTag.FACTOR_REFUSED, AuditTag.PASSKEY_REFUSED)
HANDED_OVER = (".sent", ".delivered", ".bounced")
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
    bounced: int

    @property
    def by_month(self) -> tuple[Day, ...]:
        """The same, one for each month, by its first day."""
        months = dict[date, list[Day]]()
        for day in self.days:
            months.setdefault(day.day.replace(day=1), []).append(day)
        return tuple(
            Day(first, sum(d.registrations for d in days), sum(d.sign_ins for d in days), sum(d.refused for d in days))
            for first, days in months.items()
        )

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
    counted = _events(now, midnight(first), portal_ids)
    by_day = tuple(_day(first + timedelta(days=at), counted) for at in range(days))
    sent = _messages(first, portal_ids)
    sms = sum(count for name, count in sent.items() if name.startswith("sms.") and name.endswith(HANDED_OVER))
    return Figures(by_day, sms, _ended(sent, "dead"), _expiring(now, portal_ids), _ended(sent, "bounced"))


def _messages(first: date, portal_ids: Collection[UUID] | None) -> Counter[str]:
    """Channel and state → how many, since the first day: what was counted by day, and what was not yet."""
    tallied = db.session.execute(
        select(Tally.name, func.sum(Tally.count))
        .where(Tally.day >= first, Tally.kind == "message", _at(Tally.portal_id, portal_ids))
        .group_by(Tally.name)
    )
    found = Counter({name: int(count) for name, count in tallied})
    newest = newest_counted()
    since = max(first, newest + timedelta(days=1)) if newest else first
    fresh = select(OutboxMessage.channel, OutboxMessage.state, func.count()).where(
        OutboxMessage.created_at >= midnight(since), _at(OutboxMessage.portal_id, portal_ids)
    )
    rows = db.session.execute(fresh.group_by(OutboxMessage.channel, OutboxMessage.state))
    found.update({f"{channel}.{state}": count for channel, state, count in rows})
    return found


def _ended(sent: Counter[str], state: str) -> int:
    return sum(count for name, count in sent.items() if name.endswith(f".{state}"))


def _events(now: datetime, since: datetime, portal_ids: Collection[UUID] | None) -> Counter[tuple[str, str]]:
    """How often each tag was recorded on each day: what is linked stands in the tallies, the rest is counted here."""
    tags = [tag.value for tag in (AuditTag.REGISTERED, AuditTag.SIGNED_IN, *REFUSED)]
    tallied = db.session.execute(
        select(Tally.day, Tally.name, func.sum(Tally.count))
        .where(Tally.day >= swiss(since).date(), Tally.kind == "event", Tally.name.in_(tags))
        .where(_at(Tally.portal_id, portal_ids))
        .group_by(Tally.day, Tally.name)
    )
    found = Counter({(day.isoformat(), tag): int(count) for day, tag, count in tallied})
    newest, day = newest_link(), _swiss_day(now)
    linked = select(AuditLink.event_id).where(AuditLink.event_id == AuditEvent.id)
    fresh = select(day, AuditEvent.tag, func.count()).where(
        AuditEvent.at >= max(since, newest.at - LATE if newest else since), AuditEvent.tag.in_(tags), ~linked.exists(),
        _at(AuditEvent.portal_id, portal_ids),
    )  # fmt: skip
    found.update({(str(at), tag): count for at, tag, count in db.session.execute(fresh.group_by(day, AuditEvent.tag))})
    return found


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
