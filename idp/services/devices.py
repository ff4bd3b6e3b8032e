"""Devices that wait for their person (RFC 8628): the code they show, the person's answer, and the device's polling.

The code is 7 random letters of RFC 8628 §6.1's twenty (30 bits, behind a guess limit) and a check letter, so that a
typing error is told apart from a wrong code and never counts as a guess.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import timedelta
from enum import Enum
from typing import Any, cast
from uuid import UUID

from sqlalchemy import ColumnElement, CursorResult, Table, and_, bindparam, select, update

from idp.chance import Random, hash_of, new_id, pick, token
from idp.clock import Clock
from idp.models.authorization import DeviceAuthorization
from idp.models.base import db, insert_if_absent, write
from idp.models.live_grant import GRANT, LiveGrant
from idp.models.portal import Portal
from idp.services.tokens import Replayed, Tokens
from idp.settings import Settings
from keys import Vault

ALPHABET = "BCDFGHJKLMNPQRSTVWXZ"
LENGTH = 8
INTERVAL_S, SLOWER_BY_S, SLOWEST_S = 5, 5, 60
TRIES = 5  # for a code that no waiting device shows
DEVICE = cast(Table, DeviceAuthorization.__table__)
FIND = select(DEVICE).where(DEVICE.c.device_code_hash == bindparam("hash"), DEVICE.c.portal_id == bindparam("portal"))


class Poll(Enum):
    """What a device is told that gets nothing yet, or never (RFC 8628 §3.5)."""

    PENDING = "authorization_pending"
    SLOW_DOWN = "slow_down"
    DENIED = "access_denied"
    EXPIRED = "expired_token"


@dataclass(frozen=True)
class Begun:
    device_code: str
    user_code: str
    expires_in: int
    interval: int


@dataclass(frozen=True)
class Waiting:
    """A device whose person has not answered yet."""

    id: UUID
    portal: Portal
    scope: str


def _check(body: str) -> str:
    """Luhn's sum modulo 20: every single wrong letter is seen, and almost every exchange of two neighbours."""
    total = 0
    for at, letter in enumerate(reversed(body)):
        value = ALPHABET.index(letter) * (2 if at % 2 == 0 else 1)
        total += value // len(ALPHABET) + value % len(ALPHABET)
    return ALPHABET[-total % len(ALPHABET)]


def generate(random: Random) -> str:
    """A fresh code, 8 letters."""
    body = pick(random, ALPHABET, LENGTH - 1)
    return body + _check(body)


def show(user_code: str) -> str:
    """In two groups: WDJB-MJHT."""
    return f"{user_code[:4]}-{user_code[4:]}"


def normalise(typed: str) -> str:
    """Upper case, and letters alone."""
    text = unicodedata.normalize("NFKC", typed[:200]).upper()
    return "".join(character for character in text if character.isalnum())


def problem(user_code: str) -> str | None:
    """What is wrong with the form of a normalised code: empty or typo; None when it may exist."""
    if not user_code:
        return "empty"
    if len(user_code) != LENGTH or any(letter not in ALPHABET for letter in user_code):
        return "typo"
    return None if _check(user_code[:-1]) == user_code[-1] else "typo"


class Devices:
    def __init__(self, settings: Settings, clock: Clock, random: Random, vault: Vault, tokens: Tokens) -> None:
        self._settings = settings
        self._clock = clock
        self._random = random
        self._vault = vault
        self._tokens = tokens

    def begin(self, portal: Portal, scope: str) -> Begun:
        """The two codes in plain text, this once; only hashes are kept."""
        now, device_code = self._clock.now(), token(self._random, "cc_dc_")
        for _ in range(TRIES):
            user_code = generate(self._random)
            if insert_if_absent(
                DeviceAuthorization,
                id=new_id(self._random, now),
                device_code_hash=hash_of(device_code),
                user_code_hash=self._hash(user_code),
                portal_id=portal.id,
                scope=scope,
                created_at=now,
                interval_s=INTERVAL_S,
                expires_at=now + self._settings.device_code_for,
            ):
                life = int(self._settings.device_code_for.total_seconds())
                return Begun(device_code, user_code, life, INTERVAL_S)
        raise LookupError("no free code was found")

    def find_waiting(self, user_code: str) -> Waiting | None:
        """The device that shows this code and waits."""
        row = db.session.execute(
            select(DEVICE.c.id, DEVICE.c.scope, Portal)
            .join(Portal, Portal.id == DEVICE.c.portal_id)
            .where(DEVICE.c.user_code_hash == self._hash(user_code), self._is_open(), Portal.disabled_at.is_(None))
        ).one_or_none()
        return Waiting(row.id, row.Portal, row.scope) if row else None

    def was_answered_by(self, user_code: str, account_id: UUID) -> bool:
        """Whether this person allowed the device that shows this code."""
        found = db.session.scalar(
            select(DEVICE.c.id)
            .join(GRANT, GRANT.c.id == DEVICE.c.grant_id)
            .where(DEVICE.c.user_code_hash == self._hash(user_code), GRANT.c.account_id == account_id)
        )
        return found is not None

    def approve(self, waiting: Waiting, grant_id: UUID) -> bool:
        """Give the device what its person granted; False when it was answered already or gave up."""
        return write(update(DEVICE).where(DEVICE.c.id == waiting.id, self._is_open()).values(grant_id=grant_id)) == 1

    def deny(self, waiting: Waiting) -> bool:
        """The person refuses; False when it was answered already or gave up."""
        now = self._clock.now()
        return write(update(DEVICE).where(DEVICE.c.id == waiting.id, self._is_open()).values(denied_at=now)) == 1

    def poll(self, portal: Portal, device_code: str) -> LiveGrant | Poll | Replayed | None:
        """The grant of an approved device, once; a `Poll`; `Replayed`; None for what is no code of this portal."""
        now = self._clock.now()
        row = db.session.execute(FIND, {"hash": hash_of(device_code), "portal": portal.id}).one_or_none()
        if row is None:
            return None
        if row.consumed_at is not None:
            return self._tokens.replayed(row.grant_id)
        if row.expires_at <= now:
            return Poll.EXPIRED
        if row.denied_at is not None:
            return Poll.DENIED
        if row.grant_id is None:
            return self._wait(row)
        consumed = update(DEVICE).where(DEVICE.c.id == row.id, DEVICE.c.consumed_at.is_(None)).values(consumed_at=now)
        done = cast("CursorResult[Any]", db.session.execute(consumed)).rowcount
        return self._tokens.live_grant(row.grant_id) if done == 1 else self._tokens.replayed(row.grant_id)

    def _wait(self, row: Any) -> Poll:
        """RFC 8628 §3.5: who asks sooner than the interval is told to wait five seconds longer from now on."""
        now = self._clock.now()
        is_early = row.polled_at is not None and now - row.polled_at < timedelta(seconds=row.interval_s)
        interval = min(row.interval_s + SLOWER_BY_S, SLOWEST_S) if is_early else row.interval_s
        write(update(DEVICE).where(DEVICE.c.id == row.id).values(polled_at=now, interval_s=interval))
        return Poll.SLOW_DOWN if is_early else Poll.PENDING

    def _is_open(self) -> ColumnElement[bool]:
        return and_(
            DEVICE.c.grant_id.is_(None), DEVICE.c.denied_at.is_(None), DEVICE.c.consumed_at.is_(None),
            DEVICE.c.expires_at > self._clock.now(),
        )  # fmt: skip

    def _hash(self, user_code: str) -> str:
        return self._vault.mac("device-user-code", user_code)
