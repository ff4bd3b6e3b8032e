"""What the database holds, so that a test can say that nothing changed, and what did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Engine, event, select

from idp.models.base import Base, db

SEEN = {("session", "seen_at")}  # being seen is no change


def fingerprint() -> dict[str, Counter[str]]:
    """Table → its rows as text."""
    db.session.rollback()
    held: dict[str, Counter[str]] = {}
    for table in Base.metadata.sorted_tables:
        columns = [column for column in table.columns if (table.name, column.name) not in SEEN]
        rows = db.session.execute(select(*columns)).all()
        held[table.name] = Counter(repr(tuple(row)) for row in rows)
    db.session.rollback()
    return held


def changes(before: dict[str, Counter[str]], after: dict[str, Counter[str]]) -> dict[str, tuple[int, int]]:
    """Table → how many rows are gone or were different, and how many are new."""
    found = {name: ((before[name] - after[name]).total(), (after[name] - before[name]).total()) for name in before}
    return {name: pair for name, pair in found.items() if pair != (0, 0)}


@contextmanager
def counted_writes() -> Iterator[list[str]]:
    """The INSERT, UPDATE and DELETE statements of the block, whichever engine runs them, by verb and table."""
    seen: list[str] = []

    def note(_c: Any, _cursor: Any, statement: str, _p: Any, _ctx: Any, many: bool) -> None:
        words = statement.split()
        if words[0] in {"INSERT", "UPDATE", "DELETE"}:
            seen.append(" ".join(words[: 2 if words[0] == "UPDATE" else 3]))

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)
