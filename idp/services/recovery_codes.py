"""Recovery codes: five times 80 bits, kept as keyed hashes, each good once (NIST SP 800-63B-4 §4.2.1.1).

Their text stays, sealed, for the minutes in which the person prints it; then housekeeping wipes it.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import delete, func, select, update

from idp.chance import Random, new_id, pick
from idp.clock import Clock
from idp.models.account import RecoveryCode
from idp.models.base import db, write
from idp.models.session import Session
from idp.services.registration_codes import ALPHABET, normalise
from keys import Vault

CODES, LENGTH = 5, 16  # of 32 characters each: 80 bits
SHOWN_FOR = timedelta(minutes=10)


def problem(typed: str) -> str | None:
    """The message key for an empty code or one that cannot be one; None when it may be right."""
    code = normalise(typed)
    if not code:
        return "e.rec.empty"
    is_possible = len(code) == LENGTH and all(character in ALPHABET for character in code)
    return None if is_possible else "e.rec.format"


def forget_recovery_codes(now: datetime) -> int:
    """Wipe the text of codes that are not shown any more; how many."""
    is_over = (RecoveryCode.sealed_code.is_not(None), RecoveryCode.created_at <= now - SHOWN_FOR)
    return write(update(RecoveryCode).where(*is_over).values(sealed_code=None))


class RecoveryCodes:
    def __init__(self, clock: Clock, random: Random, vault: Vault) -> None:
        self._clock = clock
        self._random = random
        self._vault = vault

    def renew(self, session: Session) -> None:
        """Five new codes for the account of this session; the old ones are void."""
        now = self._clock.now()
        db.session.execute(delete(RecoveryCode).where(RecoveryCode.account_id == session.account_id))
        for _ in range(CODES):
            ident, code = new_id(self._random, now), pick(self._random, ALPHABET, LENGTH)
            db.session.add(
                RecoveryCode(
                    id=ident,
                    account_id=session.account_id,
                    code_hash=self._hash(session.account_id, code),
                    created_at=now,
                    shown_in=session.id,
                    sealed_code=self._vault.seal(code.encode(), _place(ident)),
                )
            )

    def shown(self, session: Session) -> list[str]:
        """The codes as printed, K7M4-9PQX-2TDH-5WRC, while they may still be seen in the session that made them."""
        rows = db.session.scalars(
            select(RecoveryCode)
            .where(
                RecoveryCode.account_id == session.account_id,
                RecoveryCode.shown_in == session.id,
                RecoveryCode.sealed_code.is_not(None),
                RecoveryCode.created_at > self._clock.now() - SHOWN_FOR,
            )
            .order_by(RecoveryCode.id)
        )
        return [_printed(self._vault.open(row.sealed_code or "", _place(row.id)).decode()) for row in rows]

    def left(self, account_id: UUID) -> int:
        """How many codes of an account are still good."""
        mine = (RecoveryCode.account_id == account_id, RecoveryCode.used_at.is_(None))
        return db.session.scalar(select(func.count()).select_from(RecoveryCode).where(*mine)) or 0

    def made_at(self, account_id: UUID) -> datetime | None:
        return db.session.scalar(select(func.max(RecoveryCode.created_at)).where(RecoveryCode.account_id == account_id))

    def use(self, account_id: UUID, typed: str) -> bool:
        """Whether this is a good code of the account; it is used up by one conditional write."""
        done = write(
            update(RecoveryCode)
            .where(
                RecoveryCode.code_hash == self._hash(account_id, normalise(typed)),
                RecoveryCode.account_id == account_id,
                RecoveryCode.used_at.is_(None),
            )
            .values(used_at=self._clock.now(), sealed_code=None)
        )
        return done == 1

    def _hash(self, account_id: UUID, code: str) -> str:
        return self._vault.mac("recovery-code", f"{account_id}|{code}")


def _place(ident: UUID) -> str:
    return f"recovery_code.sealed_code.{ident}"


def _printed(code: str) -> str:
    return "-".join(code[at : at + 4] for at in range(0, LENGTH, 4))
