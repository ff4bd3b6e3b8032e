"""What a third party's portal would see, with the actual values, as a person reads it before allowing it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from idp.models.account import Account
from idp.models.person import InsuredPerson
from idp.models.portal import Portal
from idp.models.told_person import ToldPerson, find_told
from idp.protocol import claims, consent, verified_claims
from idp.protocol.authorization import AuthorizationRequest
from idp.protocol.consent import CLAIM, SCOPE, Item
from idp.services.bundle import Services
from idp.texts import LANGUAGE_NAMES, format_date, format_day

SHOWN_OF_PROFILE = ("name", "birthdate", "locale")
Say = Callable[..., str]  # a text in the person's language, by its key


@dataclass(frozen=True, repr=False)
class Asking:
    """Whose values a portal wants to see, and which."""

    portal: Portal
    account: Account
    record: InsuredPerson
    request: AuthorizationRequest


@dataclass(frozen=True)
class ItemView:
    """One thing the portal wants to see: `values` as the portal would get them; an essential one has no checkbox."""

    key: str
    label: str
    values: tuple[str, ...]
    is_essential: bool


@dataclass(frozen=True)
class ConsentView:
    """`subject` ties the answer to the person whose values are shown."""

    publisher: str
    links: tuple[tuple[str, str], ...]
    items: tuple[ItemView, ...]
    already: tuple[str, ...]
    subject: str


def view(bundle: Services, asking: Asking, app: str, say: Say) -> ConsentView:
    """What this person must still be asked; `app` is the portal's name in their language."""
    portal, account_id, request = asking.portal, asking.account.id, asking.request
    told = find_told(account_id, portal.id)
    links = (("con.policy", portal.policy_uri), ("con.tos", portal.tos_uri))
    return ConsentView(
        publisher=say("con.by", publisher=portal.publisher) if portal.publisher else "",
        links=tuple((say(key, app=app), address) for key, address in links if address),
        items=tuple(
            ItemView(item.key, say(item.label), _values(asking, told, item), item.is_essential)
            for item in consent.unanswered(portal, account_id, request)
        ),
        already=tuple(say(item.label) for item in consent.allowed_before(portal, account_id, request)),
        subject=bundle.tokens.subject(portal, account_id),
    )


def _values(asking: Asking, told: ToldPerson | None, item: Item) -> tuple[str, ...]:
    """The values as a person reads them; what has none, such as access while away, is its label alone."""
    scope = item.name if item.kind == SCOPE else claims.SCOPE_OF.get(item.name)
    if scope is None:
        known = verified_claims.of_record(asking.portal, asking.record)
        return tuple(_in_words(name, value) for name, value in known.items() if name in _verified(asking.request))
    known = claims.of_scopes(told, {scope}) if told else {}
    if item.kind == CLAIM:
        shown: tuple[str, ...] = (item.name.removesuffix("_verified"),)
    else:
        shown = SHOWN_OF_PROFILE if scope == "profile" else tuple(known)
    return tuple(_in_words(name, known[name]) for name in shown if name in known and known[name] is not True)


def _verified(request: AuthorizationRequest) -> set[str]:
    """The claims that the request wants as verified, in either place."""
    places = (request.claims or {}).values()
    wanted = [named["verified_claims"] for named in places if "verified_claims" in named]
    return {name for one in wanted for name in verified_claims.names_in(one)}


def _in_words(name: str, value: Any) -> str:
    if name == "birthdate":
        return format_date(date.fromisoformat(value))
    if name == "updated_at":
        return format_day(datetime.fromtimestamp(value, UTC))
    return LANGUAGE_NAMES[value] if name == "locale" else str(value)
