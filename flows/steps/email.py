"""R2: the private e-mail address, and a suggestion where a well-known domain was mistyped."""

from __future__ import annotations

from dataclasses import dataclass

from flows.context import Context, Screen, Step, retry
from flows.engine import Handover, Message, Outcome, Proved
from idp.services.emails import email_problem, normalise_email, suggest_email


@dataclass(frozen=True, repr=False)
class EmailView:
    suggestion: str


class EmailStep(Step):
    name = "email"
    proves = frozenset({"email"})
    keeps = ("email",)

    def show(self, ctx: Context) -> Screen:
        state = ctx.state
        wrong = ctx.run.errors.get(self.name, {}).get("email", [])
        suggestion = wrong[1]["suggestion"] if wrong[:1] == ["e.email.typo"] else ""
        confirmed = ctx.text("r3.confirmed", email=state.email) if state.email_proved else None
        return Screen(
            "flows/email.html",
            ctx.text("r2.title"),
            EmailView(suggestion),
            step=(2, 5),
            back=ctx.link("register/code"),
            status=confirmed,
            values={"email": state.email} if state.email else {},
        )

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        typed = answer.get("suggestion") or answer.get("email", "")
        email = normalise_email(typed)
        if email is None:
            return retry(email=Message(email_problem(typed)))
        suggestion = suggest_email(email)
        if suggestion and normalise_email(answer.get("typed_before", "")) != email:
            return retry(email=Message("e.email.typo", {"suggestion": suggestion}))
        return Proved({"email": email}, entries={"email": email})

    def act(self, ctx: Context, action: str) -> Outcome | None:
        """«J'ai déjà un compte»: go on as the owner of that account, with the letter code at hand."""
        return Handover("link") if action == "existing" else None
