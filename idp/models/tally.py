"""How often something happened on a day at a portal: counted by the worker, so that years of figures cost little."""

from __future__ import annotations

from collections import Counter
from datetime import date
from uuid import UUID

from sqlalchemy import and_, update
from sqlalchemy.orm import Mapped, mapped_column

from idp.models.base import Base, insert_if_absent, write

NOWHERE = UUID(int=0)  # in place of a portal, where there is none


class Tally(Base):
    """`kind`: `event` (by tag), or of walks `begun`, `step`, `done`, `error`. `size` classes how long a step took."""

    __tablename__ = "tally"

    day: Mapped[date] = mapped_column(primary_key=True)
    portal_id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[str] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(primary_key=True)
    size: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    count: Mapped[int]


Key = tuple[date, UUID, str, str, int]


def add(counted: Counter[Key]) -> None:
    """Add these counts, always in the same order, so that two workers wait for each other and never both."""
    for key in sorted(counted, key=str):
        day, portal_id, kind, name, size = key
        values = {"day": day, "portal_id": portal_id, "kind": kind, "name": name, "size": size}
        insert_if_absent(Tally, **values, count=0)
        at = and_(*(getattr(Tally, column) == value for column, value in values.items()))
        more = update(Tally).where(at).values(count=Tally.count + counted[key])
        write(more.execution_options(synchronize_session=False))
