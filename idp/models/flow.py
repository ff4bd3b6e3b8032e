"""One walk of a journey in one browser, the codes sent on the way, and the guesses counted before they are judged."""

from __future__ import annotations

from datetime import datetime
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ForeignKey, Index, Table, bindparam, text, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base
from idp.models.prepared import Prepared

IS_UNTALLIED = text("tallied_at IS NULL AND consumed_at IS NULL")
IS_ENDED = text("tallied_at IS NULL AND consumed_at IS NOT NULL")
NO_STREAK = text("streak = 0")
IS_STREAK = text("streak > 0")


class FlowRun(Base):
    """The proved facts and kept entries of one journey, found by its handle *and* the cookie of its browser."""

    __tablename__ = "flow_run"
    __table_args__ = (
        Index("ix_flow_run_untallied", "expires_at", sqlite_where=IS_UNTALLIED, postgresql_where=IS_UNTALLIED),
        Index("ix_flow_run_ended", "consumed_at", sqlite_where=IS_ENDED, postgresql_where=IS_ENDED),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    handle_hash: Mapped[str] = mapped_column(unique=True)
    browser_hash: Mapped[str]
    journey: Mapped[str]
    portal_id: Mapped[UUID] = mapped_column(ForeignKey("portal.id"))
    state: Mapped[dict[str, Any]]  # facts of the journey's state dataclass, and its version under "v"
    entries: Mapped[dict[str, Any]]  # step name → field → text as typed; never a password or a code
    errors: Mapped[dict[str, Any]]  # step name → field → [message key, values]
    notice: Mapped[dict[str, Any]]  # step name → [message key, values] shown as a status
    resume: Mapped[str | None]  # handle of the pending authorization request, sealed
    version: Mapped[int] = mapped_column(default=0)
    created_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    consumed_at: Mapped[datetime | None]
    marks: Mapped[dict[str, Any] | None]  # step → seconds until it was proved, error key → how often; for figures
    tallied_at: Mapped[datetime | None]


class Submission(Base):
    """A form that was sent, by its nonce: a double click is judged once and both clicks see the same result."""

    __tablename__ = "submission"

    run_id: Mapped[UUID] = mapped_column(ForeignKey("flow_run.id", ondelete="CASCADE"), primary_key=True)
    nonce: Mapped[str] = mapped_column(primary_key=True)
    done_at: Mapped[datetime | None]


class Challenge(Base):
    """A mailed or texted code. Bound to its run, its kind and the address it was sent to; only a keyed hash."""

    __tablename__ = "challenge"
    __table_args__ = (
        Index("ix_challenge_run_kind", "run_id", "kind", "sent_at"),
        Index("ix_challenge_recipient", "recipient_hash", "kind", "sent_at"),
        Index("ix_challenge_sent", "kind", "sent_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("flow_run.id", ondelete="CASCADE"))
    kind: Mapped[str]  # "email" or "sms"
    recipient_hash: Mapped[str]
    code_hash: Mapped[str | None]  # empty for a decoy: no code will ever match
    sent_at: Mapped[datetime]
    expires_at: Mapped[datetime] = mapped_column(index=True)
    used_at: Mapped[datetime | None]


class AttemptCounter(Base):
    """How many guesses a subject has spent. Counted by one conditional UPDATE before the guess is judged."""

    __tablename__ = "attempt_counter"
    __table_args__ = (
        Index("ix_attempt_counter_last_at", "last_at", sqlite_where=NO_STREAK, postgresql_where=NO_STREAK),
        Index("ix_attempt_counter_streak", "last_at", sqlite_where=IS_STREAK, postgresql_where=IS_STREAK),
    )

    subject: Mapped[str] = mapped_column(primary_key=True)  # kind and keyed hash, see services/attempts.py
    spent: Mapped[int]
    streak: Mapped[int]  # consecutive failures; time alone ends it after longer than a year
    last_at: Mapped[datetime]
    blocked_until: Mapped[datetime | None]


RUN = cast(Table, FlowRun.__table__)
CONSUME = Prepared(
    update(RUN)
    .where(RUN.c.id == bindparam("run"), RUN.c.version == bindparam("seen"), RUN.c.consumed_at.is_(None))
    .values(
        consumed_at=bindparam("now"), version=bindparam("next"), state=bindparam("kept"), entries=bindparam("nothing"),
        errors=bindparam("nothing"), notice=bindparam("nothing"),
    )
)  # fmt: skip


def consume_run(run_id: UUID, version: int, state: dict[str, Any], now: datetime) -> bool:
    """Finish a run, once; of what was typed and proved only `state` is kept, for the page at the end."""
    return CONSUME.count(run=run_id, seen=version, now=now, next=version + 1, kept=state, nothing={}) == 1
