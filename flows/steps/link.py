"""A second portal for an existing account: its owner signs in, and the record's birth date is proved once more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from flows.context import Context, Screen, Step, retry
from flows.engine import Outcome, Proved, Restart
from flows.steps.details import check_birth_date, forgive_birth_date, load_person
from idp.models.account import load_account


@dataclass(frozen=True, repr=False)
class LinkView:
    account: str


class AccountStep(Step):
    """Proved by the session alone; a person without one is sent to the sign-in and back."""

    name = "account"
    proves = frozenset({"account_id"})
    has_screen = False

    def automatic(self, ctx: Context) -> dict[str, Any] | None:
        return {"account_id": str(ctx.session.account_id)} if ctx.session else None

    def recheck(self, ctx: Context) -> Restart | None:
        """The one who is signed in is the one whose account is linked."""
        is_same = ctx.session is not None and str(ctx.session.account_id) == ctx.state.account_id
        return None if is_same else Restart(self.name)

    def show(self, ctx: Context) -> Screen:
        raise LookupError("this step has no screen of its own")

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        return retry()


class SecondItemStep(Step):
    name = "second_item"
    proves = frozenset({"second_item_proved"})
    keeps = ("birth_date",)

    def show(self, ctx: Context) -> Screen:
        email = load_account(ctx.session.account_id).email if ctx.session else ""
        view = LinkView(account=ctx.text("link.account", email=email))
        return Screen("flows/second_item.html", ctx.text("link.title"), view, back=ctx.link("link/code"))

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        person = load_person(ctx.state.person_id)
        if wrong := check_birth_date(ctx, person, answer.get("birth_date", "")):
            return retry(birth_date=wrong)
        forgive_birth_date(ctx, person)
        return Proved({"second_item_proved": True})
