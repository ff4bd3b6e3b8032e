"""Whatever a request asks of PostgreSQL is explained on a big installation, whichever test caused it.

Statements are noted while requests run, and explained when the test is over, each once in a process. What reads a table
that grows from end to end fails the test that sent it. Ids stay unknown to the planner, as they are for a prepared
statement; moments, words and bounds are the true ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from flask import Flask
from psycopg import sql
from sqlalchemy import Engine, event

from idp.models.audit_months import BEFORE
from tests.support.big import big_database, growing
from tests.support.engines import POSTGRESQL

EXPLAINED = re.compile(r"SELECT|WITH|INSERT|UPDATE|DELETE")
PLACE = re.compile(r"(LIMIT )?(?:%\((\w+)\)s|\$(\d+))|%%")
MOST = 100  # an answer that is bounded costs what its bound costs, if its rows are found by an index
DEAREST = 1100  # of the planner's cost; to read 20,000 short rows from end to end costs 500 and more
# How many persons each fund has, on the page of portals; how many rows of each fund a file will have that an operator
# asks for. Resets that two operators agreed on, and that nobody has used yet, are few.
MAY_COUNT = re.compile(r"SELECT \w+\.portal_id, count\(\*\) .* GROUP BY \w+\.portal_id", re.DOTALL)
# The recovery letters of one fund that are still open: they are kept for 400 days, and each is looked at.
MAY_LOOK = re.compile(r"SELECT .*FROM recovery_letter \s*WHERE recovery_letter\.portal_id IN .*", re.DOTALL)
FEW_ENTRIES = frozenset({"uq_factor_reset_open"})
IS_ASKED: ContextVar[bool] = ContextVar("is_asked", default=False)

Noted = dict[str, Mapping[str, Any]]
_explained: set[str] = set()


@contextmanager
def statements_of_requests(web: Flask) -> Iterator[Noted]:
    """Every statement that a request sends to PostgreSQL, by its text, with what was bound to it."""
    noted: Noted = {}
    answer = web.wsgi_app

    def asked(environ: Any, start: Any) -> Any:
        token = IS_ASKED.set(True)
        try:
            return answer(environ, start)
        finally:
            IS_ASKED.reset(token)

    def note(connection: Any, _cursor: Any, statement: str, parameters: Any, _context: Any, many: bool) -> None:
        if IS_ASKED.get() and connection.dialect.name == POSTGRESQL and statement not in _explained:
            given = parameters[0] if many else parameters
            named = given if isinstance(given, Mapping) else {str(at): one for at, one in enumerate(given, 1)}
            noted.setdefault(statement, named)

    web.wsgi_app = asked  # type: ignore[method-assign]
    event.listen(Engine, "after_cursor_execute", note)
    yield noted
    event.remove(Engine, "after_cursor_execute", note)


def faults(noted: Noted, run: Path) -> list[str]:
    """What is wrong with the plans of these statements, each looked at once in this process."""
    new = {text: bound for text, bound in noted.items() if text not in _explained and is_looked_at(text)}
    _explained.update(noted)
    if not new:
        return []
    with psycopg.connect(big_database(run)) as connection:
        connection.execute("SET plan_cache_mode = force_generic_plan")
        suspect = {text: found for text, bound in new.items() if (found := [*_faults(plan(connection, text, bound))])}
        # Eight thousand rows are soon read from end to end where many match: a fault is what an index makes no better.
        connection.execute("SET enable_seqscan = off")
        stays = {text for text in suspect if [*_faults(plan(connection, text, new[text]))]}
        return [f"{fault}: {text}" for text in suspect if text in stays for fault in suspect[text]]


def is_looked_at(text: str) -> bool:
    return EXPLAINED.match(text) is not None and not any(may.fullmatch(text) for may in (MAY_COUNT, MAY_LOOK))


def plan(connection: psycopg.Connection[Any], text: str, bound: Mapping[str, Any]) -> dict[str, Any]:
    """How PostgreSQL would find the answer, for whichever ids."""
    ids: list[str] = []

    def put(found: re.Match[str]) -> str:
        limit, name = found[1], found[2] or found[3]
        if name is None:
            return "%"
        if limit:
            return f"{limit}{min(bound[name], MOST)}"
        if isinstance(bound[name], UUID):
            ids.append(name)
            return f"${len(ids)}"
        return sql.Literal(bound[name]).as_string(connection)

    prepared = PLACE.sub(put, text)
    given = f"({', '.join(['NULL'] * len(ids))})" if ids else ""
    connection.execute(f"PREPARE looked_at AS {prepared}".encode())
    row = connection.execute(f"EXPLAIN (FORMAT JSON) EXECUTE looked_at{given}".encode()).fetchone()
    connection.execute("DEALLOCATE looked_at")
    assert row is not None
    found: dict[str, Any] = (row[0] if not isinstance(row[0], str) else json.loads(row[0]))[0]["Plan"]
    return found


def _faults(top: Mapping[str, Any]) -> Iterator[str]:
    yield from _read_whole(top, is_limited=False)
    if top["Total Cost"] > DEAREST:
        yield f"it costs {top['Total Cost']:.0f}"


def _read_whole(node: Mapping[str, Any], *, is_limited: bool, parent: str = "") -> Iterator[str]:
    kind, table, index = node["Node Type"], node.get("Relation Name", parent), node.get("Index Name")
    is_limited = is_limited or kind == "Limit"
    if is_growing(table) and not is_limited:
        if kind == "Seq Scan":
            yield f"all of {table} is read"
        if index and "Index Cond" not in node and index not in FEW_ENTRIES:
            yield f"all of {index} is read"
    below: Iterable[Mapping[str, Any]] = node.get("Plans", ())
    for one in below:
        yield from _read_whole(one, is_limited=is_limited and kind not in {"Sort", "Aggregate", "Hash"}, parent=table)


def is_growing(table: str) -> bool:
    """Of the months of the record, the one that has rows stands for all."""
    return table in growing() or table.startswith(BEFORE)
