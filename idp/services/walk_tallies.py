"""Walks that ended are counted once: how far they came, how long each step took, and what was answered wrong.

A run bears marks of its own (flows/walk.py), which name no person; the worker adds them up before the run is removed.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from datetime import datetime

from sqlalchemy import Select, select, update

from idp.clock import swiss
from idp.models import tally
from idp.models.base import db
from idp.models.flow import FlowRun

BATCH, BATCHES = 500, 20
SIZES = (5, 10, 15, 20, 30, 45, 60, 90, 120, 180, 300, 600, 1200, 3600, 14_400, 86_400, 10**9)  # seconds, at most


def size_of(seconds: int) -> int:
    """The class of a span, named by its upper end."""
    return SIZES[bisect_left(SIZES, seconds)]


def tally_walks(now: datetime) -> int:
    """Count what ended since the last pass, a bounded number; how many walks."""
    return sum(_tally(some, now) for some in ended(now))


def ended(now: datetime) -> tuple[Select[FlowRun], ...]:
    """Those that came to their end, and those that were left. Each has an index of its own, and its order keeps
    PostgreSQL from reading all the walks that were counted, however many these are and whatever it knows of them.
    """
    untallied = select(FlowRun).where(FlowRun.tallied_at.is_(None)).limit(BATCH)
    return (
        untallied.where(FlowRun.consumed_at.is_not(None)).order_by(FlowRun.consumed_at),
        untallied.where(FlowRun.consumed_at.is_(None), FlowRun.expires_at <= now).order_by(FlowRun.expires_at),
    )


def _tally(some: Select[FlowRun], now: datetime) -> int:
    done = 0
    for _ in range(BATCHES):
        runs = db.session.scalars(some.with_for_update(skip_locked=True, of=FlowRun)).all()
        counted = Counter[tally.Key]()
        for run in runs:
            counted.update(_counted(run))
        ids = [run.id for run in runs]
        db.session.execute(
            update(FlowRun)
            .where(FlowRun.id.in_(ids))
            .values(tallied_at=now)
            .execution_options(synchronize_session=False)
        )
        tally.add(counted)
        db.session.commit()
        done += len(runs)
        if len(runs) < BATCH:
            break
    return done


def _counted(run: FlowRun) -> Counter[tally.Key]:
    day, marks, before = swiss(run.created_at).date(), run.marks or {}, 0
    found = Counter[tally.Key]({(day, run.portal_id, "begun", run.journey, 0): 1})
    for step, seconds in sorted(marks.get("proved", {}).items(), key=lambda mark: int(mark[1])):
        found[(day, run.portal_id, "step", f"{run.journey}.{step}", size_of(int(seconds) - before))] += 1
        before = int(seconds)
    if run.consumed_at is not None:
        rest = int((run.consumed_at - run.created_at).total_seconds()) - before
        found[(day, run.portal_id, "done", run.journey, size_of(rest))] += 1
    for key, count in marks.get("errors", {}).items():
        found[(day, run.portal_id, "error", key, 0)] += int(count)
    return found
