"""Everything that is kept about one person, as plain data for that person (Swiss FADP art. 25, 28; GDPR art. 15, 20).

What proves who somebody is, such as hashes, seeds and public keys, is named and not shown.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select

from idp.models.account import Account, Phone, RecoveryCode, TOTPSecret
from idp.models.audit import AuditEvent
from idp.models.authorization import Consent
from idp.models.base import db
from idp.models.passkey import passkeys_of
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.models.session import Session
from idp.models.trusted_device import TrustedDevice

Plain = dict[str, Any]


def collect(account: Account) -> dict[str, list[Plain]]:
    """By subject: account, records, methods, passkeys, recovery_codes, sessions, trusted_devices,
    consents, events. Times in UTC."""
    return {
        "account": [_plain(account, "email", "given_name", "family_name", "language", "status", "created_at",
                           "email_verified_at", "terms_accepted_at")],
        "records": _records(account.id),
        "methods": _methods(account.id),
        "passkeys": [_plain(one, "name", "created_at", "last_used_at") for one in passkeys_of(account.id)],
        "recovery_codes": [_plain(one, "created_at", "used_at") for one in _rows(RecoveryCode, account.id)],
        "sessions": [_plain(one, "user_agent", "auth_time", "seen_at", "ended_at", "acr", "amr")
                     for one in _rows(Session, account.id)],
        "trusted_devices": [_plain(one, "user_agent", "created_at", "last_used_at", "expires_at")
                            for one in _rows(TrustedDevice, account.id)],
        "consents": _consents(account.id),
        "events": [_plain(one, "at", "tag") for one in _rows(AuditEvent, account.id)],
    }  # fmt: skip


def _records(account_id: UUID) -> list[Plain]:
    """What the funds told us."""
    names = (
        "external_id", "insured_number", "given_name", "family_name", "birth_date", "language", "address", "linked_at",
    )  # fmt: skip
    found = db.session.scalars(select(InsuredPerson).where(InsuredPerson.account_id == account_id))
    return [{"portal": one.portal.slug, **_plain(one, *names)} for one in found]


def _methods(account_id: UUID) -> list[Plain]:
    phone, app = db.session.get(Phone, account_id), db.session.get(TOTPSecret, account_id)
    found = [{"method": "sms", **_plain(phone, "number", "verified_at")}] if phone else []
    return found + ([{"method": "app", **_plain(app, "enrolled_at")}] if app else [])


def _consents(account_id: UUID) -> list[Plain]:
    rows = db.session.execute(
        select(Consent, Portal.slug)
        .join(Portal, Portal.id == Consent.portal_id)
        .where(Consent.account_id == account_id)
    )
    return [{"portal": slug, **_plain(one, "scopes", "claims", "declined", "granted_at")} for one, slug in rows]


def _rows(model: Any, account_id: UUID) -> list[Any]:
    return list(db.session.scalars(select(model).where(model.account_id == account_id).order_by(model.id)))


def _plain(row: object, *names: str) -> Plain:
    return {name: _json(getattr(row, name)) for name in names}


def _json(value: object) -> object:
    return value.isoformat() if isinstance(value, (date, datetime)) else value
