"""R3, R5 and L2: a code sent by mail or SMS, with sending again. One way of judging, three screens."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from flows.context import Context, Screen, Step, retry
from flows.engine import Message, Outcome, Proved, Retry
from flows.steps.details import switch_factor
from flows.steps.lock import SIGN_IN, Place, factor_lock, lock_begins, proved_factor, proved_lately
from idp.services.accounts import Factors
from idp.services.attempts import MAIL_CODE, SMS_CODE, Budget, Refused
from idp.services.audit import AuditTag
from idp.services.challenges import Errand, Kind, Stopped, Verdict, Wait
from idp.services.phones import show_number
from idp.services.throttle import Volume
from idp.texts import format_time
from idp.web.forms import digits_only, otp_problem
from idp.web.network import limit

LONGEST_COUNT = 120  # seconds; a longer wait is told as a clock time


@dataclass(frozen=True, repr=False)
class SentView:
    """Where the code went (in words, and the address in them), until when it is valid, and the other ways out."""

    sent: str
    hint: str
    to: str = ""
    is_undelivered: bool = False
    change_url: str = ""
    other_url: str = ""
    lost_url: str = ""
    allows_app: bool = False
    may_trust: bool = False


class SentCodeStep(Step):
    """What the three screens have in common; each says what its errand is."""

    guesses = True

    @abstractmethod
    def errand(self, ctx: Context) -> Errand: ...

    def prepare(self, ctx: Context) -> dict[str, str]:
        """Send a code unless one of this run is still good: reload, Back and a second tab never send another."""
        errand = self.errand(ctx)
        newest = ctx.services.challenges.newest(ctx.run_id, errand.kind, errand.recipient)
        if newest is None or newest.expires_at <= ctx.now or newest.used_at is not None:
            _send(ctx, errand)
        return {}

    def act(self, ctx: Context, action: str) -> Outcome | None:
        """Send again, or say how long to wait; shown as a status, or as an error of the field."""
        if action != "resend":
            return None
        if refused := _send(ctx, self.errand(ctx)):
            return retry(otp=_not_sent(ctx, refused))
        return Retry({"": Message("r3.resent", {"time": format_time(ctx.now)})})

    def told(self, ctx: Context, errand: Errand, sent: str, hint: str) -> tuple[str, str]:
        """Where the code went and until when it is valid: `sent`, or the truth where a limit was reached before and
        nothing went out in this run; and the text of the key `hint`.
        """
        newest = ctx.services.challenges.newest(ctx.run_id, errand.kind, errand.recipient)
        if newest is not None:
            return sent, ctx.text(hint, time=format_time(newest.expires_at))
        refused = ctx.services.challenges.refusal(errand)
        if refused is None:
            return ctx.text("e.otp.none"), ""
        message = _not_sent(ctx, refused)
        return ctx.text(message.key, **(message.values or {})), ""

    def judge_code(
        self, ctx: Context, answer: dict[str, str], budget: Budget, subject: str, account: UUID | None = None,
        ceiling: tuple[Budget, str] | None = None,
    ) -> Outcome | None:  # fmt: skip
        """None when the code is right. The guess is paid for first, also below a ceiling where there is one; an expired
        code is replaced at once (ux.md §4).
        """
        code, errand = digits_only(answer.get("otp", "")), self.errand(ctx)
        if wrong := otp_problem(code):
            return retry(otp=Message(wrong))
        paid = ctx.pay(budget, subject)
        if isinstance(paid, Refused):
            return retry(otp=ctx.wait(paid))
        if ceiling and (over := ctx.services.attempts.spend(*ceiling)):
            return retry(otp=ctx.wait(over))
        verdict = ctx.services.challenges.judge(errand.kind, run_id=ctx.run_id, recipient=errand.recipient, code=code)
        if verdict is Verdict.RIGHT:
            for forgiven in ((budget, subject), *([ceiling] if ceiling else [])):
                ctx.services.attempts.forgive(*forgiven)
            return None
        if verdict is Verdict.EXPIRED:
            refused = _send(ctx, errand)
            return retry(otp=_not_sent(ctx, refused) if refused else Message("e.otp.expired"))
        if paid.begins_lock and account is not None:
            lock_begins(ctx, account)
        ctx.record_refusal(AuditTag.FACTOR_REFUSED, account=account, portal=ctx.portal.id, kind=errand.kind.value)
        return retry(otp=Message("e.otp.wrong"))


def _send(ctx: Context, errand: Errand) -> Wait | Stopped | None:
    """The one way to a message; a network that asks for very many is answered with 429."""
    limit(Volume.SENDS)
    return ctx.services.challenges.send(errand)


def _not_sent(ctx: Context, refused: Wait | Stopped) -> Message:
    if isinstance(refused, Stopped):
        return Message("e.sms.stopped")
    if refused.seconds <= LONGEST_COUNT:
        return Message("r3.wait", {"s": refused.seconds})
    return Message("e.wait", {"time": ctx.moment(ctx.now + timedelta(seconds=refused.seconds))})


class EmailCodeStep(SentCodeStep):
    name = "email_code"
    proves = frozenset({"email_proved"})
    once_proved = "email"

    def errand(self, ctx: Context) -> Errand:
        email, letter = ctx.state.email, UUID(ctx.state.person_id)
        exists = ctx.services.accounts.exists(email)
        return Errand(Kind.EMAIL, email, ctx.run_id, ctx.portal, ctx.language, letter=letter, is_void=exists)

    def show(self, ctx: Context) -> Screen:
        errand, has_failed = self.errand(ctx), ctx.services.outbox.has_failed(ctx.run_id, "mail")
        key = "e.email.undeliverable" if has_failed else "r3.sent"
        sent, hint = self.told(ctx, errand, ctx.text(key, email=ctx.state.email), "r3.hint")
        view = SentView(
            sent=sent,
            hint=hint,
            to=ctx.state.email,
            is_undelivered=has_failed,
            change_url=ctx.link("register/email"),
        )
        back = ctx.link("register/email")
        return Screen("flows/email_code.html", ctx.text("r3.title"), view, step=(3, 5), back=back)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        return self.judge_code(ctx, answer, MAIL_CODE, ctx.state.email) or Proved({"email_proved": True})


class RegistrationSMSStep(SentCodeStep):
    name = "sms_code"
    proves = frozenset({"factor_proved"})

    def applies(self, state: Any) -> bool:
        return bool(state.factor == "sms")

    def errand(self, ctx: Context) -> Errand:
        letter = UUID(ctx.state.person_id)
        return Errand(Kind.SMS, ctx.state.mobile, ctx.run_id, ctx.portal, ctx.language, letter=letter)

    def show(self, ctx: Context) -> Screen:
        errand, has_failed = self.errand(ctx), ctx.services.outbox.has_failed(ctx.run_id, "sms")
        sent = ctx.text("e.sms.failed" if has_failed else "r5.sent", number=show_number(ctx.state.mobile))
        sent, hint = self.told(ctx, errand, sent, "r5.hint")
        view = SentView(
            sent=sent,
            hint=hint,
            to=show_number(ctx.state.mobile),
            is_undelivered=has_failed,
            change_url=ctx.link("register/details") + "#f-mobile",
            allows_app="app" in ctx.portal.factors,
        )
        back = ctx.link("register/details")
        return Screen("flows/sms_code.html", ctx.text("r5.title"), view, step=(5, 5), back=back)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        subject = f"enrol|{ctx.state.mobile}"
        return self.judge_code(ctx, answer, SMS_CODE, subject) or Proved({"factor_proved": True})

    def act(self, ctx: Context, action: str) -> Outcome | None:
        return switch_factor(ctx, "app") if action == "switch" else super().act(ctx, action)


class LoginSMSStep(SentCodeStep):
    name = "sms_code"
    proves = frozenset({"factor_proved"})

    def __init__(self, place: Place = SIGN_IN) -> None:
        self._place, self.once_proved = place, place.after
        if place.may_trust:
            self.proves, self.keeps = self.proves | {"is_trusted"}, ("trust",)

    def automatic(self, ctx: Context) -> dict[str, Any] | None:
        return proved_lately(ctx, self._place)

    def applies(self, state: Any) -> bool:
        return bool(state.method == "sms")

    def errand(self, ctx: Context) -> Errand:
        return self._errand(ctx, ctx.factors())

    def _errand(self, ctx: Context, factors: Factors) -> Errand:
        return Errand(Kind.SMS, factors.phone or "", ctx.run_id, ctx.portal, ctx.language)

    def show(self, ctx: Context) -> Screen:
        factors = ctx.factors()
        errand = self._errand(ctx, factors)
        sent, hint = self.told(ctx, errand, ctx.text("l2.sms.sent", last2=errand.recipient[-2:]), "r5.hint")
        view = SentView(
            sent=sent,
            hint=hint,
            other_url=ctx.link(self._place.methods) if len(factors.names) > 1 else "",
            lost_url=ctx.link(self._place.help) if self._place.help else "",
            may_trust=self._place.may_trust and ctx.portal.trusted_devices,
        )
        return Screen("flows/login_sms.html", ctx.text("r5.title"), view, back=self._place.back(ctx))

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        account_id = ctx.state.account()
        wrong = self.judge_code(ctx, answer, SMS_CODE, str(account_id), account_id)
        return (factor_lock(ctx, "sms") or wrong) if wrong else Proved(proved_factor(self._place, answer))
