"""A file of persons in steps of some rows: the good ones, and what is wrong with the others.

The steps of a file are always the same, so a job that was stopped knows which of them it has written.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from idp.services.imports import repeated
from idp.services.person_records import BATCH
from idp.services.person_rows import MOST_ROWS, BadTable, Row, RowError, Table, judge


@dataclass
class Step:
    """Some rows of the file: how many were read with them, those that are good, and what is wrong with the others."""

    position: int
    rows: list[Row] = field(default_factory=list)
    errors: list[RowError] = field(default_factory=list)


@dataclass
class Reading:
    """A file while it is read, in steps. `seen`: each key with the line that it stood on first."""

    table: Table
    fields: list[str]
    today: date
    seen: dict[str, int] = field(default_factory=dict)

    def steps(self) -> Iterator[Step]:
        step = Step(0)
        for line, cells in self.table.records:
            row, errors = judge(line, cells, self.fields, self.today)
            if again := repeated(line, row, self.seen):
                errors.append(again)
            if errors:
                step.errors += errors
            else:
                step.rows.append(row)
            step.position += 1
            if step.position > MOST_ROWS:
                raise BadTable("rows", most=MOST_ROWS)
            if step.position % BATCH == 0:
                yield step
                step = Step(step.position)
        yield step
