"""What is personal in old events is erased, and the chain stays whole.

An event is proved genuine first; then whom it concerned and its detail are emptied, and a MAC of ours binds what is
left to the MAC it had, which the chain goes on to hold. Who has only the database can empty nothing unseen.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import ColumnElement, or_, select
from sqlalchemy.exc import ProgrammingError

from idp.models.audit import AuditEvent, AuditLink
from idp.models.base import db
from idp.services.audit import AuditTag, event_mac, redaction_mac
from idp.services.bundle import Services
from keys import Vault

BATCH, BATCHES = 500, 20
# Who came, was refused, was looked at: kept for traceability (DPO art. 4). The rest says how an account came to be as
# it is, and is kept as long as business records.
VISITS = frozenset(
    tag.value
    for tag in AuditTag
    if tag.value.rpartition(":")[2] in {"refuse", "open", "end", "search", "reveal", "exhaust", "reserve", "share"}
)

log = structlog.get_logger(__name__)


def redact_old(bundle: Services) -> int:
    """Every event whose time is over, a bounded number; how many were emptied. A database that refuses is said."""
    now, settings, done = bundle.clock.now(), bundle.settings, 0
    try:
        for tag in AuditTag:
            kept_for = settings.visits_kept_for if tag.value in VISITS else settings.changes_kept_for
            done += redact(bundle, AuditEvent.tag == tag.value, AuditEvent.at < now - kept_for)
    except ProgrammingError as error:  # the role may not change the record: one of its own does so (docs/operations.md)
        db.session.rollback()
        log.error("audit_redaction_refused", error=type(error.orig).__name__)
    return done


def redact_account(bundle: Services, account_id: UUID) -> int:
    """Everything that an account did or that was done to it, at once."""
    return redact(bundle, or_(AuditEvent.account_id == account_id, AuditEvent.actor_id == account_id))


def redact(bundle: Services, *where: ColumnElement[bool]) -> int:
    """Batch by batch, each committed, and recorded by number. What is not genuine stays as it is, to be found."""
    now, done, after = bundle.clock.now(), 0, UUID(int=0)
    old = select(AuditEvent).where(*where, AuditEvent.redacted_at.is_(None), AuditEvent.mac.is_not(None))
    linked = select(AuditLink.event_id).where(AuditLink.event_id == AuditEvent.id)
    old = old.where(linked.exists()).order_by(AuditEvent.id).limit(BATCH)
    for _ in range(BATCHES):
        events = db.session.scalars(old.where(AuditEvent.id > after)).all()
        done += sum(_empty(bundle.vault, event, now) for event in events)
        db.session.commit()
        if len(events) < BATCH:
            break
        after = events[-1].id
    if done:
        bundle.audit.record(AuditTag.EVENTS_REDACTED, count=str(done))
        db.session.commit()
    return done


def _empty(vault: Vault, event: AuditEvent, now: datetime) -> bool:
    if event.mac != event_mac(vault, event):
        return False
    event.account_id = event.insured_person_id = event.actor_id = event.request_id = None
    event.detail, event.redacted_at = {}, now
    event.redaction = redaction_mac(vault, event)
    return True
