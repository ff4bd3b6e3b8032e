"""R2: the private e-mail address, and a suggestion where a well-known domain was mistyped."""

from __future__ import annotations

from dataclasses import dataclass

from flows.context import Context, Screen, Step, retry
from flows.engine import Handover, Message, Outcome, Proved
from idp.services.emails import email_problem, normalise_email, suggest_email


@dataclass(frozen=True, repr=False)
class EmailView:
    suggestion: str

    @classmethod
    def after(cls, ctx: Context, step: str) -> EmailView:
        """With the suggestion that the last answer to this step called for."""
        wrong = ctx.run.errors.get(step, {}).get("email", [])
        return cls(wrong[1]["suggestion"] if wrong[:1] == ["e.email.typo"] else "")


def read_email(answer: dict[str, str]) -> str | Message:
    """The normalised address that was typed, or what is wrong with it; a mistyped domain is asked about once."""
    typed = answer.get("suggestion") or answer.get("email", "")
    email = normalise_email(typed)
    if email is None:
        return Message(email_problem(typed))
    suggestion = suggest_email(email)
    if suggestion and normalise_email(answer.get("typed_before", "")) != email:
        return Message("e.email.typo", {"suggestion": suggestion})
    return email


class EmailStep(Step):
    name = "email"
    proves = frozenset({"email"})
    keeps = ("email",)

    def show(self, ctx: Context) -> Screen:
        state = ctx.state
        confirmed = ctx.text("r3.confirmed", email=state.email) if state.email_proved else None
        return Screen(
            "flows/email.html",
            ctx.text("r2.title"),
            EmailView.after(ctx, self.name),
            step=(2, 5),
            back=ctx.link("register/code"),
            status=confirmed,
            values={"email": state.email} if state.email else {},
        )

    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome:
        email = read_email(answer)
        return retry(email=email) if isinstance(email, Message) else Proved({"email": email}, entries={"email": email})

    def act(self, ctx: Context, action: str) -> Outcome | None:
        """«J'ai déjà un compte»: go on as the owner of that account, with the letter code at hand."""
        return Handover("link") if action == "existing" else None
