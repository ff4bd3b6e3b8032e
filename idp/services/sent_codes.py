"""The statements about codes that were sent (challenges.py): what was sent to whom, and the one use of each."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol, cast
from uuid import UUID

from sqlalchemy import Integer, Table, and_, bindparam, func, insert, literal, select, update

from idp.models.base import UTCDateTime
from idp.models.flow import Challenge
from idp.models.prepared import Prepared
from idp.services.outbox import SENT_SINCE

SMS = "sms"
CIRCUIT_WINDOW = 100  # the newest texted codes, of which enough must have been entered

CHALLENGE = cast(Table, Challenge.__table__)
SINCE = bindparam("since", type_=UTCDateTime())
TO, OF_KIND = CHALLENGE.c.recipient_hash == bindparam("recipient"), CHALLENGE.c.kind == bindparam("kind")
RECORD = Prepared(insert(CHALLENGE), *(column.key for column in CHALLENGE.c if column.key != "used_at"))
NEWEST = Prepared(
    select(CHALLENGE.c.id, CHALLENGE.c.code_hash, CHALLENGE.c.sent_at, CHALLENGE.c.expires_at, CHALLENGE.c.used_at)
    .where(CHALLENGE.c.run_id == bindparam("run"), OF_KIND, TO)
    .order_by(CHALLENGE.c.sent_at.desc())
    .limit(bindparam("most", type_=Integer()))
)
ACCEPTED = (
    select(CHALLENGE.c.id, CHALLENGE.c.code_hash, CHALLENGE.c.sent_at, CHALLENGE.c.expires_at)
    .where(CHALLENGE.c.run_id == bindparam("run"), OF_KIND, TO)
    .order_by(CHALLENGE.c.sent_at.desc())
    .limit(bindparam("most", type_=Integer()))
    .subquery()
)
SHOWN = (
    select(ACCEPTED.c.id)
    .where(ACCEPTED.c.code_hash == bindparam("digest"), ACCEPTED.c.expires_at > bindparam("now", type_=UTCDateTime()))
    .order_by(ACCEPTED.c.sent_at.desc())
    .limit(1)
    .scalar_subquery()
)
USE = Prepared(
    update(CHALLENGE)
    .where(CHALLENGE.c.id == SHOWN, CHALLENGE.c.used_at.is_(None))
    .values(used_at=bindparam("now", type_=UTCDateTime()))
)
SENT = Prepared(
    select(CHALLENGE.c.sent_at, CHALLENGE.c.run_id)
    .where(OF_KIND, TO, CHALLENGE.c.sent_at > SINCE)
    .order_by(CHALLENGE.c.sent_at.desc())
)
TEXTED_AND_SENT = Prepared(  # one row at least, for what was texted
    select(SENT_SINCE.label("today"), CHALLENGE.c.sent_at, CHALLENGE.c.run_id)
    .select_from(select(literal(1).label("one")).subquery())
    .outerjoin(CHALLENGE, and_(OF_KIND, TO, CHALLENGE.c.sent_at > SINCE))
    .order_by(CHALLENGE.c.sent_at.desc())
)
LATEST = (
    select(CHALLENGE.c.used_at)
    .where(CHALLENGE.c.kind == SMS, CHALLENGE.c.sent_at > SINCE)
    .order_by(CHALLENGE.c.sent_at.desc())
    .limit(CIRCUIT_WINDOW)
    .subquery()
)
TEXTED_AND_USED = Prepared(
    select(SENT_SINCE.label("today"), func.count().label("sent"), func.count(LATEST.c.used_at).label("used"))
    .select_from(LATEST)
)  # fmt: skip


class Sent(Protocol):
    """What is kept of a code that was sent."""

    id: UUID
    code_hash: str | None
    sent_at: datetime
    expires_at: datetime
    used_at: datetime | None
