"""What a step is handed, and what it hands back to be shown."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from flows.engine import Message, Outcome, Restart, Retry
from flows.run import Run, waiting_request
from idp.clock import swiss
from idp.errors import Fault
from idp.models.base import db, once_committed
from idp.models.portal import Portal
from idp.models.session import Session
from idp.models.units import together
from idp.services.accounts import NO_FACTORS, Factors, Standing
from idp.services.attempts import Budget, Paid, Refused
from idp.services.audit import AuditTag
from idp.services.bundle import Services
from idp.services.metrics import SIGN_INS, Metric
from idp.texts import format_date, format_time

# What was proved wrongly; where it is a second factor, the event says which.
PROOFS = {AuditTag.PASSWORD_REFUSED: "password", AuditTag.PASSKEY_REFUSED: "passkey", AuditTag.FACTOR_REFUSED: ""}


@dataclass(frozen=True, repr=False)
class Screen:
    """One step as a page: template, title in the person's language, its view, and where it stands."""

    template: str
    title: str
    view: object = None
    step: tuple[int, int] | None = None
    back: str | None = None
    status: str | None = None
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Context:
    """The services, the portal and the run; the current facts stand in `state`."""

    services: Services
    portal: Portal
    run: Run
    handle: str
    state: Any
    language: str
    network: str
    device: str
    browser_hash: str
    session: Session | None
    version: int  # of the run when it was loaded: another tab's write in between is noticed
    read: dict[str, Any] = field(default_factory=dict)  # what was looked up where the walk stands

    @property
    def run_id(self) -> UUID:
        return self.run.id

    @property
    def now(self) -> datetime:
        return self.services.clock.now()

    @property
    def owner(self) -> Session:
        """The session of somebody who changes their account; nobody else comes to such a walk."""
        if self.session is None:
            raise Fault("a change of an account without its owner")
        return self.session

    @property
    def today(self) -> date:
        return swiss(self.now).date()

    @property
    def letter_subject(self) -> str:
        """Whom guesses of letter codes are charged to."""
        return f"{self.network}|{self.portal.id}"

    def standing(self) -> Standing | None:
        """How the account of this walk stands now; None when it cannot sign in."""
        account_id: UUID = self.state.account()
        key = f"standing {account_id}"
        if key not in self.read:
            self.read[key] = self.services.accounts.standing(account_id, self.browser_hash)
        found: Standing | None = self.read[key]
        return found

    @property
    def holder(self) -> Standing:
        """The account of a walk that proved one; nobody else comes to its end."""
        standing = self.standing()
        if standing is None:
            raise Fault("the end of a walk without its account")
        return standing

    def factors(self) -> Factors:
        """The second factors of the account of this walk."""
        standing = self.standing()
        return standing.factors if standing else NO_FACTORS

    def locks(self, subjects: Sequence[tuple[Budget, str]]) -> dict[str, Refused]:
        """Which of these budgets are locked now, by their kinds; a pause is no lock."""
        key = f"locks {subjects}"
        if key not in self.read:
            found = self.services.attempts.refusals_of_all(subjects)
            self.read[key] = {kind: refused for (kind, _), refused in found.items() if refused.is_lock}
        locked: dict[str, Refused] = self.read[key]
        return locked

    def pay(self, budget: Budget, subject: str) -> Paid | Refused:
        """Pay for a guess, before the form is settled; what comes of it is kept together. What was read before says
        nothing of what it locked.
        """
        self.read.clear()
        paid = self.services.attempts.pay_before(budget, subject)
        together()
        return paid

    def record_refusal(self, tag: AuditTag, **detail: Any) -> None:
        """Record a refused answer for good: what another tab does meanwhile cannot take it back."""
        self.services.audit.record(tag, **detail)
        if tag in PROOFS:
            self.count(SIGN_INS, self.portal.slug, PROOFS[tag] or detail["kind"], "refused")
        db.session.commit()

    def count(self, metric: Metric, *labels: str) -> None:
        """For whoever watches, once it is for good."""
        metrics = self.services.metrics
        once_committed(lambda: metrics.count(metric, *labels))

    def text(self, key: str, **values: object) -> str:
        """A text in the person's language; the portal's own values are always at hand."""
        portal, language = self.portal, self.language
        known: dict[str, object] = {
            "portal": portal.name(language),
            "phone": portal.phone,
            "email": portal.email,
            "hours": portal.opening_hours(language),
            "contact": f"{portal.phone}, {portal.email}",
        }
        return self.services.texts.of(portal.texts).get(language, key, **{**known, **values})

    def link(self, path: str) -> str:
        """The address of another step of this run."""
        return f"/{self.portal.slug}/{path}?f={self.handle}"

    def waiting(self) -> str | None:
        """The handle of the portal's request that waits for this walk, if one does."""
        if "waiting" not in self.read:
            self.read["waiting"] = waiting_request(self.services, self.run)
        found: str | None = self.read["waiting"]
        return found

    def wait(self, refused: Refused, key: str = "e.wait") -> Message:
        """Too many attempts: until when, in words; where only a call helps, that is said instead."""
        if refused.is_for_good:
            return Message("e.locked")
        return Message(key, {"time": self.moment(refused.until)})

    def entrance(self, path: str) -> str:
        """The address where another journey begins; the portal's request that waits goes along."""
        waiting = self.waiting()
        return f"/{self.portal.slug}/{path}" + (f"?for={waiting}" if waiting else "")

    def moment(self, at: datetime) -> str:
        """A clock time as people read it, with its date where it is not today."""
        day = swiss(at).date()
        return format_time(at) if day == self.today else f"{format_date(day)}, {format_time(at)}"

    def entries(self, step: str) -> dict[str, str]:
        """What was typed at a step, as kept in the run."""
        return dict(self.run.entries.get(step, {}))


class Step(ABC):
    """One screen of a journey. `proves` names the facts it alone may set."""

    name: str = ""
    proves: frozenset[str] = frozenset()
    keeps: tuple[str, ...] = ()  # fields whose entries are kept; never passwords or codes
    has_screen: bool = True  # False where another journey proves it
    guesses: bool = False  # True where an answer is a guess: before it is paid for, nothing else may be written
    hashes: bool = False  # True where an answer may cost the hash of a password
    once_proved: str = ""  # the step that is shown in its place, where an answer cannot be given twice

    def applies(self, state: Any) -> bool:
        return True

    def automatic(self, ctx: Context) -> dict[str, Any] | None:
        """Facts that need no question here, or None."""
        return None

    def recheck(self, ctx: Context) -> Restart | None:
        """Why what this step proved no longer holds, judged anew at every request; None while it does."""
        return None

    def prepare(self, ctx: Context) -> dict[str, str]:
        """When the step becomes current by a POST: send what must be sent; returns entries to keep for the step."""
        return {}

    @abstractmethod
    def show(self, ctx: Context) -> Screen: ...

    @abstractmethod
    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome: ...

    def act(self, ctx: Context, action: str) -> Outcome | None:
        """A second button of the page; None where there is no such action."""
        return None


def retry(**errors: Message) -> Retry:
    """`retry(email=Message("e.email.empty"))`."""
    return Retry(errors)
