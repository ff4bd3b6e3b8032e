"""The second factors that an owner has in the account: another number, an app, and one less (ux.md §4.5)."""

from __future__ import annotations

from dataclasses import dataclass

from flows.context import Context, Screen, Step, retry
from flows.engine import Message, Outcome, Proved
from idp.services.accounts import Factors
from idp.services.phones import BadNumber, read_mobile

SECURITY = "/account/security"


@dataclass(frozen=True)
class OneView:
    """`is_replaced`: whether the account has one of this kind, whose place the new one takes."""

    is_replaced: bool


@dataclass(frozen=True, repr=False)
class RemoveView:
    """`last2` is of the number; of a last method there is no form, but where another is added first."""

    methods: tuple[str, ...]
    last2: str
    add_url: str


def _factors(ctx: Context) -> Factors:
    return ctx.factors()


class NewNumberStep(Step):
    name = "new_number"
    proves = frozenset({"factor", "mobile"})
    keeps = ("mobile",)

    def show(self, ctx: Context) -> Screen:
        view = OneView(_factors(ctx).phone is not None)
        return Screen("flows/new_number.html", ctx.text("acc.mobile.title"), view, back=SECURITY)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        read = read_mobile(answer.get("mobile", ""), ctx.services.settings.sms_countries)
        if isinstance(read, BadNumber):
            return retry(mobile=Message(read.reason))
        if ctx.services.challenges.sms_is_stopped(ctx.portal):
            return retry(mobile=Message("e.sms.stopped"))
        return Proved({"factor": "sms", "mobile": read})


class NewAppIntroStep(Step):
    """What is going to happen; the app's key is made by the click, for a GET changes nothing."""

    name = "new_app"
    proves = frozenset({"factor"})

    def show(self, ctx: Context) -> Screen:
        view = OneView(_factors(ctx).has_app)
        title = "acc.app.change" if view.is_replaced else "acc.app.add"
        return Screen("flows/new_app.html", ctx.text(title), view, back=SECURITY)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        return Proved({"factor": "app"})


class RemoveMethodStep(Step):
    """The last second factor stays: without one nobody could sign in."""

    name = "remove_method"
    proves = frozenset({"factor"})

    def show(self, ctx: Context) -> Screen:
        factors = _factors(ctx)
        missing = "account/app" if factors.phone else "account/mobile"
        view = RemoveView(factors.names, (factors.phone or "")[-2:], f"/{ctx.portal.slug}/{missing}")
        return Screen("flows/remove_method.html", ctx.text("acc.method.remove"), view, back=SECURITY)

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        names, factor = _factors(ctx).names, answer.get("factor", "")
        if len(names) < 2:
            return retry(factor=Message("acc.last"))
        if factor not in names:
            return retry(factor=Message("e.method.empty"))
        return Proved({"factor": factor})
