"""What takes turns: one of each name, always the same, and all of them in the long run."""

from __future__ import annotations

import pytest

from tests.support import turns

NAMED = [(name, f"{name}{one}") for name in "abcdefgh" for one in range(3)]


@pytest.fixture(params=[True, False])
def in_a_long_run(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    monkeypatch.setattr(turns, "_takes_all", [request.param])
    return bool(request.param)


def test_of_each_name_one_is_taken_and_in_the_long_run_all(in_a_long_run: bool) -> None:
    taken = turns.one_of_each(NAMED, "this")
    assert sorted(taken) == sorted(one for _, one in NAMED if in_a_long_run or one in taken)
    assert len(taken) == (24 if in_a_long_run else 8)
    assert {one[0] for one in taken} == {*"abcdefgh"}


@pytest.mark.parametrize("in_a_long_run", [False], indirect=True)
def test_the_choice_stays_differs_elsewhere_and_goes_round(in_a_long_run: bool) -> None:
    assert turns.one_of_each(NAMED, "this") == turns.one_of_each(NAMED, "this")
    assert turns.one_of_each(NAMED, "this") != turns.one_of_each(NAMED, "that")
    assert sorted(one for after in range(3) for one in turns.one_of_each(NAMED, "this", after)) == sorted(
        one for _, one in NAMED
    )
