"""The portals as operators keep them: added, changed, given new secrets, disabled; never deleted."""

from __future__ import annotations

import hashlib
import json
from datetime import timedelta
from typing import Any

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from idp.chance import Random, new_id, pick
from idp.clock import Clock
from idp.errors import BadInput
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.audit import Audit, AuditTag
from idp.services.http_out import Reach
from idp.services.portal_details import PortalDetails, judge
from idp.services.portal_rules import DEFAULTS
from idp.services.portal_secrets import PortalSecrets
from idp.services.sectors import check_sector

CLIENT_ID_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"
SECTOR_FIELDS = ("sector_identifier_uri", "redirect_uris")


def fields_of(portal: Portal) -> dict[str, Any]:
    """What `connect portal show` prints and `--from` reads."""
    return {name: getattr(portal, name) for name in PortalDetails.model_fields}


class Portals:
    def __init__(self, clock: Clock, random: Random, secrets: PortalSecrets, audit: Audit, reach: Reach) -> None:
        self._clock = clock
        self._random = random
        self._secrets = secrets
        self._audit = audit
        self._reach = reach

    def judged(self, given: dict[str, Any], known: Portal | None = None) -> PortalDetails:
        """The whole of a portal's fields, ready to be stored; may ask the network. Raises `BadInput`."""
        details = judge(given)
        if known is None or any(getattr(details, name) != getattr(known, name) for name in SECTOR_FIELDS):
            check_sector(details, self._reach)
        return details

    def add(self, given: dict[str, Any]) -> tuple[Portal, str | None]:
        """A new portal, and its client secret in plain text, this once. Raises `BadInput`."""
        portal, secret = self.insert(self.judged(given))
        self._audit.record(AuditTag.PORTAL_CHANGED, portal=portal.id, action="add")
        return portal, secret

    def insert(self, details: PortalDetails) -> tuple[Portal, str | None]:
        """Store what was judged. Raises `BadInput` when the slug is taken; then the transaction is rolled back."""
        now = self._clock.now()
        portal = Portal(
            id=new_id(self._random, now),
            client_id=f"{details.slug}.{pick(self._random, CLIENT_ID_ALPHABET, 12)}",  # a `sub` never has a dot
            created_at=now,
            changed_at=now,
            **details.model_dump(),
        )
        secret = self._secrets.fit(portal)
        db.session.add(portal)
        try:
            db.session.flush()
        except IntegrityError:
            db.session.rollback()
            raise BadInput("slug: another portal, perhaps a disabled one, has it") from None
        return portal, secret

    def update(self, slug: str, changes: dict[str, Any]) -> tuple[Portal, str | None]:
        """Change fields of a portal; the whole is judged again. Returns a client secret where one became needed."""
        portal = self.load(slug)
        if "slug" in changes and changes["slug"] != slug:
            raise BadInput("slug: it stands on letters and in bookmarks and cannot be changed")
        profile = changes.get("security_profile", portal.security_profile)
        decided = DEFAULTS.get(profile, {}) if profile != portal.security_profile else {}
        details = self.judged(fields_of(portal) | decided | changes, portal)
        before = fields_of(portal)
        changed, secret = self.apply(portal, details)
        after = fields_of(portal)
        self._audit.record(
            AuditTag.PORTAL_CHANGED, portal=portal.id, action="update", fields=" ".join(changed),
            before=_recorded({name: before[name] for name in changed}),
            after=_recorded({name: after[name] for name in changed}),
        )  # fmt: skip
        return portal, secret

    def apply(self, portal: Portal, details: PortalDetails) -> tuple[list[str], str | None]:
        """Write what was judged to the row; the names of what changed, and a client secret where one became needed."""
        changed = [name for name, value in fields_of(portal).items() if value != getattr(details, name)]
        for name in changed:
            setattr(portal, name, getattr(details, name))
        portal.changed_at = self._clock.now()
        return changed, self._secrets.fit(portal)

    def renew_secret(self, slug: str, keep_old_for: timedelta | None = timedelta(0)) -> str:
        """A new client secret in plain text, this once; see `PortalSecrets.renew`. Raises `BadInput`."""
        return self._secrets.renew(self.load(slug), keep_old_for)

    def disable(self, slug: str) -> Portal:
        """Nobody signs in to it any more; its records stay. Raises `BadInput`."""
        portal = self.load(slug)
        if portal.disabled_at is None:
            portal.disabled_at = portal.changed_at = self._clock.now()
            self._audit.record(AuditTag.PORTAL_CHANGED, portal=portal.id, action="disable")
        return portal

    def enable(self, slug: str) -> Portal:
        """Open a disabled portal again, as it was. Raises `BadInput`."""
        portal = self.load(slug)
        if portal.disabled_at is not None:
            portal.disabled_at, portal.changed_at = None, self._clock.now()
            self._audit.record(AuditTag.PORTAL_CHANGED, portal=portal.id, action="enable")
        return portal

    def load(self, slug: str) -> Portal:
        """The portal of this slug, disabled or not. Raises `BadInput`."""
        portal = db.session.scalar(select(Portal).where(Portal.slug == slug))
        if portal is None:
            raise BadInput(f"there is no portal {slug!r}; `connect portal list` shows them")
        return portal

    def all(self) -> list[Portal]:
        return list(db.session.scalars(select(Portal).order_by(Portal.slug)))


def _recorded(values: dict[str, Any]) -> str:
    """Values of fields for the record of events; what is long or a key stands there by its digest or its name."""
    said = dict(values)
    if said.get("jwks") is not None:
        said["jwks"] = [key.get("kid") or key["kty"] for key in said["jwks"]["keys"]]
    if said.get("logo_svg") is not None:
        said["logo_svg"] = hashlib.sha256(said["logo_svg"].encode()).hexdigest()[:10]
    return json.dumps(said, ensure_ascii=False)
