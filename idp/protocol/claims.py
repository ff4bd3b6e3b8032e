"""What a portal learns about a person: by scope at the userinfo endpoint (OIDC Core §5.4), by the `claims` parameter
there or in the ID token (§5.5), and never an empty value.

A portal sees its own record of the person only; that other portals exist is not said. Nobody learns by the parameter
what the portal's registered scopes would not give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from idp.models.account import Account, load_account
from idp.models.live_grant import LiveGrant
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.protocol import verified_claims
from idp.services.bundle import Services


def _profile(bundle: Services, account: Account, record: InsuredPerson) -> dict[str, Any]:
    return {
        "name": account.full_name,
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
SCOPE_OF = {
    "name": "profile", "given_name": "profile", "family_name": "profile", "birthdate": "profile", "locale": "profile",
    "updated_at": "profile", "email": "email", "email_verified": "email", "phone_number": "phone",
    "phone_number_verified": "phone", "insured_number": "insurance", "external_id": "insurance",
}  # fmt: skip
NAMES = ("sub", *SCOPE_OF)


def of_scopes(bundle: Services, account: Account, record: InsuredPerson, scopes: set[str]) -> dict[str, Any]:
    """Every claim that these scopes give about the person and that has a value."""
    claims: dict[str, Any] = {}
    for scope in scopes & set(OF_SCOPE):
        claims |= OF_SCOPE[scope](bundle, account, record)
    return {name: value for name, value in claims.items() if value not in {None, ""}}


def of_grant(bundle: Services, portal: Portal, grant: LiveGrant, scope: str) -> dict[str, Any] | None:
    """The userinfo answer: `sub`, the claims of the granted scopes and those that the request named for userinfo.

    None when the account may no longer be spoken about.
    """
    found = _find(bundle, portal, grant)
    if found is None:
        return None
    known = of_scopes(bundle, *found, set(scope.split()))
    named = _named(bundle, portal, grant, "userinfo", *found)
    return {"sub": bundle.tokens.subject(portal, grant.account_id), **known, **named}


def for_id_token(bundle: Services, portal: Portal, grant: LiveGrant) -> dict[str, Any]:
    """What the request named for the ID token; nothing of the scopes, which are userinfo's (OIDC Core §5.4)."""
    if not (grant.claims or {}).get("id_token"):
        return {}
    found = _find(bundle, portal, grant)
    return _named(bundle, portal, grant, "id_token", *found) if found else {}


def _find(bundle: Services, portal: Portal, grant: LiveGrant) -> tuple[Account, InsuredPerson] | None:
    account = load_account(grant.account_id)
    record = bundle.accounts.record_of(account.id, portal.id)
    return (account, record) if account.is_active and record is not None else None


def _named(
    bundle: Services, portal: Portal, grant: LiveGrant, place: str, account: Account, record: InsuredPerson
) -> dict[str, Any]:
    wanted: Mapping[str, Any] = (grant.claims or {}).get(place, {})
    scopes = {SCOPE_OF[name] for name in wanted if name in SCOPE_OF} & set(portal.scopes)
    known = of_scopes(bundle, account, record, scopes) if scopes else {}
    chosen = {name: known[name] for name, how in wanted.items() if name in known and fits(known[name], how)}
    if "verified_claims" in wanted and portal.verified_claims:
        chosen |= verified_claims.release(bundle, portal, record, wanted["verified_claims"])
    return chosen


def fits(value: object, how: Mapping[str, Any] | None) -> bool:
    """Whether a claim has the value that was asked for, if one was (OIDC Core §5.5.1)."""
    if not how:
        return True
    return how.get("value", value) == value and value in how.get("values", [value])
