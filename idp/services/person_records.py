"""Rows of a file and the records of a portal: which are new, which differ, and how both are written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import Row as Record
from sqlalchemy import insert, select, update

from idp.chance import Random, new_id
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.services.person_rows import Row
from idp.services.person_words import renew_words, sort_name, store_words

FIELDS = ("external_id", "insured_number", "given_name", "family_name", "birth_date", "language", "address")
BATCH = 500


@dataclass
class Difference:
    """`changed` rows carry the id of their record; `before` are these records as they are, in the same order."""

    added: list[Row] = field(default_factory=list)
    changed: list[Row] = field(default_factory=list)
    before: list[Record[Any]] = field(default_factory=list)
    unchanged: int = 0

    def fields(self) -> Iterator[str]:
        """The name of every field that differs, once for each record."""
        for row, record in zip(self.changed, self.before, strict=True):
            yield from (name for name in FIELDS if getattr(record, name) != row[name])


def batches(rows: Sequence[Row]) -> Iterator[Sequence[Row]]:
    for start in range(0, len(rows), BATCH):
        yield rows[start : start + BATCH]


def compare(portal_id: UUID, rows: Sequence[Row]) -> Difference:
    """What writing these few rows would do."""
    columns = [getattr(InsuredPerson, name) for name in FIELDS]
    wanted = InsuredPerson.external_id.in_([row["external_id"] for row in rows])
    records = db.session.execute(
        select(InsuredPerson.id, InsuredPerson.account_id, InsuredPerson.changed_at, *columns).where(
            InsuredPerson.portal_id == portal_id, wanted
        )
    )
    known, found = {record.external_id: record for record in records}, Difference()
    for row in rows:
        record = known.get(row["external_id"])
        if record is None:
            found.added.append(row)
            continue
        if record.account_id is not None:  # who has an account chooses the language there
            row = {**row, "language": record.language}
        if any(getattr(record, name) != row[name] for name in FIELDS):
            found.changed.append({"id": record.id, **row})
            found.before.append(record)
        else:
            found.unchanged += 1
    return found


def write_new(portal_id: UUID, rows: Sequence[Row], random: Random, now: datetime) -> list[UUID]:
    """Store records of these rows; returns their ids."""
    fresh = [
        {
            "id": new_id(random, now), "portal_id": portal_id, "created_at": now, "changed_at": now,
            "sort_name": sort_name(row["given_name"], row["family_name"]), **row,
        }
        for row in rows
    ]  # fmt: skip
    if fresh:
        db.session.execute(insert(InsuredPerson), fresh)
        store_words(fresh)
    return [row["id"] for row in fresh]


def write_changed(rows: Sequence[Row], now: datetime) -> None:
    """Write these rows into the records whose id they carry."""
    if rows:
        db.session.execute(update(InsuredPerson), [{"changed_at": now, **row} for row in rows])
        renew_words([row["id"] for row in rows])
