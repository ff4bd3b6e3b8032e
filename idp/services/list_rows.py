"""The rows of the console's lists as cells of a file: what each list shows, and the fund's own reference.

A list is walked portal by portal along one key, so many rows at a time however few of them are wanted: a step costs
the same whatever is asked for. Names and numbers stay masked (docs/decisions/0024).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, func, select
from sqlalchemy.orm import InstrumentedAttribute, contains_eager
from sqlalchemy.sql.base import ExecutableOption

from idp.clock import swiss
from idp.models.account import Account
from idp.models.base import db
from idp.models.letter_batch import BatchLetter, LetterBatch
from idp.models.outbox import OutboxMessage
from idp.models.person import REGISTER, InsuredPerson, RegistrationCode
from idp.models.person_import import PersonImport
from idp.models.portal import Portal
from idp.services.code_changes import CodeState, in_state
from idp.services.letter_batches import batches_of
from idp.services.letter_references import show_reference
from idp.services.lists import Listing
from idp.services.person_lists import Ages, Filter, are, speak
from idp.services.persons import last_sign_ins, mask_name, mask_number, newest_codes, standing
from idp.texts import Texts

Cells = tuple[str, ...]


@dataclass(frozen=True, repr=False)
class Asked:
    """What is wanted of a list, and now. `locked` are the accounts that may not guess now."""

    filters: Mapping[str, str]
    now: datetime
    locked: Sequence[UUID] = ()


@dataclass(frozen=True, repr=False)
class Words:
    """In whose language, and the names of the portals in it."""

    texts: Texts
    language: str
    portals: Mapping[UUID, str]
    asked: Asked

    def say(self, key: str) -> str:
        return self.texts.get(self.language, key)

    def portal(self, ident: UUID | None) -> str:
        return self.portals.get(ident, "") if ident else ""


@dataclass(frozen=True)
class Source:
    """`key` is walked, `portal` says whose a row is; `found` is everything that is asked for, wherever it is."""

    key: InstrumentedAttribute[UUID]
    portal: InstrumentedAttribute[UUID] | InstrumentedAttribute[UUID | None]
    found: Callable[[Asked], Select[Any]]
    headings: tuple[str, ...]
    cells: Callable[[Sequence[Any], Words], list[Cells]]
    options: tuple[ExecutableOption, ...] = ()

    def at(self, portal_id: UUID | None) -> ColumnElement[bool]:
        return self.portal.is_(None) if portal_id is None else self.portal == portal_id


@dataclass(frozen=True, repr=False)
class Step:
    """`last_id` is where the next step goes on; None where this was the last one at this portal."""

    rows: tuple[Cells, ...]
    last_id: UUID | None


def count(source: Source, asked: Asked, portals: Sequence[UUID | None]) -> dict[UUID | None, int]:
    """How many rows of each of these portals are asked for; those of none are left out."""
    counted = source.found(asked).with_only_columns(source.portal, func.count(), maintain_column_froms=True)
    rows = db.session.execute(counted.group_by(source.portal).order_by(None))
    found = {row[0]: row[1] for row in rows}
    return {one: found[one] for one in portals if one in found}


def walk(source: Source, words: Words, portal_id: UUID | None, last_id: UUID | None, most: int) -> Step:
    """The rows that are wanted among the next `most` of this portal, newest first."""
    at = [source.at(portal_id)] if last_id is None else [source.at(portal_id), source.key < last_id]
    edge = db.session.scalar(select(source.key).where(*at).order_by(source.key.desc()).offset(most - 1).limit(1))
    within = at if edge is None else [*at, source.key >= edge]
    found = source.found(words.asked).where(*within).order_by(source.key.desc()).options(*source.options)
    return Step(tuple(source.cells(db.session.scalars(found).all(), words)), edge)


def day(at: datetime | None) -> str:
    """2026-03-27 in Switzerland: a date to every spreadsheet, and in order when it is sorted."""
    return swiss(at).date().isoformat() if at else ""


def moment(at: datetime | None) -> str:
    return f"{swiss(at):%Y-%m-%d %H:%M}" if at else ""


def _persons(asked: Asked) -> Select[InsuredPerson]:
    found, filters = select(InsuredPerson), asked.filters
    if status := filters.get("status"):
        found = found.where(*are(Filter(status), asked.now, asked.locked))
    if "language" in filters or "ages" in filters:
        ages = Ages(filters["ages"]) if "ages" in filters else None
        found = found.where(*speak(filters.get("language"), ages, asked.now))
    return found


def _person_cells(rows: Sequence[InsuredPerson], words: Words) -> list[Cells]:
    owners = [one.account_id for one in rows if one.account_id]
    accounts = {one.id: one for one in db.session.scalars(select(Account).where(Account.id.in_(owners)))}
    codes, seen = newest_codes([one.id for one in rows]), last_sign_ins(owners)
    locked, cells = set(words.asked.locked), list[Cells]()
    for one in rows:
        account = accounts.get(one.account_id) if one.account_id else None
        state = standing(account, codes.get(one.id), words.asked.now, is_locked=one.account_id in locked)
        given = one.given_name or (account.given_name if account else "")
        family = one.family_name or (account.family_name if account else "")
        cells.append((
            one.external_id, mask_name(given, family), mask_number(one.insured_number), words.portal(one.portal_id),
            words.say(f"per.state.{state}"), one.language, day(one.created_at), day(one.linked_at),
            day(seen.get(one.account_id) if one.account_id else None),
        ))  # fmt: skip
    return cells


def _codes(asked: Asked) -> Select[RegistrationCode]:
    state = asked.filters.get("state")
    found = select(RegistrationCode).join(RegistrationCode.person).where(RegistrationCode.purpose == REGISTER)
    return found.where(*in_state(CodeState(state), asked.now)) if state else found


def _code_cells(rows: Sequence[RegistrationCode], words: Words) -> list[Cells]:
    letters = select(BatchLetter.code_id, BatchLetter.reference).where(
        BatchLetter.code_id.in_([one.id for one in rows])
    )
    references = {row[0]: show_reference(row[1]) for row in db.session.execute(letters)}
    return [
        (
            references.get(one.id, ""), one.person.external_id,
            mask_name(one.person.given_name, one.person.family_name), words.portal(one.person.portal_id),
            words.say(f"cod.state.{one.state(words.asked.now)}"), one.person.language, day(one.issued_at),
            day(one.expires_at), day(one.redeemed_at),
        )
        for one in rows
    ]  # fmt: skip


def _batches(asked: Asked) -> Select[LetterBatch]:
    return batches_of(None, None, asked.filters.get("state", ""))


def _batch_cells(rows: Sequence[LetterBatch], words: Words) -> list[Cells]:
    return [
        (
            str(one.number), words.portal(one.portal_id), words.say(f"bat.kind.{one.kind}"), str(one.count),
            one.language or "", words.say(f"bat.side.{one.window}"), words.say(f"bat.state.{one.state}"),
            day(one.made_at), one.posted_on.isoformat() if one.posted_on else "",
        )
        for one in rows
    ]  # fmt: skip


def _imports(_asked: Asked) -> Select[PersonImport]:
    return select(PersonImport)


def _import_cells(rows: Sequence[PersonImport], words: Words) -> list[Cells]:
    return [
        (
            one.file_name, moment(one.made_at), words.portal(one.portal_id), words.say(f"imp.from.{one.source}"),
            words.say(f"imp.state.{one.state}"), str(one.rows), str(one.new), str(one.changed), str(one.errors),
        )
        for one in rows
    ]  # fmt: skip


def _messages(asked: Asked) -> Select[OutboxMessage]:
    given = {name: asked.filters[name] for name in ("channel", "state") if name in asked.filters}
    return select(OutboxMessage).filter_by(**given)


def _message_cells(rows: Sequence[OutboxMessage], words: Words) -> list[Cells]:
    return [
        (
            moment(one.created_at), words.say(f"msg.{one.channel}"), words.portal(one.portal_id),
            words.say(f"msg.state.{one.state}"), str(one.tries), one.last_error or "",
        )
        for one in rows
    ]  # fmt: skip


def _portals(_asked: Asked) -> Select[Portal]:
    return select(Portal)


def _portal_cells(rows: Sequence[Portal], words: Words) -> list[Cells]:
    counted = select(InsuredPerson.portal_id, func.count()).where(InsuredPerson.portal_id.in_([one.id for one in rows]))
    persons = {row[0]: row[1] for row in db.session.execute(counted.group_by(InsuredPerson.portal_id))}
    return [
        (
            one.slug, words.portal(one.id), str(persons.get(one.id, 0)),
            day(one.changed_at or one.created_at),
            words.say("por.state.disabled" if one.is_disabled else "por.state.open"),
        )
        for one in rows
    ]  # fmt: skip


# The record of events has a file of its own (idp/admin/audit_file.py).
SOURCES: Mapping[Listing, Source] = {
    Listing.PERSONS: Source(
        InsuredPerson.id, InsuredPerson.portal_id, _persons,
        ("imp.field.external_id", "exp.c.name", "exp.c.number", "adm.portal", "adm.state", "bat.language",
         "exp.c.imported", "exp.c.registered", "per.seen"),
        _person_cells,
    ),
    Listing.CODES: Source(
        InsuredPerson.id, InsuredPerson.portal_id, _codes,
        ("cod.letter", "imp.field.external_id", "exp.c.name", "adm.portal", "adm.state", "bat.language", "cod.printed",
         "adm.until", "exp.c.used"),
        _code_cells, (contains_eager(RegistrationCode.person),),
    ),
    Listing.LETTERS: Source(
        LetterBatch.id, LetterBatch.portal_id, _batches,
        ("bat.batch", "adm.portal", "bat.for", "bat.count", "bat.language", "bat.side", "adm.state", "bat.made",
         "bat.posted"),
        _batch_cells,
    ),
    Listing.IMPORTS: Source(
        PersonImport.id, PersonImport.portal_id, _imports,
        ("imp.file", "adm.when", "adm.portal", "imp.source", "adm.state", "imp.records", "imp.count.new",
         "imp.count.changed", "imp.count.errors"),
        _import_cells,
    ),
    Listing.MESSAGES: Source(
        OutboxMessage.id, OutboxMessage.portal_id, _messages,
        ("adm.when", "msg.channel", "adm.portal", "adm.state", "msg.tries", "msg.error"),
        _message_cells,
    ),
    Listing.PORTALS: Source(
        Portal.id, Portal.id, _portals,
        ("por.slug", "adm.name", "por.persons", "por.changed.when", "adm.state"),
        _portal_cells,
    ),
}  # fmt: skip
