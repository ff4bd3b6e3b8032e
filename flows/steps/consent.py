"""Consent: what a third party's portal would see, with the actual values, before it sees anything (ux.md §4.6)."""

from __future__ import annotations

from typing import Any

from flows.context import Context, Screen, Step, retry
from flows.engine import Outcome, Proved
from idp.models.account import load_account
from idp.protocol import consent, consent_view, pending
from idp.protocol.authorization import AuthorizationRequest
from idp.protocol.consent import Item
from idp.protocol.consent_view import Asking


def wanted_by(ctx: Context) -> AuthorizationRequest | None:
    """The request that waits for this answer."""
    found = pending.find(ctx.services, ctx.waiting() or "", ctx.browser_hash)
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
        app = ctx.portal.name(ctx.language)
        view = consent_view.view(ctx.services, _asking(ctx), app, ctx.text)
        return Screen("flows/consent.html", ctx.text("con.title", app=app), view)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        decision = answer.get("decision")
        if decision not in {"allow", "deny"} or answer.get("subject") != _subject(ctx):
            return retry()
        allowed = [item.key for item in open_items(ctx) if item.is_essential or item.key in answer]
        return Proved({"allowed": allowed, "is_refused": decision == "deny"})


def _asking(ctx: Context) -> Asking:
    request, session = wanted_by(ctx), ctx.session
    record = ctx.services.accounts.record_of(session.account_id, ctx.portal.id) if session else None
    if request is None or session is None or record is None:
        raise LookupError("nothing is asked")  # and `automatic` went on
    return Asking(ctx.portal, load_account(session.account_id), record, request)


def _subject(ctx: Context) -> str:
    return ctx.services.tokens.subject(ctx.portal, ctx.session.account_id) if ctx.session else ""
