"""R3, R5 and L2: a code sent by mail or SMS, with sending again. One way of judging, three screens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flows.context import Context, Screen, Step, retry
from flows.engine import Message, Outcome, Proved, Retry
from idp.services.attempts import MAIL_CODE, SMS_CODE, Budget
from idp.services.audit import AuditTag
from idp.services.challenges import Kind, Verdict, Wait
from idp.services.phones import show_number
from idp.texts import format_time
from idp.web.forms import digits_only, otp_problem


@dataclass(frozen=True)
class SentView:
    """Where the code went (in words), until when it is valid, and the other ways out."""

    sent: str
    hint: str
    change_url: str = ""
    other_url: str = ""
    lost_url: str = ""


def send(ctx: Context, kind: Kind, recipient: str, *, exists: bool = False) -> Wait | None:
    return ctx.services.challenges.send(
        kind, run_id=ctx.run_id, recipient=recipient, language=ctx.language, portal=ctx.portal, exists=exists
    )


def ensure_sent(ctx: Context, kind: Kind, recipient: str, *, exists: bool = False) -> dict[str, str]:
    """Send a code unless one of this run is still good: reload, Back and a second tab never send another."""
    newest = ctx.services.challenges.newest(ctx.run_id, kind, recipient)
    if newest is None or newest.expires_at <= ctx.now or newest.used_at is not None:
        send(ctx, kind, recipient, exists=exists)
    return {}


def sent_words(ctx: Context, kind: Kind, recipient: str, words: str) -> str:
    """`words`, or the truth when a journey just before used up the pause between two codes and none was sent here."""
    if ctx.services.challenges.newest(ctx.run_id, kind, recipient) is None:
        wait = ctx.services.challenges.must_wait(kind, recipient, ctx.run_id)
        return ctx.text("r3.wait", s=wait.seconds if wait else 0)
    return words


def valid_until(ctx: Context, kind: Kind, recipient: str) -> str:
    newest = ctx.services.challenges.newest(ctx.run_id, kind, recipient)
    return format_time(newest.expires_at if newest else ctx.now)


def judge_code(
    ctx: Context, kind: Kind, recipient: str, typed: str, budget: Budget, *, subject: str, exists: bool = False
) -> Retry | None:
    """None when the code is right. The guess is paid for first; an expired code is replaced at once (ux.md §4.2)."""
    code = digits_only(typed)
    if wrong := otp_problem(code):
        return retry(otp=Message(wrong))
    if refused := ctx.services.attempts.spend(budget, subject):
        return retry(otp=Message("e.wait", {"time": format_time(refused.until)}))
    verdict = ctx.services.challenges.judge(kind, run_id=ctx.run_id, recipient=recipient, code=code)
    if verdict is Verdict.RIGHT:
        ctx.services.attempts.forgive(budget, subject)
        return None
    if verdict is Verdict.EXPIRED:
        wait = send(ctx, kind, recipient, exists=exists)
        return retry(otp=Message("r3.wait", {"s": wait.seconds}) if wait else Message("e.otp.expired"))
    ctx.services.audit.record(AuditTag.FACTOR_REFUSED, portal=ctx.portal.id, kind=kind.value)
    return retry(otp=Message("e.otp.wrong"))


def resend(ctx: Context, kind: Kind, recipient: str, *, exists: bool = False) -> Outcome:
    """Send again, or say how long to wait; shown as a status, or as an error of the field."""
    wait = send(ctx, kind, recipient, exists=exists)
    if wait:
        return retry(otp=Message("r3.wait", {"s": wait.seconds}))
    return Retry({"": Message("r3.resent", {"time": format_time(ctx.now)})})


class EmailCodeStep(Step):
    name = "email_code"
    proves = frozenset({"email_proved"})

    def _exists(self, ctx: Context) -> bool:
        return ctx.services.accounts.exists(ctx.state.email)

    def prepare(self, ctx: Context) -> dict[str, str]:
        return ensure_sent(ctx, Kind.EMAIL, ctx.state.email, exists=self._exists(ctx))

    def show(self, ctx: Context) -> Screen:
        email = ctx.state.email
        failed = ctx.services.outbox.has_failed(ctx.run_id, "mail")
        return Screen(
            "flows/email_code.html",
            ctx.text("r3.title"),
            SentView(
                sent=sent_words(
                    ctx, Kind.EMAIL, email, ctx.text("e.email.undeliverable" if failed else "r3.sent", email=email)
                ),
                hint=ctx.text("r3.hint", time=valid_until(ctx, Kind.EMAIL, email)),
                change_url=ctx.link("register/email"),
            ),
            step=(3, 5),
            back=ctx.link("register/email"),
        )

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        email = ctx.state.email
        wrong = judge_code(
            ctx, Kind.EMAIL, email, answer.get("otp", ""), MAIL_CODE, subject=email, exists=self._exists(ctx)
        )
        return wrong or Proved({"email_proved": True})

    def act(self, ctx: Context, action: str) -> Outcome | str | None:
        return resend(ctx, Kind.EMAIL, ctx.state.email, exists=self._exists(ctx)) if action == "resend" else None


class RegistrationSMSStep(Step):
    name = "sms_code"
    proves = frozenset({"factor_proved"})

    def applies(self, state: Any) -> bool:
        return bool(state.factor == "sms")

    def prepare(self, ctx: Context) -> dict[str, str]:
        return ensure_sent(ctx, Kind.SMS, ctx.state.mobile)

    def show(self, ctx: Context) -> Screen:
        number = ctx.state.mobile
        failed = ctx.services.outbox.has_failed(ctx.run_id, "sms")
        return Screen(
            "flows/sms_code.html",
            ctx.text("r5.title"),
            SentView(
                sent=sent_words(
                    ctx,
                    Kind.SMS,
                    number,
                    ctx.text("e.sms.failed" if failed else "r5.sent", number=show_number(number)),
                ),
                hint=ctx.text("r5.hint", time=valid_until(ctx, Kind.SMS, number)),
                change_url=ctx.link("register/details") + "#f-mobile",
            ),
            step=(5, 5),
            back=ctx.link("register/details"),
        )

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        number = ctx.state.mobile
        wrong = judge_code(ctx, Kind.SMS, number, answer.get("otp", ""), SMS_CODE, subject=f"enrol|{number}")
        return wrong or Proved({"factor_proved": True})

    def act(self, ctx: Context, action: str) -> Outcome | str | None:
        return resend(ctx, Kind.SMS, ctx.state.mobile) if action == "resend" else None


class LoginSMSStep(Step):
    name = "sms_code"
    proves = frozenset({"factor_proved"})

    def applies(self, state: Any) -> bool:
        return bool(state.method == "sms")

    def _number(self, ctx: Context) -> str:
        return ctx.services.accounts.factors(ctx.state.account()).phone or ""

    def prepare(self, ctx: Context) -> dict[str, str]:
        number = self._number(ctx)
        return ensure_sent(ctx, Kind.SMS, number)

    def show(self, ctx: Context) -> Screen:
        number = self._number(ctx)
        has_more = len(ctx.services.accounts.factors(ctx.state.account()).names) > 1
        return Screen(
            "flows/login_sms.html",
            ctx.text("r5.title"),
            SentView(
                sent=sent_words(ctx, Kind.SMS, number, ctx.text("l2.sms.sent", last2=number[-2:])),
                hint=ctx.text("r5.hint", time=valid_until(ctx, Kind.SMS, number)),
                other_url=ctx.link("login/methods") if has_more else "",
                lost_url=ctx.link("login/help"),
            ),
            back=ctx.link("login"),
        )

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        number = self._number(ctx)
        subject = str(ctx.state.account_id)
        wrong = judge_code(ctx, Kind.SMS, number, answer.get("otp", ""), SMS_CODE, subject=subject)
        return wrong or Proved({"factor_proved": True})

    def act(self, ctx: Context, action: str) -> Outcome | str | None:
        return resend(ctx, Kind.SMS, self._number(ctx)) if action == "resend" else None
