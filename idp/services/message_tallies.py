"""Messages counted by day, portal, channel and how they ended, before the outbox forgets them.

A day is counted once, when it is over for long enough that its messages have ended; a mark says that it was.
"""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime, time, timedelta

from sqlalchemy import func, select
from sqlalchemy.exc import IntegrityError

from idp.clock import SWISS_TIME, swiss
from idp.models import tally
from idp.models.base import db, insert_if_absent
from idp.models.outbox import OutboxMessage
from idp.models.portal import Portal
from idp.models.tally import NOWHERE, Tally

SETTLED_AFTER = 2  # days: what still waits then was given up
KIND, MARK = "message", "counted"


def tally_messages(now: datetime, kept_for: timedelta) -> int:
    """Count the days that are not counted yet and that the outbox still remembers; how many days."""
    last = swiss(now).date() - timedelta(days=SETTLED_AFTER)
    newest = newest_counted()
    day = max(newest + timedelta(days=1) if newest else date.min, last - timedelta(days=kept_for.days))
    done = 0
    while day <= last:
        done += _count(day)
        day += timedelta(days=1)
    return done


def newest_counted() -> date | None:
    """The last day whose messages stand in the tallies."""
    marks = select(Tally.day).where(Tally.kind == KIND, Tally.name == MARK)
    return db.session.scalar(marks.order_by(Tally.day.desc()).limit(1))  # a look at the newest days, not at all of them


def midnight(day: date) -> datetime:
    return datetime.combine(day, time(), SWISS_TIME)


def _count(day: date) -> bool:
    """In one transaction with its mark: another worker that is as far finds the mark and counts nothing."""
    mark = {"day": day, "portal_id": NOWHERE, "kind": KIND, "name": MARK, "size": 0}
    if not insert_if_absent(Tally, **mark, count=1):
        db.session.rollback()
        return False
    counted = Counter[tally.Key]()
    for portal_id in (*db.session.scalars(select(Portal.id)), None):  # one by one, as the index goes
        rows = db.session.execute(
            select(OutboxMessage.channel, OutboxMessage.state, func.count())
            .where(OutboxMessage.portal_id == portal_id, OutboxMessage.channel.in_(("mail", "sms", "logout")))
            .where(
                OutboxMessage.created_at >= midnight(day), OutboxMessage.created_at < midnight(day + timedelta(days=1))
            )
            .group_by(OutboxMessage.channel, OutboxMessage.state)
        )
        for channel, state, count in rows:
            counted[(day, portal_id or NOWHERE, KIND, f"{channel}.{state}", 0)] += count
    try:
        tally.add(counted)
        db.session.commit()
    except IntegrityError:
        db.session.rollback()
        return False
    return True
