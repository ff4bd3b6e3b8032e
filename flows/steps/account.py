"""What only the owner of an account does there, after confirming who they are: another address, new recovery codes."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flows.context import Context, Screen, Step, retry
from flows.engine import Message, Outcome, Proved
from flows.steps.codes import SentCodeStep, SentView
from flows.steps.email import EmailView, read_email
from idp.services.attempts import MAIL_CODE
from idp.services.challenges import Errand, Kind

SECURITY, PROFILE = "/account/security", "/account/profile"


@dataclass(frozen=True)
class MakeView:
    left: int


class MakeCodesStep(Step):
    name = "make_codes"
    proves = frozenset({"is_wanted"})

    def show(self, ctx: Context) -> Screen:
        view = MakeView(ctx.services.recovery_codes.left(UUID(ctx.state.account_id)))
        return Screen("flows/make_codes.html", ctx.text("rec.codes"), view, back=SECURITY)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        return Proved({"is_wanted": True})


class NewEmailStep(Step):
    """The old address stays until the new one is proved."""

    name = "new_email"
    proves = frozenset({"email"})
    keeps = ("email",)

    def show(self, ctx: Context) -> Screen:
        values = {"email": ctx.state.email} if ctx.state.email else {}
        view = EmailView.after(ctx, self.name)
        return Screen("flows/email.html", ctx.text("acc.email.new"), view, back=PROFILE, values=values)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        email = read_email(answer)
        return retry(email=email) if isinstance(email, Message) else Proved({"email": email}, entries={"email": email})


class NewEmailCodeStep(SentCodeStep):
    name = "email_code"
    proves = frozenset({"email_proved"})
    once_proved = "new_email"

    def errand(self, ctx: Context) -> Errand:
        email = ctx.state.email
        exists = ctx.services.accounts.exists(email)
        owner = UUID(ctx.state.account_id)
        return Errand(Kind.EMAIL, email, ctx.run_id, ctx.portal, ctx.language, letter=owner, is_void=exists)

    def show(self, ctx: Context) -> Screen:
        errand, back = self.errand(ctx), ctx.link("account/email")
        has_failed = ctx.services.outbox.has_failed(ctx.run_id, "mail")
        key = "e.email.undeliverable" if has_failed else "r3.sent"
        sent, hint = self.told(ctx, errand, ctx.text(key, email=ctx.state.email), "r3.hint")
        view = SentView(sent=sent, hint=hint, to=ctx.state.email, is_undelivered=has_failed, change_url=back)
        return Screen("flows/email_code.html", ctx.text("r3.title"), view, back=back)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        return self.judge_code(ctx, answer, MAIL_CODE, ctx.state.email) or Proved({"email_proved": True})
