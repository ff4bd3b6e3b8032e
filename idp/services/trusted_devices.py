"""Trusted devices: for thirty days one browser stands in for the second factor of one account, never for the password.

It counts only where a portal has it switched on, and a session that it opened says so (`Session.has_factors`). A secret
of 256 bits serves once and is then replaced, so a copy is worth nothing after its owner's next sign-in.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from uuid import UUID

from idp.chance import Random, hash_of, new_id, token
from idp.clock import Clock
from idp.models.base import db
from idp.models.trusted_device import (
    TrustedDevice,
    end_trust,
    find_trust,
    living_hashes,
    replace_secret,
    trusted_devices_of,
)
from idp.services.audit import Audit, AuditTag

PREFIX = "cc_td_"
TRUSTED_FOR = timedelta(days=30)
MOST = 10  # of one account


class TrustedDevices:
    def __init__(self, clock: Clock, random: Random, audit: Audit) -> None:
        self._clock = clock
        self._random = random
        self._audit = audit

    def find(self, account_id: UUID, browser_hash: str, secrets: Sequence[str]) -> TrustedDevice | None:
        """The trust of this account in this browser, proved by one of the secrets that the browser sent."""
        return find_trust(account_id, browser_hash, [hash_of(one) for one in secrets], self._clock.now())

    def trust(self, account_id: UUID, browser_hash: str, user_agent: str) -> str:
        """Trust this browser in place of what was trusted in it before; returns the secret for its cookie."""
        now, secret = self._clock.now(), token(self._random, PREFIX)
        end_trust(account_id, TrustedDevice.browser_hash == browser_hash)
        kept = trusted_devices_of(account_id, now)[: MOST - 1]
        end_trust(account_id, TrustedDevice.id.not_in([one.id for one in kept]))
        row = TrustedDevice(
            id=new_id(self._random, now),
            account_id=account_id,
            browser_hash=browser_hash,
            secret_hash=hash_of(secret),
            user_agent=user_agent[:200],
            created_at=now,
            expires_at=now + TRUSTED_FOR,
        )
        db.session.add(row)
        db.session.flush()
        self._audit.record(AuditTag.DEVICE_TRUSTED, account=account_id, device=str(row.id))
        return secret

    def use(self, device: TrustedDevice) -> str | None:
        """The next secret of this browser; None where another tab was faster or the trust has ended."""
        secret = token(self._random, PREFIX)
        is_used = replace_secret(device.id, device.secret_hash, hash_of(secret), self._clock.now())
        return secret if is_used else None

    def living(self, browser_hash: str, secrets: Sequence[str]) -> list[str]:
        """Those of these secrets that are still good, for one account or another."""
        good = living_hashes(browser_hash, [hash_of(one) for one in secrets], self._clock.now())
        return [one for one in secrets if hash_of(one) in good]

    def of(self, account_id: UUID) -> list[TrustedDevice]:
        return trusted_devices_of(account_id, self._clock.now())

    def end(self, account_id: UUID, device_id: UUID) -> None:
        self._record(account_id, end_trust(account_id, TrustedDevice.id == device_id))

    def end_at(self, account_id: UUID, browser_hash: str) -> None:
        """Whoever ends a session in a browser trusts that browser no more."""
        self._record(account_id, end_trust(account_id, TrustedDevice.browser_hash == browser_hash))

    def end_all(self, account_id: UUID, *, but_at: str | None = None) -> None:
        """End them all, or those of every browser but one."""
        others = () if but_at is None else (TrustedDevice.browser_hash != but_at,)
        self._record(account_id, end_trust(account_id, *others))

    def _record(self, account_id: UUID, ended: int) -> None:
        if ended:
            self._audit.record(AuditTag.TRUST_ENDED, account=account_id, count=str(ended))
