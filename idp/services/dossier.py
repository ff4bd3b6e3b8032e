"""What the desk knows of one person: what happened, which messages went out, and where a walk stands now.

Read only, and only what concerns the portals that the reader may see: an account may be known to other funds too.
Never a code, a seed or a password: none of them is loaded here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import or_, select

from idp.clock import Clock
from idp.models.account import Account, Phone
from idp.models.audit import AuditEvent
from idp.models.base import db
from idp.models.flow import Challenge, FlowRun
from idp.models.outbox import OutboxMessage
from idp.models.person import InsuredPerson, RegistrationCode
from idp.services.audit import AuditTag
from idp.services.challenges import Challenges

MOST_EVENTS = 60
WALKS_WITHIN = timedelta(days=2)
HIDDEN = {AuditTag.PERSON_OPENED.value, AuditTag.NOTES_READ.value}  # the reading itself stands in the audit


@dataclass(frozen=True)
class Waits:
    """A walk that goes on: at which step, and since when."""

    step: str
    since: datetime


@dataclass(frozen=True)
class Message:
    """A code that was sent: how, when, and what became of it."""

    channel: str
    at: datetime
    state: str
    settled_at: datetime | None


class Dossiers:
    def __init__(self, clock: Clock, challenges: Challenges) -> None:
        self._clock = clock
        self._challenges = challenges

    def codes(self, person: InsuredPerson) -> list[RegistrationCode]:
        """The letters of a person, newest first."""
        mine = select(RegistrationCode).where(RegistrationCode.insured_person_id == person.id)
        return list(db.session.scalars(mine.order_by(RegistrationCode.issued_at.desc(), RegistrationCode.id.desc())))

    def events(self, person: InsuredPerson, account: Account | None, portals: Collection[UUID]) -> list[AuditEvent]:
        """What happened to the record and its account, newest first; nothing of portals that are not among these."""
        concerns = AuditEvent.insured_person_id == person.id
        if account is not None:
            concerns = or_(concerns, AuditEvent.account_id == account.id)
        found = db.session.scalars(
            select(AuditEvent)
            .where(
                concerns,
                or_(AuditEvent.insured_person_id.is_(None), AuditEvent.insured_person_id == person.id),
                or_(AuditEvent.portal_id.is_(None), AuditEvent.portal_id.in_(portals)),
                AuditEvent.tag.not_in(HIDDEN),
            )
            .order_by(AuditEvent.at.desc(), AuditEvent.id.desc())
            .limit(MOST_EVENTS)
        )
        return list(found)

    def messages(self, person: InsuredPerson, account: Account | None, portals: Collection[UUID]) -> list[Message]:
        """The codes sent on the walks of this person, as long as the outbox remembers."""
        rows = db.session.scalars(
            select(OutboxMessage)
            .where(
                OutboxMessage.run_id.in_(self._walks(person, account)),
                OutboxMessage.portal_id.in_(portals),
                OutboxMessage.state != "dropped",  # a decoy that nobody gets
            )
            .order_by(OutboxMessage.created_at.desc())
            .limit(MOST_EVENTS)
        )
        return [Message(row.channel, row.created_at, row.state, row.settled_at) for row in rows]

    def waits(self, person: InsuredPerson, account: Account | None, portals: Collection[UUID]) -> Waits | None:
        """The step at which the newest walk waits for the person."""
        run = self.run(person, account, portals)
        if run is None:
            return None
        sent_at = db.session.scalar(
            select(Challenge.sent_at).where(Challenge.run_id == run.id).order_by(Challenge.sent_at.desc()).limit(1)
        )
        step = _step(run)
        return Waits(step, sent_at if sent_at is not None and step.endswith("_code") else run.created_at)

    def run(self, person: InsuredPerson, account: Account | None, portals: Collection[UUID]) -> FlowRun | None:
        """The newest walk of the person that goes on."""
        return db.session.scalar(
            select(FlowRun)
            .where(
                FlowRun.id.in_(self._walks(person, account)), FlowRun.consumed_at.is_(None),
                FlowRun.expires_at > self._clock.now(), FlowRun.portal_id.in_(portals),
            )
            .order_by(FlowRun.created_at.desc())
            .limit(1)
        )  # fmt: skip

    def _walks(self, person: InsuredPerson, account: Account | None) -> set[UUID]:
        """Those that hold a code of the person, and those that sent a code to an address of the account."""
        since = self._clock.now() - WALKS_WITHIN
        held = select(RegistrationCode.reserved_by).where(
            RegistrationCode.insured_person_id == person.id, RegistrationCode.reserved_at > since
        )
        runs = {run for run in db.session.scalars(held) if run is not None}
        if account is not None:
            number = db.session.scalar(select(Phone.number).where(Phone.account_id == account.id))
            runs |= self._challenges.runs_of([account.email, *([number] if number else [])], since)
        return runs


def _step(run: FlowRun) -> str:
    """What is proved last tells what is asked next."""
    facts = run.state
    if run.journey != "registration":
        return "sms_code" if facts.get("method") == "sms" or facts.get("factor") == "sms" else "email_code"
    if not facts.get("email"):
        return "email"
    if not facts.get("email_proved"):
        return "email_code"
    if not facts.get("password_hash"):
        return "details"
    return "sms_code" if facts.get("factor") == "sms" else "app"
