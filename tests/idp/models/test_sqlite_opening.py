"""Several processes may open one new SQLite file in the same moment."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.exc import OperationalError

from idp.models.base import prepare_sqlite

pytestmark = pytest.mark.no_database


def test_whoever_opens_a_file_that_another_is_writing_waits_for_its_turn(tmp_path: Path) -> None:
    """Here `PRAGMA journal_mode=WAL` fails at once, whatever `busy_timeout` says."""
    file = tmp_path / "connect.db"
    other = sqlite3.connect(file, isolation_level=None, check_same_thread=False)
    other.execute("CREATE TABLE thing (name)")
    other.execute("BEGIN IMMEDIATE")
    ended = threading.Timer(0.3, other.close)
    ended.start()
    engine = create_engine(f"sqlite:///{file}")
    prepare_sqlite(engine)
    with engine.connect() as connection:
        assert connection.scalar(text("PRAGMA journal_mode")) == "wal"
    ended.join()
    engine.dispose()


def test_where_waiting_is_of_no_use_nobody_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "connect.db"
    with closing(sqlite3.connect(file)) as other:
        other.execute("CREATE TABLE thing (name)")
    waited: list[float] = []
    monkeypatch.setattr("idp.models.base.BUSY_TIMEOUT_MS", 100)
    monkeypatch.setattr("idp.models.base.time.sleep", waited.append)
    engine = create_engine(f"sqlite:///file:{file}?mode=ro&uri=true")
    prepare_sqlite(engine)
    with pytest.raises(OperationalError, match="readonly"):
        engine.connect()
    assert waited == []
