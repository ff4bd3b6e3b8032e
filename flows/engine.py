"""The engine of the journeys: a journey is a list of steps and the current step is *derived* from the proved facts.

No pointer is stored, so no URL skips a step and an old tab is harmless: `current` is the first step that applies and
has not proved its facts. Pure: no web, no database, no clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Generic, Protocol, TypeVar

S = TypeVar("S")
S_contra = TypeVar("S_contra", contravariant=True)


@dataclass(frozen=True, repr=False)
class Message:
    """A text of the catalogues with its placeholders; made into words in the person's language when shown."""

    key: str
    values: Mapping[str, str | int] | None = None


@dataclass(frozen=True, repr=False)
class Proved:
    """The answer was right: these facts, and only facts the step owns, become true.

    `of` names the owner where a button of another step changed its answer; `entries` are what it now shows.
    """

    facts: Mapping[str, Any]
    of: str | None = None
    entries: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, repr=False)
class Retry:
    """The answer was not accepted: field → message. Nothing is lost."""

    errors: Mapping[str, Message]


@dataclass(frozen=True, repr=False)
class Restart:
    """What a step proved no longer holds: go back to it, with this message on its field where there is one."""

    step: str
    field: str = ""
    message: Message | None = None


@dataclass(frozen=True)
class Revisit:
    """Show an earlier step again, with these entries filled in and this field first; nothing is forgotten."""

    step: str
    field: str
    entries: Mapping[str, str]


@dataclass(frozen=True)
class Handover:
    """The walk goes on as another journey, which takes over what both know."""

    journey: str


@dataclass(frozen=True, repr=False)
class Leave:
    """The person goes elsewhere; nothing of the walk changes."""

    address: str


Outcome = Proved | Retry | Restart | Revisit | Handover | Leave


class Duty(Protocol[S_contra]):
    """What the engine must know of a step."""

    @property
    def name(self) -> str: ...

    @property
    def proves(self) -> frozenset[str]: ...

    def applies(self, state: S_contra) -> bool: ...


D = TypeVar("D", bound=Duty[Any])


class ForeignFact(Exception):
    """A step tried to set a fact it does not own."""


@dataclass(frozen=True)
class Itinerary(Generic[S, D]):
    """The steps of one journey in their order, over one frozen state dataclass whose facts all start as None."""

    initial: S
    steps: tuple[D, ...]

    def find(self, name: str) -> D:
        return next(step for step in self.steps if step.name == name)

    def is_proved(self, step: D, state: S) -> bool:
        return all(getattr(state, fact) is not None for fact in step.proves)

    def current(self, state: S) -> D | None:
        """The first step that applies and has not proved its facts; None when the journey may finish."""
        for step in self.steps:
            if step.applies(state) and not self.is_proved(step, state):
                return step
        return None

    def is_open(self, step: D, state: S) -> bool:
        """Whether the step may be shown or answered: it is the current one, or lies before it and applies."""
        current = self.current(state)
        reach = self.steps if current is None else self.steps[: self.steps.index(current) + 1]
        return step in reach and step.applies(state)

    def prove(self, state: S, step: D, facts: Mapping[str, Any]) -> S:
        """The state after `step` proved `facts`. A different answer to an earlier step first forgets what followed."""
        if not set(facts) <= step.proves:
            raise ForeignFact(f"{step.name} may not set {sorted(set(facts) - step.proves)}")
        if all(getattr(state, fact) == facts.get(fact) for fact in step.proves):
            return state
        return replace(self.back(state, step), **facts)  # type: ignore[type-var]

    def back(self, state: S, to: D) -> S:
        """Forget the facts of this step and of every later one.

        Two steps may prove the same fact, so forgetting one step's facts only would let another's proof stand in.
        """
        later = self.steps[self.steps.index(to) :]
        forgotten = frozenset[str]().union(*(step.proves for step in later))
        blank = {known.name: None for known in fields(state) if known.name in forgotten}  # type: ignore[arg-type]
        return replace(state, **blank)  # type: ignore[type-var]
