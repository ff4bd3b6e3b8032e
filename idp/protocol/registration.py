"""Dynamic client registration (RFC 7591) by invitation, and its management (RFC 7592): read, replace, withdraw.

The invitation fixes what persons see and trust; the bearer of it brings the client metadata of the same portal.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Any
from urllib.parse import urlsplit

from idp.chance import token
from idp.errors import BadInput, ProtocolError
from idp.models.authorization import PortalInvite
from idp.models.portal import Portal, find_client
from idp.protocol import client_metadata
from idp.protocol.client_metadata import bad_metadata, portal_fields, refused
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from idp.services.invites import OPERATOR_FIELDS
from idp.services.portal_details import PortalDetails
from idp.services.portal_rules import hosts_of
from idp.services.portals import fields_of

TOKEN_PREFIX = "cc_rat_"
SCOPES = PortalDetails.model_fields["scopes"].default
# RFC 7592 §2.2: these MUST NOT be in an update request.
ANSWERED_ONLY = (
    "registration_access_token", "registration_client_uri", "client_secret_expires_at", "client_id_issued_at",
)  # fmt: skip


def register(bundle: Services, secret: str, raw: bytes) -> dict[str, Any]:
    """Register the portal of an invitation. Raises `ProtocolError`; a faulty body leaves the invitation usable."""
    invite = bundle.invites.find(secret)
    if invite is None:
        raise _unknown_token("invitation")
    described = {name: value for name, value in invite.details.items() if name in OPERATOR_FIELDS}
    details = _judged(bundle, client_metadata.read(raw), described, None)
    portal, client_secret = _insert(bundle, invite, details)
    bundle.audit.record(AuditTag.PORTAL_REGISTERED, portal=portal.id)
    return _answer(bundle, portal, client_secret, _give_token(bundle, portal))


def read(bundle: Services, client_id: str, secret: str) -> dict[str, Any]:
    """The registration as it stands; a client secret is not among it, since we do not know it."""
    return _answer(bundle, authenticated(client_id, secret), None, secret)


def replace(bundle: Services, client_id: str, secret: str, raw: bytes) -> dict[str, Any]:
    """Put new metadata in the place of the old ones, with a new access token. Raises `ProtocolError`."""
    portal = authenticated(client_id, secret)
    found = client_metadata.read(raw)
    # RFC 7592 §2.2: client_id MUST be there and the same, and client_secret, where given, MUST be the current one.
    if found.get("client_id") != client_id:
        raise bad_metadata("client_id: must be the one that is changed")
    if any(name in found for name in ANSWERED_ONLY):
        raise bad_metadata(f"{', '.join(ANSWERED_ONLY)}: are not the client's to say")
    if "client_secret" in found and not _is_secret(bundle, portal, found["client_secret"]):
        raise bad_metadata("client_secret: is not the current one")
    described = {name: value for name, value in fields_of(portal).items() if name in OPERATOR_FIELDS}
    details = _judged(bundle, found, described, portal)
    changed, client_secret = bundle.portals.apply(portal, details)
    bundle.audit.record(AuditTag.REGISTRATION_CHANGED, portal=portal.id, fields=" ".join(changed))
    return _answer(bundle, portal, client_secret, _give_token(bundle, portal, secret))


def withdraw(bundle: Services, client_id: str, secret: str) -> None:
    """The portal is closed and its registration out of the developer's hands; the record stays."""
    portal = authenticated(client_id, secret)
    portal.disabled_at, portal.registration_token_hash = bundle.clock.now(), None
    bundle.audit.record(AuditTag.REGISTRATION_WITHDRAWN, portal=portal.id)


def authenticated(client_id: str, secret: str) -> Portal:
    """The enabled portal whose registration access token this is. Raises `ProtocolError` invalid_token (401)."""
    # RFC 7592 §2.1: an unknown client MUST be answered like a wrong token, so that nobody learns which ones there are.
    portal = find_client(client_id) if client_id.isprintable() else None  # PostgreSQL stumbles over NUL
    known = (portal.registration_token_hash or "").split() if portal else []
    given = _hash(secret)
    if portal is None or not any(hmac.compare_digest(given, one) for one in known):
        raise _unknown_token("registration access token")
    if given == known[-1]:
        portal.registration_token_hash = given  # it arrived, so the one before it counts no longer
    return portal


def _judged(bundle: Services, found: dict[str, Any], described: dict[str, Any], known: Portal | None) -> PortalDetails:
    said = portal_fields(found, described.get("scopes") or list(SCOPES))
    plain = [name for name, value in said.items() if _has_plain_http(value)]
    if plain and bundle.settings.is_https:  # http://localhost is for an installation that runs there itself
        raise refused([f"{name}: must begin with https://" for name in plain])
    if known is not None and (said["sector_identifier_uri"] or _has_known_hosts(known, said["redirect_uris"])):
        said["sector_identifier"] = known.sector_identifier  # else every `sub` would change
    try:
        return bundle.portals.judged({**described, **said}, known)
    except BadInput as error:
        raise refused(error.message.splitlines()) from None


def _has_plain_http(value: object) -> bool:
    values = value if isinstance(value, list) else [value]
    return any(isinstance(one, str) and one.startswith("http://") for one in values)


def _has_known_hosts(known: Portal, redirect_uris: list[str]) -> bool:
    try:
        hosts = {urlsplit(address).netloc for address in redirect_uris}
    except ValueError:
        return True  # which address is wrong is told with the other faults
    return len(hosts) < 2 or hosts <= hosts_of(known)


def _insert(bundle: Services, invite: PortalInvite, details: PortalDetails) -> tuple[Portal, str | None]:
    """Use the invitation and store the portal, both or neither."""
    if not bundle.invites.consume(invite):
        raise _unknown_token("invitation")
    try:
        return bundle.portals.insert(details)
    except BadInput:
        raise bad_metadata("the operator must invite again: the short name of the portal was taken since") from None


def _give_token(bundle: Services, portal: Portal, before: str | None = None) -> str:
    """A new registration access token. The one before it counts until the new one is used: an answer may be lost."""
    fresh = token(bundle.random, TOKEN_PREFIX)
    portal.registration_token_hash = " ".join([*([_hash(before)] if before else []), _hash(fresh)])
    return fresh


def _answer(bundle: Services, portal: Portal, client_secret: str | None, access_token: str) -> dict[str, Any]:
    """RFC 7591 §3.2.1 and RFC 7592 §3: everything that is registered, and the way back to it."""
    secret = {"client_secret": client_secret, "client_secret_expires_at": 0} if client_secret else {}
    return {
        "client_id": portal.client_id,
        "client_id_issued_at": int(portal.created_at.timestamp()),
        **secret,
        "registration_client_uri": f"{bundle.settings.issuer}/register/{portal.client_id}",
        "registration_access_token": access_token,
        **client_metadata.of_portal(portal),
    }


def _is_secret(bundle: Services, portal: Portal, given: object) -> bool:
    return isinstance(given, str) and bundle.portal_secrets.is_right(portal, given)


def _unknown_token(kind: str) -> ProtocolError:
    return ProtocolError(
        "invalid_token", f"the {kind} is not valid or no longer valid", status=401,
        challenge='Bearer error="invalid_token"',
    )  # fmt: skip


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
