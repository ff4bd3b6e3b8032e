"""Passwords: argon2id over a keyed step, a quality rule with a reason, and a decoy so that nobody learns who exists.

NIST SP 800-63B-4 §3.1.1.2: length only, no composition, a blocklist, comparison of every code point after NFC.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from uuid import UUID

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import String, and_, bindparam, exists, func, literal, select, update
from zxcvbn_rs_py import zxcvbn

from idp.clock import Clock
from idp.models.account import NOBODY, Account, Password
from idp.models.base import db, write
from idp.models.prepared import Prepared
from idp.models.session import Session
from idp.services.common_passwords import CommonPasswords
from idp.services.hash_queue import HashQueue
from idp.services.metrics import Metrics
from idp.settings import Settings
from keys import Vault

SHORTEST, LONGEST = 12, 256
WEAKEST_SCORE = 2
FEWEST_OTHER_LETTERS = 4


@dataclass(frozen=True)
class BadPassword:
    """`reason` is the message key of ux.md §6.6; `length` its `{n}`."""

    reason: str
    length: int


@dataclass(frozen=True, repr=False)
class Asked:
    """Who an address belongs to that somebody wants to sign in with: nobody, or an account that can."""

    account_id: UUID | None
    stored: str | None
    is_known_here: bool  # whether this browser opened a session of it before


OWNER = func.coalesce(Account.id, NOBODY)
WAS_SEEN_HERE = exists().where(
    Session.account_id == OWNER, Session.browser_hash == bindparam("browser_hash", type_=String())
)
ASKED = Prepared(
    select(Account.id, Password.hash, WAS_SEEN_HERE.label("is_known_here"))
    .select_from(select(literal(1).label("one")).subquery())
    .outerjoin(Account, and_(Account.email == bindparam("email"), Account.status == "active"))
    .outerjoin(Password, Password.account_id == OWNER)
)


class Passwords:
    def __init__(self, settings: Settings, clock: Clock, vault: Vault, metrics: Metrics) -> None:
        self._clock = clock
        self._vault = vault
        self.common = CommonPasswords(settings.blocked_passwords())
        self._installation_words = [word.casefold() for word in settings.installation_words]
        self._hasher = PasswordHasher(
            time_cost=settings.argon2_passes, memory_cost=settings.argon2_memory_kib, parallelism=1
        )
        self.queue = HashQueue(settings.hashes_at_once, settings.hashes_waiting, metrics)
        self._decoy = self._hasher.hash(self._keyed("the account that does not exist"))

    def problem(self, password: str, own_words: tuple[str, ...] = ()) -> BadPassword | None:
        """Why this password cannot be taken, or None. `own_words`: the person's names, e-mail, code, portal."""
        text = unicodedata.normalize("NFC", password)
        if not text:
            return BadPassword("e.pw.empty", 0)
        if len(text) < SHORTEST:
            return BadPassword("e.pw.short", len(text))
        if len(text) > LONGEST:
            return BadPassword("e.pw.long", len(text))
        words = [_bare(word) for word in own_words if len(word) >= 4]
        if _is_made_of(_bare(text), words):
            return BadPassword("e.pw.self", len(text))
        if self.common.has(text):
            return BadPassword("e.pw.common", len(text))
        if int(zxcvbn(text[:100], [*words, *own_words, *self._installation_words]).score) < WEAKEST_SCORE:
            blames_own_words = int(zxcvbn(text[:100], self._installation_words).score) >= WEAKEST_SCORE
            return BadPassword("e.pw.self" if blames_own_words else "e.pw.common", len(text))
        return None

    def hash(self, password: str) -> str:
        """The stored form: argon2id over an HMAC under a key that no database dump holds."""
        keyed = self._keyed(password)
        return self.queue.run(lambda: self._hasher.hash(keyed))

    def store(self, account_id: UUID, hashed: str) -> None:
        db.session.merge(Password(account_id=account_id, hash=hashed, changed_at=self._clock.now()))

    def verify(self, account_id: UUID | None, password: str) -> bool:
        """Whether this is the account's password. No account costs the same as a wrong password; a right one that was
        hashed with other settings is hashed anew.
        """
        known = db.session.scalar(select(Password.hash).where(Password.account_id == (account_id or NOBODY)))
        # No connection is held while the processor hashes; a rollback would make it forget what is prepared in it.
        db.session.commit()
        return self.is_right(Asked(account_id, known, is_known_here=False), password)

    def ask(self, email: str, browser_hash: str) -> Asked:
        """What a sign-in must know, in one look: the same is looked for whether the address has an account or not."""
        row = ASKED.first(email=email, browser_hash=browser_hash)
        return Asked(row.id, row.hash, bool(row.is_known_here))

    def is_right(self, asked: Asked, password: str) -> bool:
        """The same as `verify`, for whoever asked before and holds no connection any more."""
        known, stored = asked.stored, asked.stored or self._decoy
        keyed = self._keyed(password)
        try:
            self.queue.run(lambda: self._hasher.verify(stored, keyed))
        except (VerificationError, InvalidHashError):
            return False
        if known is None:
            return False
        if self._hasher.check_needs_rehash(stored):
            renewed = self.hash(password)
            write(
                update(Password)
                .where(Password.account_id == asked.account_id, Password.hash == stored)
                .values(hash=renewed)
            )
        return True

    def _keyed(self, password: str) -> str:
        return self._vault.mac("password-pepper", unicodedata.normalize("NFC", password))


def _bare(text: str) -> str:
    """Letters as one types them on any keyboard: no capitals, no accents."""
    parts = unicodedata.normalize("NFKD", text)
    return "".join(part for part in parts if not unicodedata.combining(part)).casefold()


def _is_made_of(text: str, words: list[str]) -> bool:
    """Whether these words are half of the text, or all of its letters but a few; or the text a part of one."""
    if any((word in text and len(word) * 2 >= len(text)) or text in word for word in words):
        return True
    rest = text
    for word in sorted(words, key=len, reverse=True):
        rest = rest.replace(word, "")
    return rest != text and sum(map(str.isalpha, rest)) < FEWEST_OTHER_LETTERS
