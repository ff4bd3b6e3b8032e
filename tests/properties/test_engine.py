"""No walk completes without every proof, and a mutant that forgets one step only when going back is caught."""

from __future__ import annotations

from dataclasses import dataclass, replace

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


class KeepsWhatFollowed(Itinerary[Facts, Stop]):
    def back(self, state: Facts, to: Stop) -> Facts:
        return state


class ForgetsOneStepOnly(Itinerary[Facts, Stop]):
    def back(self, state: Facts, to: Stop) -> Facts:
        return replace(state, **dict.fromkeys(to.proves))


Move = tuple[str, str, int]  # the step, the factor where one is chosen, and which of two right answers is given
moves_of = st.lists(
    st.tuples(st.sampled_from([step.name for step in STEPS]), st.sampled_from(["sms", "app"]), st.integers(1, 2)),
    max_size=25,
)


def walk(itinerary: Itinerary[Facts, Stop], moves: list[Move]) -> tuple[Facts, dict[str, object]]:
    """Answer the named steps where they are open; returns the facts and the answers that count, step by step."""
    state, counted = itinerary.initial, dict[str, object]()
    names = [step.name for step in itinerary.steps]
    for name, factor, value in moves:
        step = itinerary.find(name)
        if not itinerary.is_open(step, state):
            continue
        answer: object = factor if name == "choose" else value
        state = itinerary.prove(state, step, dict.fromkeys(step.proves, answer))
        if counted.get(name) != answer:
            counted = {known: kept for known, kept in counted.items() if names.index(known) < names.index(name)}
            counted[name] = answer
    return state, counted


def is_sound(itinerary: Itinerary[Facts, Stop], moves: list[Move]) -> bool:
    state, counted = walk(itinerary, moves)
    if itinerary.current(state) is not None:
        return True
    return set(counted) == {"code", "email", "choose", str(state.factor)}


@settings(max_examples=2_000)
@given(moves_of)
def test_no_walk_finishes_without_every_proof(moves: list[Move]) -> None:
    assert is_sound(Itinerary(Facts(), STEPS), moves)


def test_a_mutant_that_forgets_one_step_only_is_caught() -> None:
    moves = [("code", "sms", 1), ("email", "sms", 1), ("choose", "app", 1), ("app", "app", 1), ("choose", "sms", 1)]
    assert is_sound(Itinerary(Facts(), STEPS), moves)
    assert not is_sound(ForgetsOneStepOnly(Facts(), STEPS), moves)


def test_a_mutant_that_keeps_what_followed_a_different_answer_is_caught() -> None:
    moves = [("code", "sms", 1), ("email", "sms", 1), ("choose", "sms", 1), ("sms", "sms", 1), ("email", "sms", 2)]
    assert is_sound(Itinerary(Facts(), STEPS), moves)
    assert not is_sound(KeepsWhatFollowed(Facts(), STEPS), moves)


def test_the_same_answer_again_forgets_nothing() -> None:
    itinerary = Itinerary(Facts(), STEPS)
    state = Facts(code=1, email=1, factor="sms")
    assert itinerary.prove(state, itinerary.find("email"), {"email": 1}) == state
    assert itinerary.prove(state, itinerary.find("email"), {"email": 2}) == Facts(code=1, email=2)


def test_a_step_cannot_set_a_fact_it_does_not_own() -> None:
    itinerary = Itinerary(Facts(), STEPS)
    with pytest.raises(ForeignFact):
        itinerary.prove(Facts(), STEPS[0], {"factor_ok": 1})
