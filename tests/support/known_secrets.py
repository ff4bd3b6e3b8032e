"""What the persons of a mixture know: the codes they were sent, their apps, their printed codes; and what was typed.

Judged from the database and the messages, without the code that is tested.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field
from uuid import UUID

import argon2
import pyotp
from sqlalchemy import select

from idp.models.account import Account, Password, Phone, TOTPSecret
from idp.models.base import db
from idp.models.outbox import OutboxMessage
from idp.services.bundle import Services

CODE = re.compile(r"\b\d{6}\b")


@dataclass
class Typed:
    """What was typed in one walk: whose password, codes mailed to and texted to whom, whose app, whose paper."""

    passwords: set[UUID] = field(default_factory=set)
    mailed: set[str] = field(default_factory=set)
    texted: set[str] = field(default_factory=set)
    apps: set[str] = field(default_factory=set)
    papers: set[str] = field(default_factory=set)


class KnownSecrets:
    def __init__(self, services: Services) -> None:
        self.services = services
        self.papers: dict[str, list[str]] = defaultdict(list)  # family name → printed recovery codes
        self.sent: list[tuple[str, str, str]] = []
        self.last_message: UUID | None = None

    def messages(self) -> list[tuple[str, str, str]]:
        """Code, recipient and channel of every code that was ever sent, newest first."""
        newer = select(OutboxMessage).where(OutboxMessage.sealed_content.is_not(None)).order_by(OutboxMessage.id)
        if self.last_message is not None:
            newer = newer.where(OutboxMessage.id > self.last_message)
        for row in db.session.scalars(newer):
            content, self.last_message = self.services.outbox.open(row), row.id
            if row.state != "dropped" and (code := CODE.search(content.text)):
                self.sent.insert(0, (code[0], content.to, row.channel))
        db.session.rollback()
        return self.sent

    def owner_of(self, email: str, password: str) -> UUID | None:
        row = db.session.execute(
            select(Account.id, Password.hash)
            .join(Password, Password.account_id == Account.id)
            .where(Account.email == email)
        ).one_or_none()
        db.session.rollback()
        if row is None or not password:
            return None
        try:
            argon2.PasswordHasher().verify(row.hash, self.services.passwords._keyed(password))
        except argon2.exceptions.VerificationError:
            return None
        return row.id

    def seed_of(self, account_id: UUID) -> str:
        """The seed of the account's app; empty where there is none."""
        row = db.session.get(TOTPSecret, account_id)
        seed = self.services.totp.open_seed(row.sealed_seed, str(account_id)) if row else ""
        db.session.rollback()
        return seed

    def note(self, typed: Typed, fields: dict[str, str], seeds: set[str]) -> None:
        """What these fields are, judged without the code that is tested."""
        if account_id := self.owner_of(fields.get("email", ""), fields.get("password", "")):
            typed.passwords.add(account_id)
        code = fields.get("otp", "")
        for sent, to, channel in self.messages():
            if sent == code:
                (typed.mailed if channel == "mail" else typed.texted).add(to)
        for seed in seeds:
            if pyotp.TOTP(seed).verify(code, for_time=self.services.clock.now(), valid_window=1):
                typed.apps.add(seed)
        typed.papers.update(name for name, papers in self.papers.items() if fields.get("recovery_code") in papers)

    def had_both(self, account: Account, typed: Typed) -> bool:
        first = account.id in typed.passwords or account.email in typed.mailed
        phone = db.session.get(Phone, account.id)
        second = (phone is not None and phone.number in typed.texted) or self.seed_of(account.id) in typed.apps
        return first and (second or account.family_name in typed.papers)
