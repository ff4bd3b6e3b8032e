"""Everything that is kept about one person, as plain data for that person (Swiss FADP art. 25, 28; GDPR art. 15, 20).

What proves who somebody is, such as hashes, seeds and public keys, is named and not shown.
"""

from __future__ import annotations

import json
from datetime import date
from typing import Any
from uuid import UUID

from sqlalchemy import inspect, select

from idp.models.account import Account, Phone, RecoveryCode, Reminder, TOTPSecret
from idp.models.audit import AuditEvent
from idp.models.authorization import Consent
from idp.models.base import db
from idp.models.factor_reset import FactorReset
from idp.models.passkey import passkeys_of
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.models.recovery_letter import RecoveryLetter
from idp.models.session import Session
from idp.models.trusted_device import TrustedDevice
from idp.services.bundle import services

Plain = dict[str, Any]


# The fields of each subject, in the order in which they are shown; each has a name in the catalogues, data.field.….
FIELDS = {
    "account": ("email", "given_name", "family_name", "language", "status", "created_at", "email_verified_at",
                "terms_accepted_at"),
    "records": ("portal", "external_id", "insured_number", "given_name", "family_name", "birth_date", "language",
                "address", "linked_at"),
    "methods": ("method", "number", "verified_at", "enrolled_at"),
    "passkeys": ("name", "created_at", "last_used_at"),
    "recovery_codes": ("created_at", "used_at"),
    "recovery_letters": ("portal", "requested_at", "printed_at", "cancelled_at"),
    "factor_resets": ("portal", "asked_at", "approved_at", "ended_at"),
    "call_notes": ("portal", "written_at", "text"),
    "sessions": ("user_agent", "auth_time", "seen_at", "ended_at", "acr", "amr"),
    "trusted_devices": ("user_agent", "created_at", "last_used_at", "expires_at"),
    "consents": ("portal", "scopes", "claims", "declined", "granted_at"),
    "reminders": ("card", "times", "put_off_at"),
    "events": ("at", "tag"),
}  # fmt: skip


def collect(account: Account) -> dict[str, list[Plain]]:
    """By the subjects of `FIELDS`. Times in UTC."""
    return {
        "account": [_plain(account, "account")],
        "records": _records(account.id),
        "methods": _methods(account.id),
        "passkeys": [_plain(one, "passkeys") for one in passkeys_of(account.id)],
        "recovery_codes": [_plain(one, "recovery_codes") for one in _rows(RecoveryCode, account.id)],
        "recovery_letters": _recovery_letters(account.id),
        "factor_resets": [
            _plain(one, "factor_resets", portal=one.person.portal.slug) for one in _rows(FactorReset, account.id)
        ],
        "call_notes": _call_notes(account.id),
        "sessions": [_plain(one, "sessions") for one in _rows(Session, account.id)],
        "trusted_devices": [_plain(one, "trusted_devices") for one in _rows(TrustedDevice, account.id)],
        "consents": _consents(account.id),
        "reminders": [_plain(one, "reminders") for one in _rows(Reminder, account.id)],
        "events": [_plain(one, "events") for one in _rows(AuditEvent, account.id)],
    }


def as_json(held: dict[str, list[Plain]]) -> str:
    """The same as a file for other programs; moments and days as in ISO 8601."""
    return json.dumps(held, ensure_ascii=False, indent=2, default=date.isoformat) + "\n"


def _records(account_id: UUID) -> list[Plain]:
    """What the funds told us."""
    found = db.session.scalars(select(InsuredPerson).where(InsuredPerson.account_id == account_id))
    return [_plain(one, "records", portal=one.portal.slug) for one in found]


def _methods(account_id: UUID) -> list[Plain]:
    phone, app = db.session.get(Phone, account_id), db.session.get(TOTPSecret, account_id)
    found = [_plain(phone, "methods", method="sms")] if phone else []
    return found + ([_plain(app, "methods", method="app")] if app else [])


def _recovery_letters(account_id: UUID) -> list[Plain]:
    """To the address among the records of the same portal."""
    letters = _rows(RecoveryLetter, account_id)
    return [_plain(one, "recovery_letters", portal=one.person.portal.slug) for one in letters]


def _call_notes(account_id: UUID) -> list[Plain]:
    """What operators wrote down of calls."""
    found = db.session.scalars(select(InsuredPerson).where(InsuredPerson.account_id == account_id))
    return [
        _plain(note, "call_notes", portal=one.portal.slug, text=said)
        for one in found
        for note, said in services().calls.notes(one)
    ]


def _consents(account_id: UUID) -> list[Plain]:
    rows = db.session.execute(
        select(Consent, Portal.slug)
        .join(Portal, Portal.id == Consent.portal_id)
        .where(Consent.account_id == account_id)
    )
    return [_plain(one, "consents", portal=slug) for one, slug in rows]


def _rows(model: Any, account_id: UUID) -> list[Any]:
    key = inspect(model).primary_key[-1]
    return list(db.session.scalars(select(model).where(model.account_id == account_id).order_by(key)))


def _plain(row: object, subject: str, **known: str) -> Plain:
    """The fields of its subject that a row has."""
    found = {name: known.get(name, getattr(row, name, None)) for name in FIELDS[subject]}
    return {name: value for name, value in found.items() if name in known or hasattr(row, name)}
