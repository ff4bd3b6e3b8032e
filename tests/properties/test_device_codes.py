"""The check letter of a device's code tells every single wrong letter, and almost every exchange of neighbours."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from idp.chance import SystemRandom
from idp.services.devices import ALPHABET, LENGTH, _check, generate, problem

bodies = st.text(ALPHABET, min_size=LENGTH - 1, max_size=LENGTH - 1)


@given(bodies, st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET))
def test_every_wrong_letter_is_seen(body: str, at: int, letter: str) -> None:
    code = body + _check(body)
    assert problem(code) is None
    wrong = code[:at] + letter + code[at + 1 :]
    assert (problem(wrong) is None) == (wrong == code)


def test_exchanged_neighbours_are_seen_but_for_one_pair_of_letters() -> None:
    missed = set()
    for one in ALPHABET:
        for two in ALPHABET:
            body = f"BBB{one}{two}BB"
            swapped = f"BBB{two}{one}BB"
            if one != two and _check(body) == _check(swapped):
                missed.add(frozenset({one, two}))
    assert len(missed) <= 1


@given(st.text(max_size=30))
def test_no_text_breaks_the_reader(text: str) -> None:
    assert problem(text) in {None, "empty", "typo"}


def test_fresh_codes_are_well_formed_and_differ() -> None:
    codes = {generate(SystemRandom()) for _ in range(500)}
    assert len(codes) == 500
    assert all(problem(code) is None for code in codes)
