"""How far registrations came, step by step, and what was answered wrong most: read from the day's tallies."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date
from uuid import UUID

from sqlalchemy import func, or_, select, true

from idp.models.base import db
from idp.models.tally import Tally

# R1 to R6; the last two take turns. R7 is the end.
STEPS = ("registration_code", "email", "email_code", "details", "sms_code", "totp_enrol")
TOP = 10


@dataclass(frozen=True)
class Rung:
    """One step: how many passed it, and the median of how long it took them, in seconds; None where nobody did."""

    name: str
    passed: int
    median: int | None


@dataclass(frozen=True)
class Funnel:
    begun: int
    rungs: tuple[Rung, ...]
    done: int
    errors: tuple[tuple[str, int], ...]


def funnel(since: date, portal_ids: Collection[UUID] | None) -> Funnel:
    """Of registrations that ended, by the day on which they began; the errors are those of every journey."""
    counted = _read(since, portal_ids)
    rungs = tuple(_rung(name, counted["step", f"registration.{name}"]) for name in STEPS)
    errors = Counter({name: sum(sizes.values()) for (kind, name), sizes in counted.items() if kind == "error"})
    return Funnel(
        begun=sum(counted["begun", "registration"].values()),
        rungs=rungs,
        done=sum(counted["done", "registration"].values()),
        errors=tuple(errors.most_common(TOP)),
    )


def median(sizes: Counter[int]) -> int | None:
    """The class in which the middle one lies."""
    total, seen = sum(sizes.values()), 0
    for size in sorted(sizes):
        seen += sizes[size]
        if 2 * seen >= total:
            return size
    return None


def _rung(name: str, sizes: Counter[int]) -> Rung:
    return Rung(name, sum(sizes.values()), median(sizes))


def _read(since: date, portal_ids: Collection[UUID] | None) -> defaultdict[tuple[str, str], Counter[int]]:
    here = true() if portal_ids is None else Tally.portal_id.in_(portal_ids)
    wanted = or_(Tally.kind == "error", Tally.name == "registration", Tally.name.startswith("registration."))
    rows = db.session.execute(
        select(Tally.kind, Tally.name, Tally.size, func.sum(Tally.count))
        .where(Tally.day >= since, Tally.kind != "event", here, wanted)
        .group_by(Tally.kind, Tally.name, Tally.size)
    )
    found = defaultdict[tuple[str, str], Counter[int]](Counter)
    for kind, name, size, count in rows:
        found[kind, name][size] = int(count)
    return found
