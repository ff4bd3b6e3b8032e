"""What each statement to the database takes: summed up for its request, and told in the log where it was slow.

The text of a statement stands in the log without a value: what is bound is left out, and what is quoted is hidden.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import structlog
from sqlalchemy import Engine, event

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
    """Every statement goes through these methods of the dialect. Listeners of the engine's events would do the same,
    and cost each request a twentieth of a millisecond.
    """
    dialect = engine.dialect
    for name in ("do_execute", "do_executemany", "do_execute_no_params"):
        setattr(dialect, name, _watched(getattr(dialect, name), dialect.name, slow_ms, spans))


def _watched(execute: Callable[..., None], database: str, slow_ms: int, spans: Spans) -> Callable[..., None]:
    def run(cursor: object, statement: str, *rest: Any, **options: Any) -> None:
        began, error = time.perf_counter(), ""
        span = _span(spans, database, statement) if spans.tracer else None
        try:
            execute(cursor, statement, *rest, **options)
        except Exception as failed:
            error = type(failed).__name__
            raise
        finally:
            if span is not None:
                span.end(error)
            _took(statement, time.perf_counter() - began, slow_ms)

    return run


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


def _span(spans: Spans, database: str, statement: str) -> Span | None:
    verb = statement.split(maxsplit=1)[0].upper()
    noted = {"db.system.name": database, "db.operation.name": verb, "db.query.text": bare(statement)}
    return spans.tracer.begin_within(verb, noted) if spans.tracer else None


def _took(statement: str, seconds: float, slow_ms: int) -> None:
    if (known := SPENT.get()) is not None:
        known[0] += 1
        known[1] += seconds
    if seconds * 1000 > slow_ms:
        log.warning("slow_query", statement=bare(statement), ms=round(seconds * 1000, 1))
