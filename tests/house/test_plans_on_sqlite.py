"""The statements that the hot paths prepare find their rows by an index on SQLite too, whatever the tables hold."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator

import pytest
from sqlalchemy import create_engine

import wsgi
from idp.models.base import Base
from idp.models.prepared import Prepared
from idp.services.issuing import Use

PATHS = (wsgi.TABLE,)  # with the application everything that prepares a statement is imported
READS_ALL = re.compile(r"SCAN (?!CONSTANT|anon_)|MATERIALIZE")  # an anonymous row of constants is none


def prepared() -> Iterator[Prepared]:
    """Every one that a module holds by name."""
    for name, module in list(sys.modules.items()):
        if name.partition(".")[0] in {"idp", "flows"}:
            yield from (one for one in vars(module).values() if isinstance(one, Prepared))
    for use in Use:
        yield from vars(use.value).values()


def plans() -> dict[str, list[str]]:
    """The steps of the plan of each prepared statement, by its text, on an empty database."""
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    found = {}
    with engine.connect() as connection:
        for one in prepared():
            compiled = one._statement.compile(dialect=engine.dialect, column_keys=list(one._columns) or None)  # type: ignore[attr-defined]
            if not compiled.string.startswith(("SELECT", "UPDATE", "DELETE")) or "POSTCOMPILE" in compiled.string:
                continue
            given = tuple("x" for _ in compiled.positiontup or ())
            rows = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {compiled.string}", given)
            found[compiled.string] = [row[3] for row in rows]
    return found


@pytest.mark.no_database
def test_no_prepared_statement_reads_a_table_from_end_to_end() -> None:
    explained = plans()
    assert len(explained) >= 10
    faults = {text: steps for text, steps in explained.items() if any(map(READS_ALL.match, steps))}
    assert faults == {}
