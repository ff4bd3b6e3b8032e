"""What operators and a fund's own systems do with imports; the work itself is the worker's (import_worker.py).

Every step is one conditional UPDATE, so that two clicks, two operators or the worker never lead an import two ways.
"""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import select, update

from idp.chance import Random, hash_of, new_id, token
from idp.clock import Clock
from idp.errors import BadInput
from idp.models.base import db, write
from idp.models.person_import import (
    CANCELLED,
    CHECKED,
    CHECKING,
    DONE,
    FAILED,
    PAUSED,
    RUNNING,
    UNDOING,
    UPLOADED,
    ImportMapping,
    ImportToken,
    PersonImport,
    change_state,
    forget_file,
    has_batches,
    live_tokens,
)
from idp.models.portal import Portal
from idp.services.audit import Audit, AuditTag
from idp.services.import_file import store_file
from idp.services.person_columns import doubled, missing, recognise
from idp.services.person_rows import BadTable, RowError
from idp.services.person_tables import open_table
from idp.services.person_words import fold
from idp.settings import Settings
from keys import Vault

UNDONE_WITHIN = timedelta(hours=24)
TOKEN_PREFIX = "cc_im_"
MOST_TOKENS = 5
LONGEST_NAME = 100
FROM_ZERO = {"position": 0, "new": 0, "changed": 0, "unchanged": 0, "changed_fields": {}}


@dataclass(frozen=True, repr=False)
class Columns:
    """The columns of a file with their first cells, and the field that each seems to hold."""

    headings: tuple[str, ...]
    example: tuple[str, ...]
    proposed: tuple[str, ...]


