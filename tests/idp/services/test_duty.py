"""A duty of the worker outlives whatever goes wrong in one of its passes, and says what it was."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy.exc import OperationalError
from structlog.testing import capture_logs

from idp.services import duty
from idp.services.duty import keep_at

pytestmark = pytest.mark.no_database


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(duty, "AFTER_A_FAULT_S", 0.0)


def passes(*results: object) -> tuple[Callable[[], object], threading.Event, list[object]]:
    """A duty whose passes end so, one after the other, and which is told to stop in the last one."""
    stop, left, done = threading.Event(), list(results), list[object]()

    def one_pass() -> object:
        result = left.pop(0)
        done.append(result)
        if not left:
            stop.set()
        if isinstance(result, Exception):
            raise result
        return result

    return one_pass, stop, done


def test_a_fault_that_nobody_foresaw_ends_one_pass_and_no_duty(app: Flask, quickly: None) -> None:
    lost, odd = OperationalError("SELECT 1", {}, Exception("gone")), ZeroDivisionError("somebody's name")
    one_pass, stop, done = passes(lost, odd, True)
    with capture_logs() as told:
        keep_at(app, "letters", one_pass, stop, 0.0)
    assert done == [lost, odd, True]
    assert [(line["event"], line["duty"]) for line in told] == [
        ("worker_database", "letters"),
        ("worker_fault", "letters"),
    ]


def test_who_is_told_to_stop_does_nothing_more(app: Flask) -> None:
    one_pass, stop, done = passes(True)
    stop.set()
    keep_at(app, "letters", one_pass, stop, 60.0)
    assert done == []


def test_a_pass_that_was_busy_is_followed_by_the_next_at_once(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    one_pass, stop, _ = passes(True, 0, None, 3)
    waited = list[float | None]()
    monkeypatch.setattr(stop, "wait", lambda seconds=None: waited.append(seconds))
    keep_at(app, "house", one_pass, stop, 60.0, 0.5)
    assert waited == [0.5, 60.0, 60.0, 0.5]
