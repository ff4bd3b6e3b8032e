"""W1, W2 and W4: a new password for somebody who proves the address and, between the two, a second factor.

Nothing tells whether an address has an account: the same pages, rows and times for all (security.md F-09, F-10).
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flows.context import Context, Screen, Step, retry
from flows.engine import Message, Outcome, Proved, Restart
from flows.steps.codes import SentCodeStep, SentView
from flows.steps.lock import browser_subject
from idp.models.account import load_account
from idp.models.base import db
from idp.services.attempts import MAIL_CODE, MAIL_CODES
from idp.services.challenges import Errand, Kind, Purpose
from idp.services.emails import email_problem, normalise_email


@dataclass(frozen=True, repr=False)
class NewPasswordView:
    email: str


class ResetEmailStep(Step):
    name = "reset_email"
    proves = frozenset({"email"})
    keeps = ("email",)

    def show(self, ctx: Context) -> Screen:
        values = {"email": ctx.state.email} if ctx.state.email else {}
        return Screen("flows/reset_email.html", ctx.text("pr.title"), back=ctx.entrance("login"), values=values)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        typed = answer.get("email", "")
        email = normalise_email(typed)
        return Proved({"email": email}) if email else retry(email=Message(email_problem(typed)))


class ResetCodeStep(SentCodeStep):
    name = "email_code"
    proves = frozenset({"account_id", "proved_at"})
    once_proved = "reset_email"

    def errand(self, ctx: Context) -> Errand:
        email = ctx.state.email
        is_unknown = ctx.services.accounts.find_id(email) is None
        return Errand(
            Kind.EMAIL, email, ctx.run_id, ctx.portal, ctx.language, purpose=Purpose.RESET, is_void=is_unknown
        )

    def recheck(self, ctx: Context) -> Restart | None:
        """A password that was set meanwhile ends every other walk to a new one; a disabled account gets none."""
        standing = ctx.standing()
        return None if standing and standing.outlives(ctx.state.proved_at) else Restart("reset_email")

    def show(self, ctx: Context) -> Screen:
        errand, back = self.errand(ctx), ctx.link("reset")
        sent, hint = self.told(ctx, errand, ctx.text("pr.sent", email=ctx.state.email), "r3.hint")
        view = SentView(sent=sent, hint=hint, to=ctx.state.email, change_url=back)
        return Screen("flows/email_code.html", ctx.text("r3.title"), view, back=back)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        email = ctx.state.email
        # Wrong guesses stop their own walk; only very many stop others', and never a browser the account knows.
        ceiling = MAIL_CODES, browser_subject(ctx, email, ctx.services.accounts.find_id(email))
        if wrong := self.judge_code(ctx, answer, MAIL_CODE, f"{email}|{ctx.run_id}", ceiling=ceiling):
            return wrong
        account_id = ctx.services.accounts.find_id(email)
        if account_id is None:  # disabled since the code was sent
            return Restart("reset_email")
        return Proved({"account_id": str(account_id), "proved_at": ctx.now.isoformat()})


class NewPasswordStep(Step):
    name = "new_password"
    proves = frozenset({"password_hash"})
    hashes = True

    def __init__(self, back: str = "reset") -> None:
        self._back = back

    def show(self, ctx: Context) -> Screen:
        view = NewPasswordView(load_account(UUID(ctx.state.account_id)).email)
        back = self._back if self._back.startswith("/") else ctx.link(self._back)
        return Screen("flows/new_password.html", ctx.text("pr.new"), view, back=back)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        account, password = load_account(UUID(ctx.state.account_id)), answer.get("password", "")
        own = (account.given_name, account.family_name, account.email.split("@")[0], account.email)
        if bad := ctx.services.passwords.problem(password, (*own, ctx.portal.short_name)):
            return retry(password=Message(bad.reason, {"n": bad.length}))
        db.session.commit()  # no connection is held while the processor hashes
        return Proved({"password_hash": ctx.services.passwords.hash(password)})
