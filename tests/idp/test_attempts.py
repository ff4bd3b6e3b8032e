"""Guesses are counted before they are judged, and never more than the limit in parallel."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.models.base import db
from idp.services.attempts import APP_CODE, PASSWORD, Attempts, Budget
from idp.services.bundle import Services


def test_five_wrong_passwords_are_followed_by_a_minute_and_eight_by_fifteen(
    app: Flask, services: Services, clock: FrozenClock
) -> None:
    attempts = services.attempts
    assert [attempts.spend(PASSWORD, "a@example.ch") for _ in range(5)] == [None] * 5
    refused = attempts.spend(PASSWORD, "a@example.ch")
    assert refused is not None
    assert refused.until == clock.now() + timedelta(minutes=1)
    clock.advance(timedelta(minutes=1))
    assert [attempts.spend(PASSWORD, "a@example.ch") for _ in range(1)] == [None]
    assert attempts.spend(PASSWORD, "b@example.ch") is None
    for _ in range(2):
        clock.advance(timedelta(minutes=1))
        assert attempts.spend(PASSWORD, "a@example.ch") is None
    refused = attempts.spend(PASSWORD, "a@example.ch")
    assert refused is not None
    assert refused.until == clock.now() + timedelta(minutes=15)


def test_a_right_guess_gives_the_budget_back(app: Flask, services: Services) -> None:
    for _ in range(3):
        for _ in range(4):
            assert services.attempts.spend(PASSWORD, "a") is None
        services.attempts.forgive(PASSWORD, "a")
        db.session.commit()


def test_fifty_failures_in_a_row_disable_a_factor(app: Flask, services: Services, clock: FrozenClock) -> None:
    judged = 0
    for _ in range(200):
        judged += services.attempts.spend(APP_CODE, "a") is None
        clock.advance(timedelta(hours=25))
    assert judged == 50


def test_parallel_guesses_never_pass_the_limit(app: Flask, services: Services) -> None:
    attempts = Attempts(services.clock, services.vault)

    def guess(_: int) -> bool:
        with app.app_context():
            return attempts.spend(PASSWORD, "parallel") is None

    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(guess, range(100))) == 5


@pytest.mark.no_database
@pytest.mark.parametrize(
    "limits", [{"waits": ((1, timedelta(minutes=1)),)}, {"waits": PASSWORD.waits, "hard_limit": 1}]
)
def test_no_budget_ends_with_its_first_guess(limits: dict[str, Any]) -> None:
    """The statement that pays writes the first guess without a look at what follows it."""
    with pytest.raises(ValueError, match="one guess"):
        Budget("other", **limits)


def test_many_subjects_are_asked_at_once_and_none_as_well(app: Flask, services: Services) -> None:
    subjects = [(PASSWORD, f"{number}@example.ch") for number in range(60)]
    for _ in range(6):
        services.attempts.spend(*subjects[7])
    assert set(services.attempts.refusals_of_all(subjects)) == {("password", "7@example.ch")}
    assert services.attempts.refusals_of_all([]) == {}
