"""The code of the letter: 11 random characters of Crockford's base 32 (55 bits) and a check character.

The check character is a weighted sum over GF(32) with distinct weights: every single wrong character and every exchange
of two characters is seen, so a typing error is told apart from a wrong code and never counts as a guess.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID

from idp.chance import Random, new_id, pick
from idp.clock import SWISS_TIME, Clock, swiss
from idp.models.base import db
from idp.models.person import (
    RECOVER,
    REGISTER,
    InsuredPerson,
    RegistrationCode,
    find_code,
    find_redeemed_code,
    redeem_code,
    reserve_code,
    revoke_codes,
)
from idp.models.portal import Portal
from keys import Vault

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
LENGTH = 12
LOOK_ALIKES = str.maketrans("OIL", "011")
LAST_MOMENT = time(23, 59, 59)
REDUCTION = 0b100101  # x⁵ + x² + 1, primitive over GF(2)


def _times_x(value: int) -> int:
    value <<= 1
    return value ^ REDUCTION if value & 0b100000 else value


def check_character(body: str) -> str:
    """What stands behind these characters, so that a typing error is seen."""
    total = 0
    for character in body:  # Horner: the weight of a character is a power of x, different for every position
        total = _times_x(total) ^ ALPHABET.index(character)
    return ALPHABET[_times_x(total)]


def generate(random: Random) -> str:
    """A fresh code, 12 characters."""
    body = pick(random, ALPHABET, LENGTH - 1)
    return body + check_character(body)


def show(code: str) -> str:
    """In groups of four, as printed: K7M4-9PQX-2TDH."""
    return "-".join(code[at : at + 4] for at in range(0, LENGTH, 4))


def normalise(typed: str) -> str:
    """Upper case, look-alikes resolved, everything that is no letter or digit dropped."""
    text = unicodedata.normalize("NFKC", typed[:200]).upper()
    return "".join(character for character in text if character.isalnum()).translate(LOOK_ALIKES)


def problem(code: str) -> str | None:
    """What is wrong with the form of a normalised code: empty, format or typo; None when it may exist."""
    if not code:
        return "empty"
    if len(code) != LENGTH:
        return "format"
    if any(character not in ALPHABET for character in code) or check_character(code[:-1]) != code[-1]:
        return "typo"
    return None


def last_moment(day: date) -> datetime:
    """When a code that is good until this day ends, on a Swiss clock."""
    return datetime.combine(day, LAST_MOMENT, SWISS_TIME)


@dataclass(frozen=True)
class Found:
    code: RegistrationCode


@dataclass(frozen=True)
class Expired:
    at: datetime


class Used:
    """The code was redeemed."""


class Unknown:
    """No such code at this portal; a revoked one, one of another portal and one of another purpose are as unknown as a
    guess.
    """


class RegistrationCodes:
    def __init__(self, clock: Clock, random: Random, vault: Vault) -> None:
        self._clock = clock
        self._random = random
        self._vault = vault

    def issue(self, person: InsuredPerson, portal: Portal) -> str:
        """A new code for this person, in plain text for the letter; every earlier one is void."""
        code = generate(self._random)
        self.revoke(person)
        self.store(code, person, self.last_day(portal))
        return code

    def store(self, code: str, person: InsuredPerson, last_day: date, purpose: str = REGISTER) -> UUID:
        """Make a code valid until the end of a day on a Swiss clock; returns its id."""
        return self.store_hash(self.hash(code), person.id, person.portal_id, last_day, purpose)

    def store_hash(
        self, code_hash: str, person_id: UUID, portal_id: UUID, last_day: date, purpose: str = REGISTER
    ) -> UUID:
        """The same for a code of which nothing but the hash is kept any more."""
        now = self._clock.now()
        ident = new_id(self._random, now)
        db.session.add(
            RegistrationCode(
                id=ident,
                insured_person_id=person_id,
                portal_id=portal_id,
                purpose=purpose,
                code_hash=code_hash,
                issued_at=now,
                expires_at=last_moment(last_day),
            )
        )
        return ident

    def last_day(self, portal: Portal) -> date:
        """The day printed on a letter of today."""
        return swiss(self._clock.now()).date() + timedelta(days=portal.code_life_days)

    def look_up(self, portal: Portal, code: str) -> Found | Expired | Used | Unknown:
        """What this code is at this portal. The asker holds 55 right bits, so used and expired are told."""
        row = find_code(self.hash(code), portal.id)
        return self.judge(row) if row is not None and row.purpose == REGISTER else Unknown()

    def look_up_recovery(self, portal: Portal, account_id: UUID, code: str) -> Found | Expired | Used | Unknown:
        """The same for the code of a recovery letter, which is good for the owner of this record alone."""
        row = find_code(self.hash(code), portal.id)
        if row is None or row.purpose != RECOVER or row.revoked_at is not None:
            return Unknown()
        if row.person.account_id != account_id:
            return Unknown()
        if row.redeemed_at is not None:
            return Used()
        return Found(row) if row.expires_at > self._clock.now() else Expired(row.expires_at)

    def judge(self, row: RegistrationCode) -> Found | Expired | Used | Unknown:
        """What a code is now."""
        if row.revoked_at is not None:
            return Unknown()
        if row.redeemed_at is not None or row.person.account_id is not None:
            return Used()
        if row.expires_at <= self._clock.now():
            return Expired(row.expires_at)
        return Found(row)

    def reserve(self, row: RegistrationCode, run_id: UUID) -> bool:
        """Give the code to this run; the newest reservation wins."""
        return reserve_code(row.id, run_id, self._clock.now())

    def holder(self, code_id: UUID) -> RegistrationCode | None:
        """The code as it is now, for a run that believes it holds it."""
        return db.session.get(RegistrationCode, code_id, populate_existing=True)

    def redeem(self, code_id: UUID, run_id: UUID, second_item: str | None) -> bool:
        """Use it up, once; `second_item` says what was checked beside it."""
        return redeem_code(code_id, run_id, self._clock.now(), second_item)

    def redeemed_for(self, person: InsuredPerson) -> RegistrationCode | None:
        """The code that tied an account to this record."""
        return find_redeemed_code(person.id)

    def revoke(self, person: InsuredPerson) -> int:
        """Void every open code of a person; returns how many."""
        return revoke_codes([person.id], self._clock.now())

    def hash(self, code: str) -> str:
        """What is stored of a code."""
        return self._vault.mac("registration-code", code)
