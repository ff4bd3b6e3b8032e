"""Consent: what a third party's portal would see, with the actual values, before it sees anything (ux.md §4.6)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from flows.context import Context, Screen, Step, retry
from flows.engine import Outcome, Proved
from flows.run import waiting_request
from idp.clock import swiss
from idp.models.account import load_account
from idp.protocol import claims, consent, pending, verified_claims
from idp.protocol.authorization import AuthorizationRequest
from idp.protocol.consent import CLAIM, SCOPE, Item
from idp.texts import LANGUAGE_NAMES, format_date

SHOWN_OF_PROFILE = ("name", "birthdate", "locale")


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


def wanted_by(ctx: Context) -> AuthorizationRequest | None:
    """The request that waits for this answer."""
    found = pending.find(ctx.services, waiting_request(ctx.services, ctx.run) or "", ctx.browser_hash)
    return found.request if found is not None and not found.is_consumed else None


def open_items(ctx: Context) -> tuple[Item, ...]:
    """What this person must still be asked; nothing when nobody is signed in or nothing waits."""
    request = wanted_by(ctx)
    if request is None or ctx.session is None:
        return ()
    if ctx.services.accounts.record_of(ctx.session.account_id, ctx.portal.id) is None:
        return ()
    return consent.unanswered(ctx.portal, ctx.session.account_id, request)


class ConsentStep(Step):
    name = "consent"
    proves = frozenset({"allowed", "is_refused"})

    def automatic(self, ctx: Context) -> dict[str, Any] | None:
        """Nothing to ask: the authorization endpoint decides what comes next."""
        return None if open_items(ctx) else {"allowed": [], "is_refused": False}

    def show(self, ctx: Context) -> Screen:
        app, asked, request = ctx.portal.name(ctx.language), open_items(ctx), wanted_by(ctx)
        already = tuple(item for item in consent.items(request) if item not in asked) if request else ()
        links = (("con.policy", ctx.portal.policy_uri), ("con.tos", ctx.portal.tos_uri))
        view = ConsentView(
            publisher=ctx.text("con.by", publisher=ctx.portal.publisher) if ctx.portal.publisher else "",
            links=tuple((ctx.text(key, app=app), address) for key, address in links if address),
            items=tuple(ItemView(i.key, ctx.text(i.label), _values(ctx, i), i.is_essential) for i in asked),
            already=tuple(ctx.text(item.label) for item in already),
            subject=_subject(ctx),
        )
        return Screen("flows/consent.html", ctx.text("con.title", app=app), view)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        decision = answer.get("decision")
        if decision not in {"allow", "deny"} or answer.get("subject") != _subject(ctx):
            return retry()
        allowed = [item.key for item in open_items(ctx) if item.is_essential or item.key in answer]
        return Proved({"allowed": allowed, "is_refused": decision == "deny"})


def _subject(ctx: Context) -> str:
    return ctx.services.tokens.subject(ctx.portal, ctx.session.account_id) if ctx.session else ""


def _values(ctx: Context, item: Item) -> tuple[str, ...]:
    """The values as a person reads them; what has none, such as access while away, is its label alone."""
    scope = item.name if item.kind == SCOPE else claims.SCOPE_OF.get(item.name)
    record = ctx.services.accounts.record_of(ctx.session.account_id, ctx.portal.id) if ctx.session else None
    if ctx.session is None or record is None:
        return ()
    if scope is None:
        known = verified_claims.of_record(ctx.portal, record)
        return tuple(_in_words(name, value) for name, value in known.items() if name in _verified(ctx))
    known = claims.of_scopes(ctx.services, load_account(ctx.session.account_id), record, {scope})
    if item.kind == CLAIM:
        shown: tuple[str, ...] = (item.name.removesuffix("_verified"),)
    else:
        shown = SHOWN_OF_PROFILE if scope == "profile" else tuple(known)
    return tuple(_in_words(name, known[name]) for name in shown if name in known and known[name] is not True)


def _verified(ctx: Context) -> set[str]:
    """The claims that the request wants as verified, in either place."""
    request = wanted_by(ctx)
    places = (request.claims or {}).values() if request else ()
    wanted = [named["verified_claims"] for named in places if "verified_claims" in named]
    return {name for one in wanted for name in verified_claims.names_in(one)}


def _in_words(name: str, value: Any) -> str:
    if name == "birthdate":
        return format_date(date.fromisoformat(value))
    if name == "updated_at":
        return format_date(swiss(datetime.fromtimestamp(value, UTC)).date())
    return LANGUAGE_NAMES[value] if name == "locale" else str(value)
