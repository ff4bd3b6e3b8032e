"""The client secrets of a portal (services/client_secrets.py), where its authentication method has one."""

from __future__ import annotations

from datetime import timedelta

from idp.clock import Clock
from idp.errors import BadInput
from idp.models.portal import Portal
from idp.services.audit import Audit, AuditTag
from idp.services.client_secrets import ClientSecrets, forget_previous
from idp.services.portal_rules import SECRET_METHODS


class PortalSecrets:
    def __init__(self, clock: Clock, secrets: ClientSecrets, audit: Audit) -> None:
        self._clock = clock
        self._secrets = secrets
        self._audit = audit

    def is_right(self, portal: Portal | None, given: str) -> bool:
        """Whether this is a secret of the portal; an unknown portal costs the same."""
        return self._secrets.is_right(portal, given)

    def has_previous(self, portal: Portal) -> bool:
        """Whether the secret before the last one is still good."""
        return self._secrets.has_previous(portal)

    def fit(self, portal: Portal) -> str | None:
        """A secret exactly where the authentication method has one; a fresh one in plain text, this once."""
        if portal.token_endpoint_auth_method not in SECRET_METHODS:
            portal.client_secret_hash = portal.client_secret_made_at = None
            forget_previous(portal)
            return None
        return None if portal.client_secret_hash else self._secrets.make(portal)

    def renew(self, portal: Portal, keep_old_for: timedelta | None = timedelta(0)) -> str:
        """A new secret in plain text, this once. The old one stays good for so long; None: until somebody ends it.

        Raises `BadInput` where there is none, or where two are good already.
        """
        if portal.token_endpoint_auth_method not in SECRET_METHODS:
            raise BadInput("this portal authenticates with its own key and has no secret")
        secret, until = self._secrets.renew(portal, keep_old_for)
        portal.changed_at = self._clock.now()
        self._audit.record(AuditTag.PORTAL_CHANGED, portal=portal.id, action="secret", old_until=until)
        return secret

    def end_previous(self, portal: Portal) -> None:
        """The older secret is void from now on. Raises `BadInput` where there is none."""
        self._secrets.end_previous(portal)
        portal.changed_at = self._clock.now()
        self._audit.record(AuditTag.PORTAL_CHANGED, portal=portal.id, action="end secret")
