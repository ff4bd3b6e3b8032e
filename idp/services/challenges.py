"""Codes sent by mail and SMS: who may be sent how many, what was sent in which run, and the one use of each.

A code is bound to its run, its kind and the address it was sent to. The two newest are accepted, each in its own life
(ux.md §3.2). Sending again never extends a life nor gives back a guess.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from math import ceil
from uuid import UUID

from sqlalchemy import func, select, update

from idp.chance import Random, digits, new_id
from idp.clock import Clock
from idp.models.base import db, write
from idp.models.flow import Challenge
from idp.models.portal import Portal
from idp.services.outbox import Outbox
from idp.settings import Settings
from idp.texts import format_time
from keys import Vault

ACCEPTED_CODES = 2
FIRST_PAUSE = timedelta(seconds=30)
MAIL_PER_HOUR, SMS_PER_HOUR, SMS_PER_DAY = 5, 5, 10
CIRCUIT_WINDOW, CIRCUIT_RATIO = 100, 3  # security.md F-23: sent to verified


class Kind(StrEnum):
    EMAIL = "email"
    SMS = "sms"


class Verdict(StrEnum):
    RIGHT = "right"
    WRONG = "wrong"
    EXPIRED = "expired"


@dataclass(frozen=True)
class Wait:
    """Nothing was sent: ask again in `seconds`."""

    seconds: int


class Challenges:
    def __init__(self, settings: Settings, clock: Clock, random: Random, vault: Vault, outbox: Outbox) -> None:
        self._settings = settings
        self._clock = clock
        self._random = random
        self._vault = vault
        self._outbox = outbox

    def newest(self, run_id: UUID, kind: Kind, recipient: str) -> Challenge | None:
        """The code last sent in this run to this address."""
        return db.session.scalar(
            select(Challenge)
            .where(
                Challenge.run_id == run_id, Challenge.kind == kind, Challenge.recipient_hash == self._address(recipient)
            )
            .order_by(Challenge.sent_at.desc())
            .limit(1)
        )

    def send(
        self, kind: Kind, *, run_id: UUID, recipient: str, language: str, portal: Portal, exists: bool = False
    ) -> Wait | None:
        """Send a new code, or say how long to wait. `exists`: the mail tells the owner they have an account already,
        and no code will match; rows and cost are the same, so the sender of the request learns nothing.
        """
        now = self._clock.now()
        if wait := self.must_wait(kind, recipient, run_id):
            return wait
        code = digits(self._random)
        life = self._settings.sms_code_for if kind is Kind.SMS else self._settings.email_code_for
        db.session.add(
            Challenge(
                id=new_id(self._random, now),
                run_id=run_id,
                kind=kind,
                recipient_hash=self._address(recipient),
                code_hash=None if exists else self._code(run_id, kind, recipient, code),
                sent_at=now,
                expires_at=now + life,
            )
        )
        if kind is Kind.SMS:
            self._outbox.sms(
                "code", to=recipient, language=language, portal=portal, values={"code": code},
                expires_at=now + life, run_id=run_id,
            )  # fmt: skip
        else:
            self._outbox.mail(
                "exists" if exists else "code", to=recipient, language=language, portal=portal,
                values={"code": code, "time": format_time(now + life)}, expires_at=now + life, run_id=run_id,
            )  # fmt: skip
        return None

    def judge(self, kind: Kind, *, run_id: UUID, recipient: str, code: str) -> Verdict:
        """Compare with the two newest codes of this run and address; a right one is consumed and committed at once."""
        now = self._clock.now()
        rows = db.session.scalars(
            select(Challenge)
            .where(
                Challenge.run_id == run_id, Challenge.kind == kind, Challenge.recipient_hash == self._address(recipient)
            )
            .order_by(Challenge.sent_at.desc())
            .limit(ACCEPTED_CODES)
        ).all()
        live = [row for row in rows if row.expires_at > now]
        if not live:
            return Verdict.EXPIRED
        digest = self._code(run_id, kind, recipient, code)
        for row in live:
            if row.code_hash == digest:
                done = write(
                    update(Challenge).where(Challenge.id == row.id, Challenge.used_at.is_(None)).values(used_at=now)
                )
                db.session.commit()
                return Verdict.RIGHT if done == 1 else Verdict.WRONG
        return Verdict.WRONG

    def must_wait(self, kind: Kind, recipient: str, run_id: UUID) -> Wait | None:
        """How long nothing more is sent to this address. The hour and the day are counted over all journeys and
        browsers; the pause between two codes is for sending again, not for the first code of a new journey.
        """
        now, address = self._clock.now(), self._address(recipient)
        sent = list(
            db.session.execute(
                select(Challenge.sent_at, Challenge.run_id)
                .where(
                    Challenge.kind == kind,
                    Challenge.recipient_hash == address,
                    Challenge.sent_at > now - timedelta(days=1),
                )
                .order_by(Challenge.sent_at.desc())
            )
        )
        last_hour = [row.sent_at for row in sent if row.sent_at > now - timedelta(hours=1)]
        here = [row.sent_at for row in sent if row.run_id == run_id]
        waits = [timedelta(0)]
        if here:
            doubled = min(len(here) - 1, 2) if kind is Kind.SMS else 0
            waits.append(here[0] + FIRST_PAUSE * 2**doubled - now)  # for SMS 30, 60, then 120 seconds
        if len(last_hour) >= (SMS_PER_HOUR if kind is Kind.SMS else MAIL_PER_HOUR):
            waits.append(last_hour[-1] + timedelta(hours=1) - now)
        if kind is Kind.SMS and len(sent) >= SMS_PER_DAY:
            waits.append(sent[-1].sent_at + timedelta(days=1) - now)
        longest = max(waits)
        return Wait(ceil(longest.total_seconds())) if longest > timedelta(0) else None

    def sms_is_stopped(self, portal: Portal) -> bool:
        """Whether texting is stopped: the portal's daily cap is reached, or far more codes are sent than entered."""
        since = self._clock.now() - timedelta(days=1)
        if self._outbox.count_since(portal.id, "sms", since) >= self._settings.sms_per_day:
            return True
        newest = (
            select(Challenge.used_at)
            .where(Challenge.kind == Kind.SMS, Challenge.sent_at > since)
            .order_by(Challenge.sent_at.desc())
            .limit(CIRCUIT_WINDOW)
            .subquery()
        )
        sent, used = db.session.execute(select(func.count(), func.count(newest.c.used_at)).select_from(newest)).one()
        return bool(sent >= CIRCUIT_WINDOW and used * CIRCUIT_RATIO < sent)

    def _address(self, recipient: str) -> str:
        return self._vault.mac("challenge-recipient", recipient)

    def _code(self, run_id: UUID, kind: Kind, recipient: str, code: str) -> str:
        return self._vault.mac("challenge-code", f"{run_id}|{kind}|{recipient}|{code}")
