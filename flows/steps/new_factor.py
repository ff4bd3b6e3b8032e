"""A second factor is set up anew after a recovery code or letter (ux.md §4.3), or by the owner (own_methods.py)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flows.context import Context, Screen, Step, retry
from flows.engine import Message, Outcome, Proved
from flows.steps.app_code import EnrolAppStep
from flows.steps.codes import SentCodeStep, SentView
from flows.steps.lock import WAYS_BACK, Place, factor_lock, lock_begins
from idp.services.attempts import RECOVERY_CODE, SMS_CODE, Refused
from idp.services.audit import AuditTag
from idp.services.challenges import Errand, Kind
from idp.services.phones import BadNumber, read_mobile, show_number
from idp.services.recovery_codes import problem


@dataclass(frozen=True)
class ChoiceView:
    factors: tuple[str, ...]


class RecoveryCodeStep(Step):
    """One of the printed codes, in place of the factor that is lost. It is used up at once, and the owner is told."""

    name = "recovery_code"
    guesses = True
    proves = frozenset({"factor_proved"})

    def __init__(self, place: Place) -> None:
        self._place, self.once_proved = place, place.after if place.is_own else "new_factor"

    def applies(self, state: Any) -> bool:
        return bool(state.method == "recovery")

    def show(self, ctx: Context) -> Screen:
        return Screen("flows/recovery_code.html", ctx.text("rec.code"), back=ctx.link(self._place.methods))

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        typed, account_id = answer.get("recovery_code", ""), ctx.state.account()
        if wrong := problem(typed):
            return retry(recovery_code=Message(wrong))
        paid = ctx.pay(RECOVERY_CODE, str(account_id))
        if isinstance(paid, Refused):
            return factor_lock(ctx, "recovery") or retry(recovery_code=ctx.wait(paid))
        if not ctx.services.recovery_codes.use(account_id, typed):
            if paid.begins_lock:
                lock_begins(ctx, account_id)
            ctx.record_refusal(AuditTag.FACTOR_REFUSED, account=account_id, kind="recovery")
            return factor_lock(ctx, "recovery") or retry(recovery_code=Message("e.rec.wrong"))
        ctx.services.attempts.forgive(RECOVERY_CODE, str(account_id))
        ctx.services.audit.record(AuditTag.RECOVERY_CODE_USED, account=account_id, portal=ctx.portal.id)
        account = ctx.services.accounts.active(account_id)
        ctx.services.notices.tell(
            "recovery", account, portal=ctx.portal, device=ctx.device, place=ctx.network,
            left=ctx.services.recovery_codes.left(account_id),
        )  # fmt: skip
        return Proved({"factor_proved": True})


class NewFactorStep(Step):
    name = "new_factor"
    proves = frozenset({"factor", "mobile"})
    keeps = ("factor", "mobile")

    def __init__(self, place: Place) -> None:
        self._place = place

    def applies(self, state: Any) -> bool:
        return state.method in WAYS_BACK

    def show(self, ctx: Context) -> Screen:
        view, back = ChoiceView(tuple(ctx.portal.factors)), ctx.link(self._place.methods)
        return Screen("flows/new_factor.html", ctx.text("rec.factor"), view, back=back)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        factor, mobile = answer.get("factor", ""), ""
        if factor not in ctx.portal.factors:
            return retry(factor=Message("e.factor.empty"))
        if factor == "sms":
            read = read_mobile(answer.get("mobile", ""), ctx.services.settings.sms_countries)
            if isinstance(read, BadNumber):
                return retry(mobile=Message(read.reason))
            if ctx.services.challenges.sms_is_stopped(ctx.portal):
                return retry(factor=Message("e.sms.stopped"))
            mobile = read
        return Proved({"factor": factor, "mobile": mobile})


class NewMobileStep(SentCodeStep):
    name = "new_mobile"
    proves = frozenset({"new_factor_proved"})

    def __init__(self, choice_path: str) -> None:
        self._choice_path = choice_path

    def applies(self, state: Any) -> bool:
        return bool(state.factor == "sms")

    def errand(self, ctx: Context) -> Errand:
        account = ctx.state.account()
        return Errand(Kind.SMS, ctx.state.mobile, ctx.run_id, ctx.portal, ctx.language, letter=account)

    def show(self, ctx: Context) -> Screen:
        errand, back = self.errand(ctx), ctx.link(self._choice_path)
        number = show_number(ctx.state.mobile)
        has_failed = ctx.services.outbox.has_failed(ctx.run_id, "sms")
        sent = ctx.text("e.sms.failed" if has_failed else "r5.sent", number=number)
        sent, hint = self.told(ctx, errand, sent, "r5.hint")
        view = SentView(sent=sent, hint=hint, to=number, is_undelivered=has_failed, change_url=back + "#f-mobile")
        return Screen("flows/sms_code.html", ctx.text("r5.title"), view, back=back)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        subject = f"enrol|{ctx.state.mobile}"
        return self.judge_code(ctx, answer, SMS_CODE, subject) or Proved({"new_factor_proved": True})


class NewAppStep(EnrolAppStep):
    proves = frozenset({"new_factor_proved", "app_step"})

    def __init__(self, choice_path: str) -> None:
        self._choice_path = choice_path

    def show(self, ctx: Context) -> Screen:
        view = self.view(ctx, allows_sms=False)
        return Screen("flows/totp_enrol.html", ctx.text("r6.title"), view, back=ctx.link(self._choice_path))

    def act(self, ctx: Context, action: str) -> Outcome | None:
        return None
