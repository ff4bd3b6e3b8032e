"""The check character sees every single wrong character and every exchange of two; spelling does not matter."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from idp.chance import SystemRandom
from idp.services.registration_codes import ALPHABET, LENGTH, generate, normalise, problem, show

codes = st.builds(lambda _: generate(SystemRandom()), st.integers())


@given(codes)
def test_a_fresh_code_is_well_formed_however_it_is_typed(code: str) -> None:
    assert problem(code) is None
    typed = show(code).lower().replace("0", "o").replace("1", "l").replace("-", " . ")
    assert normalise(f" {typed}\n") == code


@given(codes, st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET))
def test_one_wrong_character_is_a_typing_error(code: str, at: int, other: str) -> None:
    changed = code[:at] + other + code[at + 1 :]
    assert problem(changed) == (None if changed == code else "typo")


@given(codes, st.integers(0, LENGTH - 1), st.integers(0, LENGTH - 1))
def test_two_exchanged_characters_are_a_typing_error(code: str, one: int, two: int) -> None:
    letters = list(code)
    letters[one], letters[two] = letters[two], letters[one]
    changed = "".join(letters)
    assert problem(changed) == (None if changed == code else "typo")


def test_missing_and_foreign_characters_are_named() -> None:
    assert problem(normalise("  ")) == "empty"
    assert problem(normalise("K7M4")) == "format"
    assert problem(normalise("KUM4-9PQX-2TDH")) == "typo"
