"""R6 and L2: the authenticator app, set up at registration and asked at sign-in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flows.context import Context, Screen, Step, retry
from flows.engine import Message, Outcome, Proved
from flows.steps.details import switch_factor
from flows.steps.lock import SIGN_IN, Place, factor_lock, lock_begins, proved_factor, proved_lately
from idp.services.attempts import APP_CODE, Refused
from idp.services.audit import AuditTag
from idp.services.totp import Judged
from idp.web.app_setup import AppSetup, app_setup
from idp.web.forms import digits_only, otp_problem


@dataclass(frozen=True, repr=False)
class EnrolView:
    setup: AppSetup
    allows_sms: bool


@dataclass(frozen=True)
class AppView:
    other_url: str
    lost_url: str
    may_trust: bool


def _wrong(judged: Judged) -> Message:
    return Message("e.totp.clock" if judged.clock_is_wrong else "e.totp.wrong")


class EnrolAppStep(Step):
    """The seed lives in the run, sealed, from the first showing: a scanned QR stays right over reloads and Back."""

    name = "totp_enrol"
    proves = frozenset({"factor_proved", "app_step"})

    def applies(self, state: Any) -> bool:
        return bool(state.factor == "app")

    def _seed(self, ctx: Context) -> str:
        return ctx.services.totp.open_seed(ctx.run.entries["totp_enrol"]["sealed_seed"], str(ctx.run_id))

    def prepare(self, ctx: Context) -> dict[str, str]:
        if "sealed_seed" in ctx.entries(self.name):
            return {}
        return {"sealed_seed": ctx.services.totp.seal_seed(ctx.services.totp.new_seed(), str(ctx.run_id))}

    def show(self, ctx: Context) -> Screen:
        view = self.view(ctx, allows_sms="sms" in ctx.portal.factors)
        return Screen(
            "flows/totp_enrol.html", ctx.text("r6.title"), view, step=(5, 5), back=ctx.link("register/details")
        )

    def view(self, ctx: Context, *, allows_sms: bool) -> EnrolView:
        return EnrolView(app_setup(self._seed(ctx)), allows_sms)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        code = digits_only(answer.get("otp", ""))
        if wrong := otp_problem(code):
            return retry(otp=Message(wrong))
        if refused := ctx.services.attempts.spend(APP_CODE, f"enrol|{ctx.run_id}"):
            return retry(otp=ctx.wait(refused))
        judged = ctx.services.totp.judge(self._seed(ctx), code)
        if judged.step is None:
            return retry(otp=_wrong(judged))
        return Proved(dict.fromkeys(self.proves, True) | {"app_step": judged.step})

    def act(self, ctx: Context, action: str) -> Outcome | None:
        return switch_factor(ctx, "sms") if action == "switch" else None


class LoginAppStep(Step):
    name = "totp"
    guesses = True
    proves = frozenset({"factor_proved"})

    def __init__(self, place: Place = SIGN_IN) -> None:
        self._place, self.once_proved = place, place.after
        if place.may_trust:
            self.proves, self.keeps = self.proves | {"is_trusted"}, ("trust",)

    def automatic(self, ctx: Context) -> dict[str, Any] | None:
        return proved_lately(ctx, self._place)

    def applies(self, state: Any) -> bool:
        return bool(state.method == "app")

    def show(self, ctx: Context) -> Screen:
        has_more = len(ctx.factors().names) > 1
        view = AppView(
            may_trust=self._place.may_trust and ctx.portal.trusted_devices,
            other_url=ctx.link(self._place.methods) if has_more else "",
            lost_url=ctx.link(self._place.help) if self._place.help else "",
        )
        return Screen("flows/login_app.html", ctx.text("l2.app.title"), view, back=self._place.back(ctx))

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        code = digits_only(answer.get("otp", ""))
        if wrong := otp_problem(code):
            return retry(otp=Message(wrong))
        account_id, subject = ctx.state.account(), str(ctx.state.account_id)
        paid = ctx.pay(APP_CODE, subject)
        if isinstance(paid, Refused):
            return factor_lock(ctx, "app") or retry(otp=ctx.wait(paid))
        judged = ctx.services.totp.verify(account_id, code)
        if judged.step is not None:
            ctx.services.attempts.forgive(APP_CODE, subject)
            return Proved(proved_factor(self._place, answer))
        if paid.begins_lock:
            lock_begins(ctx, account_id)
        ctx.record_refusal(AuditTag.FACTOR_REFUSED, account=account_id, kind="app")
        return factor_lock(ctx, "app") or retry(otp=_wrong(judged))
