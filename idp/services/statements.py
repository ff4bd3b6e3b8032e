"""What each statement to the database takes: summed up for its request, and told in the log where it was slow.

The text of a statement stands in the log without a value: what is bound is left out, and what is quoted is hidden.
"""

from __future__ import annotations

import re
import time
from contextvars import ContextVar
from typing import Any

import structlog
from sqlalchemy import Connection, Engine, ExceptionContext, event

from idp.services.metrics import CONNECTIONS, CONNECTIONS_MOST, Metrics
from idp.services.spans import Span, Spans

QUOTED = re.compile(r"'(?:[^']|'')*'")
LONGEST, BEGINNING = 1000, 300
# Asked at every statement, so nothing dearer than this.
SPENT: ContextVar[list[float] | None] = ContextVar("spent", default=None)

log = structlog.get_logger(__name__)


def bare(statement: str) -> str:
    """One line of a statement, without what stands in quotes; of a long one the beginning and the end, where its
    conditions are.
    """
    line = " ".join(QUOTED.sub("'…'", statement).split())
    return line if len(line) <= LONGEST else f"{line[:BEGINNING]} … {line[BEGINNING - LONGEST :]}"


def sum_up() -> None:
    """From here on this thread's statements are of another request."""
    SPENT.set([0, 0.0])


def spent() -> tuple[int, float]:
    """How many statements this request has sent, and how many seconds they took."""
    count, seconds = SPENT.get() or (0, 0.0)
    return int(count), seconds


def watch_statements(engine: Engine, slow_ms: int, spans: Spans) -> None:
    @event.listens_for(engine, "before_cursor_execute")
    def _begin(
        _connection: Connection, _cursor: object, statement: str, _values: object, context: Any, _many: bool
    ) -> None:
        context.connect_begun = time.perf_counter(), _span(spans, engine, statement)

    @event.listens_for(engine, "after_cursor_execute")
    def _end(
        _connection: Connection, _cursor: object, statement: str, _values: object, context: Any, _many: bool
    ) -> None:
        _took(context, statement, slow_ms)

    @event.listens_for(engine, "handle_error")
    def _fail(failed: ExceptionContext) -> None:
        if hasattr(failed.execution_context, "connect_begun"):
            _took(failed.execution_context, failed.statement or "", slow_ms, type(failed.original_exception).__name__)


def _span(spans: Spans, engine: Engine, statement: str) -> Span | None:
    if spans.tracer is None:
        return None
    verb = statement.split(maxsplit=1)[0].upper()
    noted = {"db.system.name": engine.dialect.name, "db.operation.name": verb, "db.query.text": bare(statement)}
    return spans.tracer.begin_within(verb, noted)


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


def _took(context: Any, statement: str, slow_ms: int, error: str = "") -> None:
    began, span = context.connect_begun
    seconds = time.perf_counter() - began
    if span is not None:
        span.end(error)
    if (known := SPENT.get()) is not None:
        known[0] += 1
        known[1] += seconds
    if seconds * 1000 > slow_ms:
        log.warning("slow_query", statement=bare(statement), ms=round(seconds * 1000, 1))
