"""The worker's process holds up nothing by looking through its own memory."""

from __future__ import annotations

import gc
import signal

import pytest

from idp.services.delivery import Worker
from idp.web import log
from tests.idp.cli.conftest import Connect


def test_what_was_loaded_is_not_looked_through_for_garbage_while_rows_are_held(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    frozen = list[int]()
    monkeypatch.setattr(Worker, "run_forever", lambda *_: frozen.append(gc.get_freeze_count()))
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    monkeypatch.setattr(log, "configure", lambda _: None)  # it would stay so for the tests after this one
    gc.unfreeze()
    loaded = len(gc.get_objects())
    connect("worker")
    assert frozen[0] >= loaded
