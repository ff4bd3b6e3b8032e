"""The last step of an account: what is lost and what stays, in plain words, and a box to tick (ux.md §4.5)."""

from __future__ import annotations

from dataclasses import dataclass

from flows.context import Context, Screen, Step, retry
from flows.engine import Message, Outcome, Proved


@dataclass(frozen=True, repr=False)
class CloseView:
    portals: tuple[str, ...]
    again: str


class CloseStep(Step):
    name = "close"
    proves = frozenset({"is_wanted"})

    def show(self, ctx: Context) -> Screen:
        own = ctx.services.accounts.portals_of(ctx.state.account())
        view = CloseView(tuple(portal.name(ctx.language) for portal in own), ctx.text("close.again"))
        return Screen("flows/close.html", ctx.text("close.title"), view, back="/account/profile")

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        if answer.get("agree") != "yes":
            return retry(agree=Message("e.close.empty"))
        if ctx.services.operators.is_last_superuser(ctx.state.account()):
            return retry(agree=Message("e.close.last"))
        return Proved({"is_wanted": True})
