"""Client secrets of a portal: at most two are good at a time, so that a portal can change its own without an outage.

The plain text leaves this file once; only a MAC is stored, which is verified in the same work for every client.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

from idp.chance import Random, token
from idp.clock import Clock
from idp.errors import BadInput
from idp.models.portal import Portal
from idp.services.audit import Audit, AuditTag
from idp.services.portal_rules import SECRET_METHODS
from keys import Vault


class PortalSecrets:
    def __init__(self, clock: Clock, random: Random, vault: Vault, audit: Audit) -> None:
        self._clock = clock
        self._random = random
        self._vault = vault
        self._audit = audit

    def is_right(self, portal: Portal | None, given: str) -> bool:
        """Whether this is a secret of the portal; both are compared, and an unknown portal costs the same."""
        shown = self._vault.mac("client-secret", given).encode()
        stored = (portal.client_secret_hash if portal else None) or ""
        is_newer = hmac.compare_digest(shown, stored.encode())
        before = (portal.previous_secret_hash if portal and self.has_previous(portal) else None) or ""
        is_older = hmac.compare_digest(shown, before.encode())
        return is_newer or is_older

    def has_previous(self, portal: Portal) -> bool:
        """Whether the secret before the last one is still good."""
        until = portal.previous_secret_until
        return portal.previous_secret_hash is not None and (until is None or until > self._clock.now())

    def fit(self, portal: Portal) -> str | None:
        """A secret exactly where the authentication method has one; a fresh one in plain text, this once."""
        if portal.token_endpoint_auth_method not in SECRET_METHODS:
            portal.client_secret_hash = portal.client_secret_made_at = None
            _forget_previous(portal)
            return None
        return None if portal.client_secret_hash else self._make(portal)

    def renew(self, portal: Portal, keep_old_for: timedelta | None = timedelta(0)) -> str:
        """A new secret in plain text, this once. The old one stays good for so long; None: until somebody ends it.

        Raises `BadInput` where there is none, or where two are good already.
        """
        if portal.token_endpoint_auth_method not in SECRET_METHODS:
            raise BadInput("this portal authenticates with its own key and has no secret")
        keeps = keep_old_for is None or keep_old_for > timedelta(0)
        if keeps and self.has_previous(portal):
            raise BadInput("two secrets are good already: end the older one first")
        _forget_previous(portal)
        if keeps:
            portal.previous_secret_hash = portal.client_secret_hash
            portal.previous_secret_made_at = portal.client_secret_made_at
            portal.previous_secret_until = None if keep_old_for is None else self._clock.now() + keep_old_for
        secret = self._make(portal)
        until = _in_words(portal.previous_secret_until) if keeps else "now"
        portal.changed_at = self._clock.now()
        self._audit.record(AuditTag.PORTAL_CHANGED, portal=portal.id, action="secret", old_until=until)
        return secret

    def end_previous(self, portal: Portal) -> None:
        """The older secret is void from now on. Raises `BadInput` where there is none."""
        if not self.has_previous(portal):
            raise BadInput("there is no older secret that is still good")
        _forget_previous(portal)
        portal.changed_at = self._clock.now()
        self._audit.record(AuditTag.PORTAL_CHANGED, portal=portal.id, action="end secret")

    def _make(self, portal: Portal) -> str:
        secret = token(self._random, "cc_cs_")
        portal.client_secret_hash = self._vault.mac("client-secret", secret)
        portal.client_secret_made_at = self._clock.now()
        return secret


def _forget_previous(portal: Portal) -> None:
    portal.previous_secret_hash = portal.previous_secret_made_at = portal.previous_secret_until = None


def _in_words(until: datetime | None) -> str:
    return "ended by hand" if until is None else until.isoformat(timespec="minutes")
