"""What each scope gives to a portal at the userinfo endpoint (OIDC Core §5.4), and never an empty value.

A portal sees its own record of the person only; that other portals exist is not said.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from idp.models.account import Account, load_account
from idp.models.live_grant import LiveGrant
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.services.bundle import Services


def _profile(bundle: Services, account: Account, record: InsuredPerson) -> dict[str, Any]:
    return {
        "name": f"{account.given_name} {account.family_name}".strip(),
        "given_name": account.given_name,
        "family_name": account.family_name,
        "birthdate": record.birth_date.isoformat(),
        "locale": account.language,
        "updated_at": int(max(account.created_at, record.changed_at).timestamp()),
    }


def _email(bundle: Services, account: Account, record: InsuredPerson) -> dict[str, Any]:
    return {"email": account.email, "email_verified": True}


def _phone(bundle: Services, account: Account, record: InsuredPerson) -> dict[str, Any]:
    number = bundle.accounts.factors(account.id).phone
    return {"phone_number": number, "phone_number_verified": True} if number else {}


def _insurance(bundle: Services, account: Account, record: InsuredPerson) -> dict[str, Any]:
    """The fund's own keys of the person, so that its portal finds the right file."""
    return {"insured_number": record.insured_number, "external_id": record.external_id}


OF_SCOPE: dict[str, Callable[[Services, Account, InsuredPerson], dict[str, Any]]] = {
    "profile": _profile,
    "email": _email,
    "phone": _phone,
    "insurance": _insurance,
}
NAMES = (
    "sub", "name", "given_name", "family_name", "birthdate", "locale", "updated_at", "email", "email_verified",
    "phone_number", "phone_number_verified", "insured_number", "external_id",
)  # fmt: skip


def of_grant(bundle: Services, portal: Portal, grant: LiveGrant, scope: str) -> dict[str, Any] | None:
    """`sub` and the claims of the granted scopes; None when the account may no longer be spoken about."""
    account = load_account(grant.account_id)
    record = bundle.accounts.record_of(account.id, portal.id)
    if not account.is_active or record is None:
        return None
    claims: dict[str, Any] = {}
    for name in scope.split():
        if name in OF_SCOPE:
            claims |= OF_SCOPE[name](bundle, account, record)
    kept = {name: value for name, value in claims.items() if value not in {None, ""}}
    return {"sub": bundle.tokens.subject(portal, account.id), **kept}
