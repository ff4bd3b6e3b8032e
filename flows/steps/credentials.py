"""L1 and L3: e-mail and password, and the choice among several methods."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flows.context import Context, Screen, Step, retry
from flows.engine import Message, Outcome, Proved
from flows.refusal import refuse_request
from flows.run import pending_handle
from idp.models.session import was_seen_on
from idp.protocol import pending
from idp.services.attempts import PASSWORD
from idp.services.audit import AuditTag
from idp.services.emails import normalise_email
from idp.texts import format_time


@dataclass(frozen=True)
class CredentialsView:
    """`may_cancel`: whether there is a portal that can be told so."""

    register_url: str
    help_url: str
    may_cancel: bool


@dataclass(frozen=True)
class MethodsView:
    methods: tuple[str, ...]


class CredentialsStep(Step):
    name = "credentials"
    proves = frozenset({"account_id"})
    keeps = ("email",)

    def show(self, ctx: Context) -> Screen:
        handle = pending_handle(ctx.services, ctx.run)
        found = pending.find(ctx.services, handle, ctx.browser_hash) if handle else None
        hint = normalise_email((found.request.login_hint if found else None) or "")
        view = CredentialsView(
            f"/{ctx.portal.slug}/register/code", ctx.link("login/help"), may_cancel=found is not None
        )
        values = {"email": hint} if hint else {}
        return Screen("flows/credentials.html", ctx.text("l.title"), view, back="/", values=values)

    def act(self, ctx: Context, action: str) -> Outcome | str | None:
        """Cancel: the portal that asked is told that the person does not want to."""
        return refuse_request(ctx) if action == "cancel" else None

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        typed, password = answer.get("email", ""), answer.get("password", "")
        errors: dict[str, Message] = {}
        email = normalise_email(typed)
        if not typed.strip():
            errors["email"] = Message("e.email.empty")
        elif email is None:
            errors["email"] = Message("e.email.format")
        if not password:
            errors["password"] = Message("e.pw.cur")
        if errors or email is None:
            return retry(**errors)
        account = ctx.services.accounts.find(email)
        # A browser this account signed in with before has a budget of its own: strangers cannot lock its owner out.
        known = account is not None and was_seen_on(account.id, ctx.browser_hash)
        subject = f"{email}|{ctx.browser_hash}" if known else email
        if refused := ctx.services.attempts.spend(PASSWORD, subject):
            return retry(email=Message("e.login.wait", {"time": format_time(refused.until)}))
        if not ctx.services.passwords.verify(account.id if account else None, password) or account is None:
            ctx.services.audit.record(AuditTag.PASSWORD_REFUSED, account=account.id if account else None)
            return retry(email=Message("e.login.wrong"))
        ctx.services.attempts.forgive(PASSWORD, subject)
        return Proved({"account_id": str(account.id)})


class ChooseMethodStep(Step):
    name = "choose_method"
    proves = frozenset({"method"})

    def automatic(self, ctx: Context) -> dict[str, Any] | None:
        """The best method is taken without a question; L3 offers the others."""
        names = ctx.services.accounts.factors(ctx.state.account()).names
        return {"method": names[0]} if names else None

    def show(self, ctx: Context) -> Screen:
        names = ctx.services.accounts.factors(ctx.state.account()).names
        values = {"method": ctx.state.method or ""}
        return Screen(
            "flows/choose_method.html", ctx.text("l3.title"), MethodsView(names), back=ctx.link("login"), values=values
        )

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        method = answer.get("method", "")
        if method not in ctx.services.accounts.factors(ctx.state.account()).names:
            return retry(method=Message("e.method.empty"))
        return Proved({"method": method})