class ImportJobs:
    def __init__(self, settings: Settings, clock: Clock, random: Random, vault: Vault, audit: Audit) -> None:
        self._settings = settings
        self._clock = clock
        self._random = random
        self._vault = vault
        self._audit = audit

    @property
    def largest(self) -> int:
        """How many bytes a file may have."""
        return self._settings.import_megabytes * 1024 * 1024

    def receive(
        self, portal: Portal, file_name: str, content: bytes, source: str, by: UUID | None = None
    ) -> PersonImport:
        """Keep a file for a portal. What comes from no operator is checked at once where every column is known, and
        starts by itself where nothing is wrong. Raises `BadTable` for what is no table at all.
        """
        if len(content) > self.largest:
            raise BadTable("large", most=self.largest // 1024 // 1024)
        table = open_table(io.BytesIO(content))  # type: ignore[arg-type]
        _, example = next(table.records, (0, []))
        if not example:
            raise BadTable("empty")
        now = self._clock.now()
        ident = new_id(self._random, now)
        fields, is_automatic = self._recognise(portal.id, table.headings), source != "console"
        is_known = is_automatic and all(fields) and not missing(fields)
        known = json.dumps({"headings": table.headings, "example": example}).encode()
        row = PersonImport(
            id=ident, portal_id=portal.id, source=source, file_name=_printable(file_name), size=len(content),
            state=CHECKING if is_known else UPLOADED, fields=fields if is_known else None,
            sealed_headings=self._vault.seal(known, _place(ident, "sealed_headings")), starts_itself=is_automatic,
            made_by=by, made_at=now,
        )  # fmt: skip
        db.session.add(row)
        db.session.flush()
        store_file(self._vault, ident, content)
        self._record(AuditTag.IMPORT_UPLOADED, row, source=source)
        return row

    def columns(self, row: PersonImport) -> Columns:
        """What is to be mapped; nothing when the file is gone."""
        if row.sealed_headings is None:
            return Columns((), (), ())
        known = json.loads(self._vault.open(row.sealed_headings, _place(row.id, "sealed_headings")))
        headings = tuple(known["headings"])
        example = (*known["example"], *[""] * len(headings))[: len(headings)]
        return Columns(headings, example, tuple(row.fields or self._recognise(row.portal_id, headings)))

    def _recognise(self, portal_id: UUID, headings: Sequence[str]) -> list[str]:
        kept = db.session.get(ImportMapping, portal_id)
        if kept is None:
            return recognise(headings)
        chosen = {fold(one): kept.columns[mac] for one in headings if (mac := self._mac(one)) in kept.columns}
        return recognise(headings, chosen)

    def choose_columns(self, row: PersonImport, fields: Sequence[str]) -> None:
        """Have the file checked, with these fields in its columns, and remember them for the portal's next file.
        Raises `BadInput` with the faulty fields, a line each.
        """
        wrong = [*missing(fields), *doubled(fields)]
        if wrong:
            raise BadInput("\n".join(wrong))
        if change_state(row.id, (UPLOADED, CHECKED), CHECKING, fields=list(fields), position=0):
            chosen = {self._mac(name): one for name, one in zip(self.columns(row).headings, fields, strict=True)}
            kept = db.session.get(ImportMapping, row.portal_id)
            if kept is None:
                db.session.add(ImportMapping(portal_id=row.portal_id, columns=chosen))
            else:
                kept.columns = chosen

    def _mac(self, heading: str) -> str:
        """A file without a line of names would show a person's there."""
        return self._vault.mac("import-heading", fold(heading))

    def confirm(self, row: PersonImport, by: UUID, *, good_only: bool) -> bool:
        """Let the worker write it; False where it stands elsewhere, or has errors that nobody accepted."""
        if row.errors and not good_only:
            return False
        done = change_state(
            row.id, (CHECKED,), RUNNING, good_only=good_only, confirmed_by=by, confirmed_at=self._clock.now(),
            **FROM_ZERO,
        )  # fmt: skip
        if done:
            self._record(AuditTag.IMPORT_CONFIRMED, row, errors=str(row.errors))
        return done

    def pause(self, row: PersonImport) -> bool:
        return self._lead(row, (RUNNING,), PAUSED, AuditTag.IMPORT_PAUSED)

    def resume(self, row: PersonImport) -> bool:
        return self._lead(row, (PAUSED,), RUNNING, AuditTag.IMPORT_RESUMED)

    def _lead(self, row: PersonImport, before: tuple[str, ...], after: str, tag: AuditTag) -> bool:
        if done := change_state(row.id, before, after):
            self._record(tag, row)
        return done

    def cancel(self, row: PersonImport) -> bool:
        """Stop it where it is. What was written stays, and may be undone."""
        before = (UPLOADED, CHECKING, CHECKED, RUNNING, PAUSED)
        if done := change_state(row.id, before, CANCELLED, finished_at=self._clock.now()):
            forget_file(row.id)
            self._record(AuditTag.IMPORT_CANCELLED, row)
        return done

    def may_undo(self, row: PersonImport) -> bool:
        """Whether anything was written, and not too long ago."""
        is_fresh = row.finished_at is not None and self._clock.now() - row.finished_at < UNDONE_WITHIN
        return row.state in {DONE, CANCELLED, FAILED} and is_fresh and has_batches(row.id)

    def undo(self, row: PersonImport) -> bool:
        """Let the worker take back what was written and nobody touched since."""
        done = self.may_undo(row) and change_state(row.id, (DONE, CANCELLED, FAILED), UNDOING)
        if done:
            self._record(AuditTag.IMPORT_UNDONE, row)
        return done

    def errors(self, row: PersonImport) -> list[RowError]:
        """What the dry run found, as far as it is kept."""
        return read_errors(self._vault, row)

    def make_token(self, portal: Portal, by: UUID) -> str | None:
        """A token that sends files for this portal, in plain text, this once; None where there are many already."""
        if len(live_tokens(portal.id)) >= MOST_TOKENS:
            return None
        now, secret = self._clock.now(), token(self._random, TOKEN_PREFIX)
        row = ImportToken(
            id=new_id(self._random, now), portal_id=portal.id, token_hash=hash_of(secret), made_by=by, made_at=now
        )
        db.session.add(row)
        self._audit.record(AuditTag.IMPORT_TOKEN_MADE, portal=portal.id, token=str(row.id))
        return secret

    def end_token(self, portal: Portal, token_id: UUID) -> bool:
        """Whoever holds it can send nothing any more."""
        live = (ImportToken.id == token_id, ImportToken.portal_id == portal.id, ImportToken.revoked_at.is_(None))
        done = write(update(ImportToken).where(*live).values(revoked_at=self._clock.now())) == 1
        if done:
            self._audit.record(AuditTag.IMPORT_TOKEN_ENDED, portal=portal.id, token=str(token_id))
        return done

    def find_token(self, secret: str) -> ImportToken | None:
        """The token, if it is one that is good."""
        is_live = (ImportToken.token_hash == hash_of(secret), ImportToken.revoked_at.is_(None))
        return db.session.scalar(select(ImportToken).where(*is_live))

    def _record(self, tag: AuditTag, row: PersonImport, **detail: str) -> None:
        known: dict[str, str] = {"file": str(row.id), **detail}
        self._audit.record(tag, account=None, person=None, portal=row.portal_id, **known)


def seal_errors(vault: Vault, import_id: UUID, errors: Sequence[RowError]) -> str:
    told = [[one.line, one.field, one.kind, one.value, dict(one.named)] for one in errors]
    return vault.seal(json.dumps(told).encode("utf-8", "replace"), _place(import_id, "sealed_errors"))


def read_errors(vault: Vault, row: PersonImport) -> list[RowError]:
    if row.sealed_errors is None:
        return []
    return [RowError(*one) for one in json.loads(vault.open(row.sealed_errors, _place(row.id, "sealed_errors")))]


def _printable(name: str) -> str:
    """A name as it may be stored and shown, whatever a system called its file."""
    return "".join(character for character in name if character.isprintable())[:LONGEST_NAME] or "–"


def _place(import_id: UUID, column: str) -> str:
    return f"person_import.{column}.{import_id}"
