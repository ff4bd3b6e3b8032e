"""No walk completes without every proof, and a mutant that forgets one step only when going back is caught."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from flows.engine import ForeignFact, Itinerary


@dataclass(frozen=True)
class Facts:
    code: int | None = None
    email: int | None = None
    factor: str | None = None
    factor_ok: int | None = None


@dataclass(frozen=True)
class Stop:
    name: str
    proves: frozenset[str]
    only_for: str | None = None

    def applies(self, state: Facts) -> bool:
        return self.only_for is None or state.factor == self.only_for


STEPS = (
    Stop("code", frozenset({"code"})),
    Stop("email", frozenset({"email"})),
    Stop("choose", frozenset({"factor"})),
    Stop("sms", frozenset({"factor_ok"}), "sms"),
    Stop("app", frozenset({"factor_ok"}), "app"),
)


class ForgetsOneStepOnly(Itinerary[Facts, Stop]):
    def back(self, state: Facts, to: Stop) -> Facts:
        return replace(state, **dict.fromkeys(to.proves))


walks = st.lists(
    st.tuples(st.sampled_from([step.name for step in STEPS]), st.sampled_from(["sms", "app"])), max_size=25
)


def walk(itinerary: Itinerary[Facts, Stop], moves: list[tuple[str, str]]) -> tuple[Facts, list[str]]:
    """Answer the named steps where they are open; returns the facts and the steps proved since the last way back."""
    state, proved = itinerary.initial, list[str]()
    for name, factor in moves:
        step = itinerary.find(name)
        if not itinerary.is_open(step, state):
            continue
        facts: dict[str, Any] = {fact: factor if fact == "factor" else 1 for fact in step.proves}
        state = itinerary.prove(state, step, facts)
        names = [step.name for step in itinerary.steps]
        proved = [known for known in proved if names.index(known) < names.index(name)] + [name]
    return state, proved


def is_sound(itinerary: Itinerary[Facts, Stop], moves: list[tuple[str, str]]) -> bool:
    state, proved = walk(itinerary, moves)
    if itinerary.current(state) is not None:
        return True
    return proved == ["code", "email", "choose", str(state.factor)]


@settings(max_examples=2_000)
@given(walks)
def test_no_walk_finishes_without_every_proof(moves: list[tuple[str, str]]) -> None:
    assert is_sound(Itinerary(Facts(), STEPS), moves)


def test_a_mutant_that_forgets_one_step_only_is_caught() -> None:
    moves = [("code", "sms"), ("email", "sms"), ("choose", "app"), ("app", "app"), ("choose", "sms")]
    assert is_sound(Itinerary(Facts(), STEPS), moves)
    assert not is_sound(ForgetsOneStepOnly(Facts(), STEPS), moves)


def test_a_step_cannot_set_a_fact_it_does_not_own() -> None:
    itinerary = Itinerary(Facts(), STEPS)
    with pytest.raises(ForeignFact):
        itinerary.prove(Facts(), STEPS[0], {"factor_ok": 1})
