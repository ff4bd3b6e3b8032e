"""Taking an import back: what each step wrote, and what stood there before, sealed for as long as it may be asked for.

New records go if nothing hangs from them; changed ones become what they were. Whoever registered, was sent a letter or
was changed since is left alone and counted.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Row, delete, exists, select, update

from idp.models.base import Base, db, write
from idp.models.person import InsuredPerson
from idp.models.person_import import ImportBatch
from idp.models.person_word import PersonWord
from idp.services.person_records import FIELDS
from idp.services.person_words import renew_words
from keys import Vault

GOES_ALONG = {PersonWord.__tablename__}


def seal_batch(vault: Vault, import_id: UUID, position: int, new: Sequence[UUID], before: Sequence[Row[Any]]) -> str:
    """The ids of records that are new, and the others as they were."""
    changed = [
        {name: _plain(getattr(record, name)) for name in (*FIELDS, "id", "account_id", "changed_at")}
        for record in before
    ]
    known = json.dumps({"new": [str(one) for one in new], "changed": changed}).encode()
    return vault.seal(known, _place(import_id, position))


def undo_batch(vault: Vault, batch: ImportBatch) -> int:
    """Take back one step; returns how many records were left alone."""
    known = json.loads(vault.open(batch.sealed_before, _place(batch.import_id, batch.position)))
    new = [UUID(one) for one in known["new"]]
    gone = _remove(new, batch.written_at) if new else 0
    changed = {UUID(one["id"]): one for one in known["changed"]}
    restored = _restore(changed, batch.written_at) if changed else 0
    return len(new) - gone + len(changed) - restored


def _remove(ids: Sequence[UUID], written_at: datetime) -> int:
    untouched = [
        InsuredPerson.id.in_(ids), InsuredPerson.account_id.is_(None), InsuredPerson.changed_at == written_at,
        *(~hangs for hangs in _hanging()),
    ]  # fmt: skip
    return write(delete(InsuredPerson).where(*untouched).execution_options(synchronize_session=False))


def _hanging() -> list[ColumnElement[bool]]:
    """Whether any table has a row of this record: codes, letters, and whatever is added one day."""
    key = InsuredPerson.__table__.c.id
    return [
        exists().where(column == key)
        for table in Base.metadata.sorted_tables
        if table.name not in GOES_ALONG
        for column in table.columns
        if any(one.column is key for one in column.foreign_keys)
    ]


def _restore(changed: dict[UUID, dict[str, Any]], written_at: datetime) -> int:
    """Records that are as the step left them, and whose person neither registered nor went."""
    found = db.session.execute(
        select(InsuredPerson.id, InsuredPerson.account_id)
        .where(InsuredPerson.id.in_(changed), InsuredPerson.changed_at == written_at)
        .with_for_update()
    )
    rows = [changed[one.id] for one in found if _plain(one.account_id) == changed[one.id]["account_id"]]
    if rows:
        db.session.execute(update(InsuredPerson), [_read(row) for row in rows])
        renew_words([UUID(row["id"]) for row in rows])
    return len(rows)


def _read(row: dict[str, Any]) -> dict[str, Any]:
    """As it was, but for whose it is."""
    return {name: row[name] for name in FIELDS} | {
        "id": UUID(row["id"]),
        "birth_date": date.fromisoformat(row["birth_date"]),
        "changed_at": datetime.fromisoformat(row["changed_at"]),
    }


def _plain(value: Any) -> Any:
    if isinstance(value, date | datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value


def _place(import_id: UUID, position: int) -> str:
    return f"import_batch.sealed_before.{import_id}.{position}"
