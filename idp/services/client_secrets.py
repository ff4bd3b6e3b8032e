"""Client secrets: at most two are good at a time, so that their owner can change its own without an outage.

The plain text leaves this file once; only a MAC is stored, which is verified in the same work for every client.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

from idp.chance import Random, token
from idp.clock import Clock
from idp.errors import BadInput
from idp.models.client_secret import HasClientSecrets
from keys import Vault


class ClientSecrets:
    def __init__(self, clock: Clock, random: Random, vault: Vault) -> None:
        self._clock = clock
        self._random = random
        self._vault = vault

    def is_right(self, owner: HasClientSecrets | None, given: str) -> bool:
        """Whether this is a secret of the owner; both are compared, and an unknown owner costs the same."""
        shown = self._vault.mac("client-secret", given)
        stored = (owner.client_secret_hash if owner else None) or ""
        is_newer = hmac.compare_digest(shown, stored)
        before = (owner.previous_secret_hash if owner and self.has_previous(owner) else None) or ""
        is_older = hmac.compare_digest(shown, before)
        return is_newer or is_older

    def has_previous(self, owner: HasClientSecrets) -> bool:
        """Whether the secret before the last one is still good."""
        until = owner.previous_secret_until
        return owner.previous_secret_hash is not None and (until is None or until > self._clock.now())

    def make(self, owner: HasClientSecrets) -> str:
        """A fresh secret in plain text, this once."""
        secret = token(self._random, "cc_cs_")
        owner.client_secret_hash = self._vault.mac("client-secret", secret)
        owner.client_secret_made_at = self._clock.now()
        return secret

    def renew(self, owner: HasClientSecrets, keep_old_for: timedelta | None) -> tuple[str, str]:
        """A new secret in plain text, this once, and in words until when the old one is good; None: until it is ended.

        Raises `BadInput` where two are good already.
        """
        keeps = keep_old_for is None or keep_old_for > timedelta(0)
        if keeps and self.has_previous(owner):
            raise BadInput("two secrets are good already: end the older one first")
        forget_previous(owner)
        if keeps:
            owner.previous_secret_hash = owner.client_secret_hash
            owner.previous_secret_made_at = owner.client_secret_made_at
            owner.previous_secret_until = None if keep_old_for is None else self._clock.now() + keep_old_for
        return self.make(owner), _in_words(owner.previous_secret_until) if keeps else "now"

    def end_previous(self, owner: HasClientSecrets) -> None:
        """The older secret is void from now on. Raises `BadInput` where there is none."""
        if not self.has_previous(owner):
            raise BadInput("there is no older secret that is still good")
        forget_previous(owner)


def forget_previous(owner: HasClientSecrets) -> None:
    owner.previous_secret_hash = owner.previous_secret_made_at = owner.previous_secret_until = None


def _in_words(until: datetime | None) -> str:
    return "ended by hand" if until is None else until.isoformat(timespec="minutes")
