"""What a step is handed, and what it hands back to be shown."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any
from uuid import UUID

from flows.engine import Outcome, Retry
from idp.clock import swiss
from idp.models.flow import FlowRun
from idp.models.portal import Portal
from idp.models.session import Session
from idp.services.bundle import Services


@dataclass(frozen=True)
class Screen:
    """One step as a page: template, title in the person's language, its view, and where it stands."""

    template: str
    title: str
    view: object = None
    step: tuple[int, int] | None = None
    back: str | None = None
    status: str | None = None
    values: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Context:
    """The services, the portal and the run; the current facts stand in `state`."""

    services: Services
    portal: Portal
    run: FlowRun
    handle: str
    state: Any
    language: str
    network: str
    browser_hash: str
    session: Session | None
    version: int  # of the run when it was loaded: another tab's write in between is noticed

    @property
    def run_id(self) -> UUID:
        return self.run.id

    @property
    def now(self) -> datetime:
        return self.services.clock.now()

    @property
    def today(self) -> date:
        return swiss(self.now).date()

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
        return self.services.texts.get(language, key, **{**known, **values})

    def link(self, path: str) -> str:
        """The address of another step of this run."""
        return f"/{self.portal.slug}/{path}?f={self.handle}"

    def entries(self, step: str) -> dict[str, str]:
        """What was typed at a step, as kept in the run."""
        return dict(self.run.entries.get(step, {}))


class Step(ABC):
    """One screen of a journey. `proves` names the facts it alone may set."""

    name: str = ""
    proves: frozenset[str] = frozenset()
    keeps: tuple[str, ...] = ()  # fields whose entries are kept; never passwords or codes

    def applies(self, state: Any) -> bool:
        return True

    def automatic(self, ctx: Context) -> dict[str, Any] | None:
        """Facts that need no question here, or None."""
        return None

    def prepare(self, ctx: Context) -> dict[str, str]:
        """When the step becomes current by a POST: send what must be sent; returns entries to keep for the step."""
        return {}

    @abstractmethod
    def show(self, ctx: Context) -> Screen: ...

    @abstractmethod
    def judge(self, ctx: Context, answer: dict[str, str]) -> Outcome: ...

    def act(self, ctx: Context, action: str) -> Outcome | str | None:
        """A second button of the page: an outcome, an address to go to, or None where there is no such action."""
        return None


def retry(**errors: Any) -> Retry:
    """`retry(email=Message("e.email.empty"))`."""
    return Retry(errors)
