"""What a portal learns about a person: by scope at the userinfo endpoint (OIDC Core §5.4), by the `claims` parameter
there or in the ID token (§5.5), and never an empty value.

A portal sees its own record of the person only; that other portals exist is not said. Nobody learns by the parameter
what the portal's registered scopes would not give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from idp.models.base import db
from idp.models.live_grant import LiveGrant
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.models.told_person import ToldPerson, find_told
from idp.protocol import verified_claims
from idp.services.bundle import Services


def _profile(told: ToldPerson) -> dict[str, Any]:
    return {
        "name": told.full_name,
        "given_name": told.given_name,
        "family_name": told.family_name,
        "birthdate": told.birth_date.isoformat(),
        "locale": told.language,
        "updated_at": int(max(told.registered_at, told.changed_at).timestamp()),
    }


def _email(told: ToldPerson) -> dict[str, Any]:
    return {"email": told.email, "email_verified": True}


def _phone(told: ToldPerson) -> dict[str, Any]:
    return {"phone_number": told.phone, "phone_number_verified": True} if told.phone else {}


def _insurance(told: ToldPerson) -> dict[str, Any]:
    """The fund's own keys of the person, so that its portal finds the right file."""
    return {"insured_number": told.insured_number, "external_id": told.external_id}


OF_SCOPE: dict[str, Callable[[ToldPerson], dict[str, Any]]] = {
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


def of_scopes(told: ToldPerson, scopes: set[str]) -> dict[str, Any]:
    """Every claim that these scopes give about the person and that has a value."""
    claims: dict[str, Any] = {}
    for scope in scopes & set(OF_SCOPE):
        claims |= OF_SCOPE[scope](told)
    return {name: value for name, value in claims.items() if value not in {None, ""}}


def of_grant(bundle: Services, portal: Portal, grant: LiveGrant, scope: str, told: ToldPerson) -> dict[str, Any]:
    """The userinfo answer: `sub`, the claims of the granted scopes and those that the request named for userinfo."""
    known = of_scopes(told, set(scope.split()))
    named = _named(bundle, portal, grant, "userinfo", told)
    return {"sub": bundle.tokens.subject(portal, grant.account_id), **known, **named}


def for_id_token(bundle: Services, portal: Portal, grant: LiveGrant) -> dict[str, Any]:
    """What the request named for the ID token; nothing of the scopes, which are userinfo's (OIDC Core §5.4)."""
    if not (grant.claims or {}).get("id_token"):
        return {}
    told = find_told(grant.account_id, portal.id)
    return _named(bundle, portal, grant, "id_token", told) if told else {}


def _named(bundle: Services, portal: Portal, grant: LiveGrant, place: str, told: ToldPerson) -> dict[str, Any]:
    wanted: Mapping[str, Any] = (grant.claims or {}).get(place, {})
    scopes = {SCOPE_OF[name] for name in wanted if name in SCOPE_OF} & set(portal.scopes)
    known = of_scopes(told, scopes) if scopes else {}
    chosen = {name: known[name] for name, how in wanted.items() if name in known and fits(known[name], how)}
    if "verified_claims" in wanted and portal.verified_claims:
        record = db.session.get_one(InsuredPerson, told.record_id)
        chosen |= verified_claims.release(bundle, portal, record, wanted["verified_claims"])
    return chosen


def fits(value: object, how: Mapping[str, Any] | None) -> bool:
    """Whether a claim has the value that was asked for, if one was (OIDC Core §5.5.1)."""
    if not how:
        return True
    return how.get("value", value) == value and value in how.get("values", [value])
