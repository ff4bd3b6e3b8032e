"""The owner confirms who they are before a change: by the password or a passkey, good for ten minutes (ux.md §4.5)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flows.context import Context, Screen, Step, retry
from flows.engine import Message, Outcome, Proved, Restart
from flows.steps.lock import lock_begins
from flows.steps.passkey import judge_passkey, question
from idp.models.account import load_account
from idp.models.passkey import Passkey, passkeys_of
from idp.services.attempts import PASSWORD, Refused
from idp.services.audit import AuditTag


@dataclass(frozen=True, repr=False)
class ConfirmView:
    """`passkey_options` is what the browser hands to its authenticator; empty for an account without passkeys."""

    email: str
    passkey_options: str


class ConfirmStep(Step):
    name = "confirm"
    proves = frozenset({"account_id", "proved_at"})
    guesses = True
    hashes = True

    def __init__(self, then: str, *, is_always: bool = False) -> None:
        self.once_proved, self._is_always = then, is_always

    def automatic(self, ctx: Context) -> dict[str, Any] | None:
        session = None if self._is_always else ctx.session
        return _facts(ctx) if session is not None and ctx.services.sessions.is_confirmed(session) else None

    def recheck(self, ctx: Context) -> Restart | None:
        """Another person's session, or a password that was changed meanwhile, ends the walk."""
        is_same = ctx.session is not None and str(ctx.session.account_id) == ctx.state.account_id
        standing = ctx.standing() if is_same else None
        return None if standing and standing.outlives(ctx.state.proved_at) else Restart(self.name)

    def show(self, ctx: Context) -> Screen:
        account = load_account(ctx.owner.account_id)
        view = ConfirmView(account.email, question(ctx) if passkeys_of(account.id) else "")
        return Screen("flows/confirm.html", ctx.text("acc.reauth"), view, back="/account/security")

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        password, session = answer.get("password", ""), ctx.owner
        if signed := answer.get("passkey"):
            return self._judge_passkey(ctx, signed)
        if not password:
            return retry(password=Message("e.pw.cur"))
        account_id = session.account_id
        subject = f"{load_account(account_id).email}|{ctx.browser_hash}"  # this browser's own budget, as at sign-in
        paid = ctx.pay(PASSWORD, subject)
        if isinstance(paid, Refused):
            return retry(password=ctx.wait(paid, "e.login.wait"))
        if not ctx.services.passwords.verify(account_id, password):
            if paid.begins_lock:
                lock_begins(ctx, account_id)
            ctx.record_refusal(AuditTag.PASSWORD_REFUSED, account=account_id)
            return retry(password=Message("e.pw.wrong"))
        ctx.services.attempts.forgive(PASSWORD, subject)
        ctx.services.sessions.confirm(session)
        return Proved(_facts(ctx))

    def _judge_passkey(self, ctx: Context, signed: str) -> Outcome:
        found = judge_passkey(ctx, signed)
        if not isinstance(found, Passkey):
            return found
        if found.account_id != ctx.owner.account_id:  # another person of the same household
            ctx.record_refusal(AuditTag.PASSKEY_REFUSED, account=ctx.owner.account_id, reason="owner")
            return retry(passkey=Message("e.passkey"))
        ctx.services.sessions.confirm(ctx.owner)
        return Proved(_facts(ctx))


def _facts(ctx: Context) -> dict[str, Any]:
    return {"account_id": str(ctx.owner.account_id), "proved_at": ctx.now.isoformat()}
