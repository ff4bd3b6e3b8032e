"""Codes sent by mail and SMS: who may be sent how many, what was sent in which run, and the one use of each.

A code is bound to its run, its kind and the address it was sent to. The two newest are accepted, each in its own life
(ux.md §3.2). Sending again never extends a life nor gives back a guess.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from math import ceil
from typing import Any
from uuid import UUID

import structlog
from sqlalchemy import Row, select

from idp.chance import Random, digits, new_id
from idp.clock import Clock
from idp.models.base import db
from idp.models.flow import Challenge
from idp.models.portal import Portal
from idp.services.attempts import Attempts, Budget
from idp.services.audit import Audit, AuditTag
from idp.services.outbox import Outbox
from idp.services.sent_codes import (
    CIRCUIT_WINDOW,
    NEWEST,
    RECORD,
    SENT,
    TEXTED_AND_SENT,
    TEXTED_AND_USED,
    USE,
    Sent,
)
from idp.settings import Settings
from idp.texts import format_time
from keys import Vault

log = structlog.get_logger(__name__)
ACCEPTED_CODES = 2
FIRST_PAUSE = timedelta(seconds=30)
PER_HOUR, SMS_PER_DAY = 5, 10
CIRCUIT_RATIO = 3  # security.md F-23: sent to verified


class Kind(StrEnum):
    EMAIL = "email"
    SMS = "sms"


class Purpose(StrEnum):
    """What a mailed code is for: to confirm an address, or to choose a new password."""

    CONFIRM = "code"
    RESET = "reset"


LETTER_SENDS = {  # codes to addresses that one letter may cause in a day, whatever the addresses
    Kind.EMAIL: Budget("letter_mail", ((20, timedelta(days=1)),)),
    Kind.SMS: Budget("letter_sms", ((10, timedelta(days=1)),)),
}


class Verdict(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Wait:
    """Nothing was sent: ask again in `seconds`."""

    seconds: int


class Stopped:
    """Nothing was sent: this portal sends no SMS for now."""


@dataclass(frozen=True, repr=False)
class Errand:
    """What is to be sent, in which run. `letter` is the insured person, or the account that changes, where the address
    is not proved yet.
    """

    kind: Kind
    recipient: str
    run_id: UUID
    portal: Portal
    language: str
    letter: UUID | None = None
    purpose: Purpose = Purpose.CONFIRM
    is_void: bool = False  # no code will match: whom we cannot serve is not told so here (security.md F-10)


class Challenges:
    def __init__(
        self, settings: Settings, clock: Clock, random: Random, vault: Vault, outbox: Outbox, attempts: Attempts,
        audit: Audit,
    ) -> None:  # fmt: skip
        self._settings = settings
        self._clock = clock
        self._random = random
        self._vault = vault
        self._outbox = outbox
        self._attempts = attempts
        self._audit = audit

    def newest(self, run_id: UUID, kind: Kind, recipient: str) -> Sent | None:
        """The code last sent in this run to this address."""
        return next(iter(self._newest(run_id, kind, recipient, most=1)), None)

    def _newest(self, run_id: UUID, kind: Kind, recipient: str, most: int) -> list[Sent]:
        return NEWEST.all(run=run_id, kind=kind, recipient=self._address(recipient), most=most)

    def runs_of(self, recipients: Sequence[str], since: datetime) -> set[UUID]:
        """The walks that sent a code to one of these addresses."""
        rows = select(Challenge.run_id).where(
            Challenge.recipient_hash.in_([self._address(one) for one in recipients]),
            Challenge.kind.in_(list(Kind)),
            Challenge.sent_at > since,
        )
        return set(db.session.scalars(rows))

    def send(self, errand: Errand) -> Wait | Stopped | None:
        """Send a new code, or say why not. Rows and cost are the same whether the address has an account or not."""
        if errand.letter and (refused := self.refusal(errand)):  # before it pays
            self._sound_alarm(errand, refused)
            return refused
        if errand.letter and (full := self._attempts.spend(LETTER_SENDS[errand.kind], str(errand.letter))):
            return self._wait_until(full.until)
        self._attempts.queue(f"send|{errand.kind}|{errand.recipient}")
        if refused := self._pace(errand) if errand.letter else self.refusal(errand):
            self._sound_alarm(errand, refused)
            return refused
        now, code = self._clock.now(), digits(self._random)
        life = self._life(errand)
        digest = self._code(errand.run_id, errand.kind, errand.recipient, code)
        RECORD.count(
            id=new_id(self._random, now),
            run_id=errand.run_id,
            kind=errand.kind,
            recipient_hash=self._address(errand.recipient),
            code_hash=None if errand.is_void else digest,
            sent_at=now,
            expires_at=now + life,
        )
        self._post(errand, code, now + life)
        return None

    def _post(self, errand: Errand, code: str, until: datetime) -> None:
        given: dict[str, Any] = {
            "to": errand.recipient, "language": errand.language, "portal": errand.portal, "expires_at": until,
            "run_id": errand.run_id,
        }  # fmt: skip
        if errand.kind is Kind.SMS:
            self._outbox.sms("code", values={"code": code}, **given)
            return
        values = {"code": code, "time": format_time(until)}
        if errand.purpose is Purpose.RESET:  # an unknown address gets nothing
            self._outbox.mail("reset", values=values, is_decoy=errand.is_void, **given)
        else:  # whoever has an account already is told so
            self._outbox.mail("exists" if errand.is_void else "code", values=values, **given)

    def _life(self, errand: Errand) -> timedelta:
        if errand.kind is Kind.SMS:
            return self._settings.sms_code_for
        return self._settings.reset_code_for if errand.purpose is Purpose.RESET else self._settings.email_code_for

    def judge(self, kind: Kind, *, run_id: UUID, recipient: str, code: str) -> Verdict:
        """Compare with the two newest codes of this run and address; a right one is used up with what it proves."""
        now, digest = self._clock.now(), self._code(run_id, kind, recipient, code)
        used = USE.count(
            run=run_id, kind=kind, recipient=self._address(recipient), most=ACCEPTED_CODES, digest=digest, now=now
        )
        if used:
            return Verdict.RIGHT
        rows = self._newest(run_id, kind, recipient, most=ACCEPTED_CODES)
        return Verdict.WRONG if any(row.expires_at > now for row in rows) else Verdict.EXPIRED

    def refusal(self, errand: Errand) -> Wait | Stopped | None:
        """Why nothing would be sent now, or None."""
        if errand.letter:
            return self._stop(errand, str(errand.letter)) or self._pace(errand)
        if errand.kind is not Kind.SMS:
            return self._pace(errand)
        sent = TEXTED_AND_SENT.all(portal=errand.portal.id, channel="sms", **self._within_a_day(errand))
        if sent[0].today >= self._settings.sms_per_day:
            return Stopped()
        return self._pause(errand, [row for row in sent if row.sent_at is not None])

    def _stop(self, errand: Errand, letter: str) -> Wait | Stopped | None:
        """What holds whoever has a letter: the portal's number of SMS, and what the letter may cause."""
        if errand.kind is Kind.SMS and self.sms_is_stopped(errand.portal):
            return Stopped()
        full = self._attempts.refusal(LETTER_SENDS[errand.kind], letter)
        return self._wait_until(full.until) if full else None

    def sms_is_stopped(self, portal: Portal) -> bool:
        """Whether texting to numbers that are not proved yet is stopped: the portal's daily cap is reached, or far more
        codes are sent than entered (security.md F-23).
        """
        since = self._clock.now() - timedelta(days=1)
        found = TEXTED_AND_USED.first(portal=portal.id, channel="sms", since=since)
        if found.today >= self._settings.sms_per_day:
            return True
        return bool(found.sent >= CIRCUIT_WINDOW and found.used * CIRCUIT_RATIO < found.sent)

    def _pace(self, errand: Errand) -> Wait | None:
        return self._pause(errand, SENT.all(**self._within_a_day(errand)))

    def _pause(self, errand: Errand, sent: Sequence[Row[datetime, UUID]]) -> Wait | None:
        """The hour and the day are counted over all journeys and browsers; the pause between two codes is for sending
        again within one run.
        """
        now = self._clock.now()
        last_hour = [row.sent_at for row in sent if row.sent_at > now - timedelta(hours=1)]
        here = [row.sent_at for row in sent if row.run_id == errand.run_id]
        open_at = [now]
        if here:
            doubled = min(len(here) - 1, 2) if errand.kind is Kind.SMS else 0
            open_at.append(here[0] + FIRST_PAUSE * 2**doubled)  # for SMS 30, 60, then 120 seconds
        if len(last_hour) >= PER_HOUR:
            open_at.append(last_hour[PER_HOUR - 1] + timedelta(hours=1))
        if errand.kind is Kind.SMS and len(sent) >= SMS_PER_DAY:
            open_at.append(sent[SMS_PER_DAY - 1].sent_at + timedelta(days=1))
        return self._wait_until(max(open_at)) if max(open_at) > now else None

    def _within_a_day(self, errand: Errand) -> dict[str, Any]:
        """What finds when and in which run codes went to this address, newest first."""
        since = self._clock.now() - timedelta(days=1)
        return {"kind": errand.kind, "recipient": self._address(errand.recipient), "since": since}

    def _wait_until(self, moment: datetime) -> Wait:
        return Wait(max(1, ceil((moment - self._clock.now()).total_seconds())))

    def _sound_alarm(self, errand: Errand, refused: Wait | Stopped) -> None:
        """Operators hear that a portal's SMS have stopped, once an hour."""
        since = self._clock.now() - timedelta(hours=1)
        if isinstance(refused, Stopped) and not self._audit.has_recorded(AuditTag.SMS_STOPPED, errand.portal.id, since):
            self._audit.record(AuditTag.SMS_STOPPED, portal=errand.portal.id)
            log.warning("sms_stopped", portal=errand.portal.slug)

    def _address(self, recipient: str) -> str:
        return self._vault.mac("challenge-recipient", recipient)

    def _code(self, run_id: UUID, kind: Kind, recipient: str, code: str) -> str:
        return self._vault.mac("challenge-code", f"{run_id}|{kind}|{recipient}|{code}")
