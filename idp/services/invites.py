"""Invitations to register: the operator describes the portal and vouches for it, its developer brings the metadata.

The token is the initial access token of RFC 7591 §1.2: for one portal, used once, and only its hash is stored.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from idp.chance import Random, hash_of, new_id, token
from idp.clock import Clock
from idp.errors import BadInput
from idp.models.authorization import PortalInvite
from idp.models.base import db, write
from idp.models.portal import Portal
from idp.services.audit import Audit, AuditTag
from idp.services.portal_details import PortalDetails, faults_in

# What persons see and trust, and how strict we are with the portal: never the developer's to say.
OPERATOR_FIELDS = (
    "slug", "names", "short_name", "place", "phone", "email", "hours", "brand_color", "logo_svg", "logo_alt",
    "texts", "home_url", "code_life_days", "second_item", "factors", "letter_window", "scopes", "security_profile",
    "require_pkce", "assertion_audience", "subject_type", "access_token_format", "resources", "refresh_rotation",
    "allowed_acr", "trusted_devices", "consent", "publisher", "verified_claims",
)  # fmt: skip
DEVELOPER_FIELDS = tuple(name for name in PortalDetails.model_fields if name not in OPERATOR_FIELDS)


class Invites:
    def __init__(self, clock: Clock, random: Random, audit: Audit) -> None:
        self._clock = clock
        self._random = random
        self._audit = audit

    def invite(self, given: dict[str, Any], valid_for: timedelta) -> tuple[str, datetime]:
        """The initial access token for the portal that is described, in plain text, this once. Raises `BadInput`."""
        faults = [f"{name}: is for the portal's developer to say" for name in given if name in DEVELOPER_FIELDS]
        faults += faults_in(given, frozenset(DEVELOPER_FIELDS))
        if not faults and db.session.scalar(select(Portal.id).where(Portal.slug == given["slug"])):
            faults = ["slug: another portal, perhaps a disabled one, has it"]
        if faults:
            raise BadInput("\n".join(faults))
        now, secret = self._clock.now(), token(self._random, "cc_iat_")
        row = PortalInvite(
            id=new_id(self._random, now), token_hash=hash_of(secret), details=given, created_at=now,
            expires_at=now + valid_for,
        )  # fmt: skip
        db.session.add(row)
        self._audit.record(AuditTag.PORTAL_INVITED, slug=str(given["slug"]))
        return secret, row.expires_at

    def find(self, secret: str) -> PortalInvite | None:
        """The invitation of this token that can still be used."""
        return db.session.scalar(
            select(PortalInvite).where(
                PortalInvite.token_hash == hash_of(secret),
                PortalInvite.used_at.is_(None),
                PortalInvite.expires_at > self._clock.now(),
            )
        )

    def consume(self, invite: PortalInvite) -> bool:
        """Use the invitation, once; it comes back if the registration that it is used for is rolled back."""
        now = self._clock.now()
        done = write(
            update(PortalInvite)
            .where(PortalInvite.id == invite.id, PortalInvite.used_at.is_(None), PortalInvite.expires_at > now)
            .values(used_at=now)
        )
        return done == 1
