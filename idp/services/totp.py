"""The authenticator app (RFC 6238): enrolment, one use per time step, and the hint that a phone's clock is wrong."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

import pyotp

from idp.chance import Random
from idp.clock import Clock
from idp.models.account import TOTPSecret, sealed_seed, spend_totp_step
from idp.models.base import db
from keys import Vault

STEP = 30
CLOCK_HINT_WITHIN = timedelta(minutes=5)
ACCOUNT_NAME = "Connect"


@dataclass(frozen=True)
class Judged:
    """`step` is the accepted time step; `clock_is_wrong` says the code is right at another time of the last minutes."""

    step: int | None
    clock_is_wrong: bool = False


class TOTP:
    def __init__(self, clock: Clock, random: Random, vault: Vault) -> None:
        self._clock = clock
        self._random = random
        self._vault = vault

    def new_seed(self) -> str:
        """160 random bits in base 32 (RFC 4226 §4 R6)."""
        return base64.b32encode(self._random.bytes(20)).decode()

    def uri(self, seed: str) -> str:
        """The `otpauth:` address that an app reads from the QR code."""
        return pyotp.TOTP(seed).provisioning_uri(name=ACCOUNT_NAME, issuer_name=ACCOUNT_NAME)

    def judge(self, seed: str, code: str) -> Judged:
        """Compare a code with this step and its two neighbours; look further only to explain a wrong clock."""
        totp = pyotp.TOTP(seed)
        now = self._clock.now()
        current = int(now.timestamp()) // STEP
        for step in (current, current - 1, current + 1):
            if pyotp.utils.strings_equal(totp.generate_otp(step), code):
                return Judged(step)
        reach = int(CLOCK_HINT_WITHIN.total_seconds()) // STEP
        near = range(current - reach, current + reach + 1)
        return Judged(None, any(pyotp.utils.strings_equal(totp.generate_otp(step), code) for step in near))

    def seal_seed(self, seed: str, row: str) -> str:
        return self._vault.seal(seed.encode(), f"totp_secret.sealed_seed.{row}")

    def open_seed(self, sealed: str, row: str) -> str:
        return self._vault.open(sealed, f"totp_secret.sealed_seed.{row}").decode()

    def enrol(self, account_id: UUID, seed: str, step: int) -> None:
        """Store the seed for the account; the step that proved it is used up."""
        db.session.merge(
            TOTPSecret(
                account_id=account_id,
                sealed_seed=self.seal_seed(seed, str(account_id)),
                last_step=step,
                enrolled_at=self._clock.now(),
            )
        )

    def verify(self, account_id: UUID, code: str) -> Judged:
        """Judge a code of an enrolled account. The accepted step is consumed with what it proves: whoever shows it at
        the same time waits, and a later one is refused (RFC 6238 §5.2).
        """
        sealed = sealed_seed(account_id)
        if sealed is None:
            return Judged(None)
        judged = self.judge(self.open_seed(sealed, str(account_id)), code)
        if judged.step is None or spend_totp_step(account_id, judged.step):
            return judged
        return Judged(None)
