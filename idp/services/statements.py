"""What each statement to the database takes: summed up for its request, and told in the log where it was slow.

The text of a statement stands in the log without a value: what is bound is left out, and what is quoted is hidden.
"""

from __future__ import annotations

import re
import time
from typing import Any

import structlog
from flask import g, has_app_context
from sqlalchemy import Connection, Engine, ExceptionContext, event

from idp.services.metrics import CONNECTIONS, CONNECTIONS_MOST, Metrics

QUOTED = re.compile(r"'(?:[^']|'')*'")
LONGEST, BEGINNING = 1000, 300
BEGAN = "connect_began"

log = structlog.get_logger(__name__)


def bare(statement: str) -> str:
    """One line of a statement, without what stands in quotes; of a long one the beginning and the end, where its
    conditions are.
    """
    line = " ".join(QUOTED.sub("'…'", statement).split())
    return line if len(line) <= LONGEST else f"{line[:BEGINNING]} … {line[BEGINNING - LONGEST :]}"


def spent() -> tuple[int, float]:
    """How many statements this request has sent, and how many seconds they took."""
    return g.get("statements", (0, 0.0)) if has_app_context() else (0, 0.0)


def watch_statements(engine: Engine, slow_ms: int) -> None:
    @event.listens_for(engine, "before_cursor_execute")
    def _begin(connection: Connection, *_: Any) -> None:
        connection.info[BEGAN] = time.perf_counter()

    @event.listens_for(engine, "after_cursor_execute")
    def _end(connection: Connection, _cursor: object, statement: str, *_: Any) -> None:
        _took(connection, statement, slow_ms)

    @event.listens_for(engine, "handle_error")
    def _fail(context: ExceptionContext) -> None:
        if context.connection is not None and context.statement is not None:
            _took(context.connection, context.statement, slow_ms)


def watch_connections(engine: Engine, metrics: Metrics, most: int) -> None:
    @event.listens_for(engine, "connect")
    def _new(*_: Any) -> None:
        metrics.put(CONNECTIONS_MOST, most)

    @event.listens_for(engine, "checkout")
    def _out(*_: Any) -> None:
        metrics.count(CONNECTIONS)

    @event.listens_for(engine, "checkin")
    def _in(*_: Any) -> None:
        metrics.count(CONNECTIONS, by=-1)


def _took(connection: Connection, statement: str, slow_ms: int) -> None:
    began = connection.info.pop(BEGAN, None) if not connection.invalidated else None
    if began is None:
        return
    seconds = time.perf_counter() - began
    if has_app_context():
        count, before = spent()
        g.statements = (count + 1, before + seconds)
    if seconds * 1000 > slow_ms:
        log.warning("slow_query", statement=bare(statement), ms=round(seconds * 1000, 1))
