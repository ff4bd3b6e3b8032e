"""How the installation does: what was delivered last, what waits or fails, which keys sign, and which database answers.

Each question is one look into an index; whoever watches by machine asks `connect check`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import func, select

from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.models.signing_key import SigningKey
from idp.services.schema import current
from keys.ring import ACTIVE

CHANNELS = ("mail", "sms", "logout")
LATE_AFTER = timedelta(minutes=5)


@dataclass(frozen=True)
class Channel:
    """`waiting_since` is the age of what should have gone out first; `failing` wait for a later try."""

    name: str
    delivered_at: datetime | None
    waiting_since: datetime | None
    failing: int

    def is_late(self, now: datetime) -> bool:
        return self.waiting_since is not None and self.waiting_since < now - LATE_AFTER


@dataclass(frozen=True)
class Health:
    """`keys` are the algorithms with the moment since when their key signs."""

    channels: tuple[Channel, ...]
    keys: tuple[tuple[str, datetime], ...]
    database: str
    schema: str


def health(now: datetime) -> Health:
    """Of everything, at this moment."""
    active = select(SigningKey.alg, SigningKey.state_since).where(SigningKey.state == ACTIVE)
    return Health(
        channels=tuple(_channel(name, now) for name in CHANNELS),
        keys=tuple((alg, at) for alg, at in db.session.execute(active.order_by(SigningKey.alg))),
        database=db.engine.dialect.name,
        schema=current() or "–",
    )


def _channel(name: str, now: datetime) -> Channel:
    here = OutboxMessage.channel == name
    delivered = (
        select(OutboxMessage.settled_at)
        .where(here, OutboxMessage.settled_at.is_not(None), OutboxMessage.state.in_(("sent", "delivered")))
        .order_by(OutboxMessage.settled_at.desc())
        .limit(1)
    )
    waiting = (here, OutboxMessage.state == "waiting", OutboxMessage.due_at <= now)
    failing = select(func.count()).where(here, OutboxMessage.state == "waiting", OutboxMessage.tries > 0)
    oldest = select(OutboxMessage.due_at).where(*waiting).order_by(OutboxMessage.due_at).limit(1)
    return Channel(
        name, db.session.scalar(delivered), db.session.scalar(oldest),
        db.session.scalar(failing.select_from(OutboxMessage)) or 0,
    )  # fmt: skip
