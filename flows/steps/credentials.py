"""L1 and L3: e-mail and password or a passkey instead, and the choice among several methods."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from flows.context import Context, Screen, Step, retry
from flows.engine import Leave, Message, Outcome, Proved, Restart
from flows.refusal import refuse_request, waiting_for
from flows.steps.lock import (
    SIGN_IN,
    WAYS_BACK,
    Place,
    factor_lock,
    lock_begins,
    locks,
    password_lock,
    proved_lately,
)
from flows.steps.passkey import judge_passkey, question
from flows.trust import TRUSTED, trusted_here
from idp.models.passkey import Passkey
from idp.services.accounts import Factors, guessed_at
from idp.services.attempts import PASSWORD, Refused
from idp.services.audit import AuditTag
from idp.services.emails import email_problem, normalise_email
from idp.services.throttle import Volume
from idp.web.network import limit


@dataclass(frozen=True)
class CredentialsView:
    """`passkey_options` is what the browser hands to its authenticator; `may_cancel`: whether there is a portal that
    can be told so; `only_passkey`: that it takes nothing else, in words.
    """

    passkey_options: str
    register_url: str
    reset_url: str
    may_cancel: bool
    only_passkey: str


@dataclass(frozen=True)
class MethodsView:
    """`methods` can be chosen; `locked` are closed for now, each with the words that say until when."""

    methods: tuple[str, ...]
    locked: tuple[tuple[str, str], ...]
    help_url: str


class CredentialsStep(Step):
    """A passkey that verified its person is two factors at once, so nothing else is asked (NIST SP 800-63B-4 §2.2.2).

    Guesses at a password close no passkey: a stranger who guesses cannot lock its owner out.
    """

    name = "credentials"
    proves = frozenset({"account_id", "proved_at", "passkey_id"})
    keeps = ("email",)
    guesses = True
    hashes = True

    def recheck(self, ctx: Context) -> Restart | None:
        """An account that was disabled, locked, or given another password meanwhile is asked again (security.md C-23,
        C-24, C-45, F-39).
        """
        standing, account_id = ctx.standing(), ctx.state.account()
        if standing is None or not standing.outlives(ctx.state.proved_at):
            return Restart(self.name, "email", Message("e.login.wrong"))
        if passkey_id := ctx.state.passkey_id:
            is_kept = ctx.services.passkeys.find(account_id, UUID(passkey_id)) is not None
            return None if is_kept else Restart(self.name, "passkey", Message("e.passkey"))
        refused = password_lock(ctx)
        return Restart(self.name, "email", ctx.wait(refused, "e.login.wait")) if refused else None

    def show(self, ctx: Context) -> Screen:
        register_url, reset_url = ctx.entrance("register/code"), ctx.entrance("reset")
        asked = waiting_for(ctx)
        only_passkey = ctx.text("l.phr") if asked and asked.request.accepted_acr == ("phr",) else ""
        view = CredentialsView(question(ctx), register_url, reset_url, asked is not None, only_passkey)
        return Screen("flows/credentials.html", ctx.text("l.title"), view, back="/")

    def act(self, ctx: Context, action: str) -> Outcome | None:
        """Cancel: the portal that asked is told that the person does not want to."""
        address = refuse_request(ctx) if action == "cancel" else None
        return Leave(address) if address else None

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        if signed := answer.get("passkey"):
            found = judge_passkey(ctx, signed)
            return self._proved(ctx.now, found.account_id, str(found.id)) if isinstance(found, Passkey) else found
        typed, password = answer.get("email", ""), answer.get("password", "")
        errors: dict[str, Message] = {}
        email = normalise_email(typed)
        if email is None:
            errors["email"] = Message(email_problem(typed))
        if not password:
            errors["password"] = Message("e.pw.cur")
        if errors or email is None:
            return retry(**errors)
        limit(Volume.SIGN_INS)
        now, asked = ctx.now, ctx.services.passwords.ask(email, ctx.browser_hash)
        account_id = asked.account_id
        subject = guessed_at(email, ctx.browser_hash, is_known=asked.is_known_here)
        paid = ctx.pay(PASSWORD, subject)
        if isinstance(paid, Refused):
            return retry(email=ctx.wait(paid, "e.login.wait"))
        if not ctx.services.passwords.is_right(asked, password) or account_id is None:
            if paid.begins_lock:
                lock_begins(ctx, account_id, email)
            ctx.record_refusal(AuditTag.PASSWORD_REFUSED, account=account_id)
            return retry(email=Message("e.login.wrong"))
        ctx.services.attempts.forgive(PASSWORD, subject)
        return self._proved(now, account_id)  # a password that was set since then is not the one that was proved

    def _proved(self, now: datetime, account_id: UUID, passkey_id: str = "") -> Proved:
        return Proved({"account_id": str(account_id), "proved_at": now.isoformat(), "passkey_id": passkey_id})


class ChooseMethodStep(Step):
    name = "choose_method"
    proves = frozenset({"method"})

    def __init__(self, place: Place = SIGN_IN) -> None:
        self._place = place

    def applies(self, state: Any) -> bool:
        return not getattr(state, "passkey_id", None)

    def _choices(self, ctx: Context) -> tuple[str, ...]:
        """A recovery code is never taken without being asked for, nor is the letter's; each where there is one."""
        account_id, factors = ctx.state.account(), ctx.factors()
        has_codes = ctx.services.recovery_codes.left(account_id) > 0
        has_letter = self._place.help and ctx.services.recovery_letters.open_at(account_id, ctx.portal)
        agreed, codes = ("desk",) if self._is_reset(ctx, factors) else (), ("recovery",) if has_codes else ()
        return agreed + factors.names + codes + (("letter",) if has_letter else ())

    def _is_reset(self, ctx: Context, factors: Factors) -> bool:
        """Whether two operators agreed on a new factor, a day ago at least (services/factor_resets.py)."""
        is_open = self._place.takes_reset and factors.has_reset
        return is_open and ctx.services.factor_resets.ready(ctx.state.account(), ctx.portal) is not None

    def automatic(self, ctx: Context) -> dict[str, Any] | None:
        """The best method is taken without a question, and none in a trusted browser; L3 offers the others.

        While one is locked, or may be set up anew by what the desk agreed on, the person chooses.
        """
        factors = ctx.factors()
        if self._is_reset(ctx, factors):
            return None
        if self._place.may_trust and trusted_here(ctx):
            return {"method": TRUSTED}
        names = factors.names
        is_fresh = proved_lately(ctx, self._place) is not None
        return {"method": names[0]} if names and (is_fresh or not locks(ctx, names + WAYS_BACK)) else None

    def recheck(self, ctx: Context) -> Restart | None:
        """A method that was removed is no choice, nor is one that was guessed at too often."""
        if ctx.state.method == TRUSTED:
            return None if trusted_here(ctx) else Restart(self.name)
        if ctx.state.method == "desk":
            is_good = self._is_reset(ctx, ctx.factors())
            return None if is_good else Restart(self.name, "method", Message("res.over"))
        if ctx.state.method not in WAYS_BACK and ctx.state.method not in ctx.factors().names:
            return Restart(self.name)
        return None if proved_lately(ctx, self._place) else factor_lock(ctx, ctx.state.method)

    def show(self, ctx: Context) -> Screen:
        values, choices = {"method": ctx.state.method or ""}, self._choices(ctx)
        locked = locks(ctx, choices)
        view = MethodsView(
            methods=tuple(method for method in choices if method not in locked),
            locked=tuple((method, self._until(ctx, refused)) for method, refused in locked.items()),
            help_url=ctx.link(self._place.help) if self._place.help else "",
        )
        return Screen("flows/choose_method.html", ctx.text("l3.title"), view, back=self._place.back(ctx), values=values)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        method = answer.get("method", "")
        if method not in self._choices(ctx):
            return retry(method=Message("e.method.empty"))
        if locked := locks(ctx, (method,)):
            return retry(method=ctx.wait(locked[method]))
        return Proved({"method": method})

    def _until(self, ctx: Context, refused: Refused) -> str:
        message = ctx.wait(refused)
        return ctx.text("l3.locked", **message.values) if message.values else ctx.text(message.key)
