"""How many rows a list has: counted as far as that is quick, and from there on as PostgreSQL estimates it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from sqlalchemy import Executable, Select, func, select
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler

from idp.models.base import db

COUNTED = 10_000
DIGITS = 2  # of an estimate that mean anything


class Exactness(StrEnum):
    EXACT = "exact"
    ABOUT = "about"
    MORE = "more"  # than that


@dataclass(frozen=True)
class Total:
    count: int
    exactness: Exactness = Exactness.EXACT


class Explain(Executable, ClauseElement):
    """EXPLAIN of a statement, with its parameters bound as ever."""

    inherit_cache = False

    def __init__(self, statement: Select[Any]) -> None:
        self.statement = statement


@compiles(Explain, "postgresql")
def _explain(element: Explain, compiler: SQLCompiler, **more: Any) -> str:
    return f"EXPLAIN (FORMAT JSON) {compiler.process(element.statement, **more)}"


def total_of(found: Select[Any], *, is_quick: bool = True) -> Total:
    """The rows that a statement gives without its page; `is_quick`: counting the first of them takes no time."""
    can_estimate = db.engine.dialect.name == "postgresql"
    if is_quick or not can_estimate:
        counted = count_up_to(found, COUNTED)
        if counted <= COUNTED:
            return Total(counted)
    estimated = _estimated(found) if can_estimate else 0
    if (is_quick and estimated <= COUNTED) or not estimated:
        return Total(COUNTED, Exactness.MORE)
    return Total(estimated, Exactness.ABOUT)


def count_up_to(found: Select[Any], most: int) -> int:
    """How many rows; of more than `most` one more than that."""
    some = found.order_by(None).limit(most + 1).subquery()
    return db.session.scalar(select(func.count()).select_from(some)) or 0


def _estimated(found: Select[Any]) -> int:
    plan: Any = db.session.scalar(Explain(found.order_by(None)))
    return _rounded(int(plan[0]["Plan"]["Plan Rows"]))


def _rounded(count: int) -> int:
    step: int = 10 ** max(len(str(count)) - DIGITS, 0)
    return (count + step // 2) // step * step
