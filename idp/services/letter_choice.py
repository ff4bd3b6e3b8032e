"""Whom a batch of letters is for: one question of one portal, asked to count and asked again to draft.

Nobody who is registered, who is in an open batch, or whose last letter came back from the address still on file.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, or_, select

from idp.clock import swiss
from idp.models.base import db
from idp.models.letter_batch import BatchLetter, LetterBatch
from idp.models.letter_order import IS_WAITING, LetterOrder
from idp.models.person import REGISTER, InsuredPerson, RegistrationCode
from idp.models.portal import Portal

COUNTED = 100_000
REMINDED_AFTER = (14, 21, 30, 45, 60)  # days since the letter was posted


class BatchKind(StrEnum):
    NEVER = "never"  # never sent a code
    ORDERED = "ordered"  # the desk ordered a letter
    REMINDER = "reminder"  # a letter was posted and not used
    EXPIRED = "expired"  # the last code expired or was voided
    CHOSEN = "chosen"  # by the list of codes, or by name


@dataclass(frozen=True)
class Choice:
    """`days`: for reminders, how long ago the letter was posted. `persons`: whoever was chosen one by one."""

    portal: Portal
    kind: BatchKind
    language: str | None = None
    days: int = REMINDED_AFTER[0]
    persons: Select[UUID] | None = None


def chosen(choice: Choice, now: datetime) -> Select[UUID]:
    """The ids of these persons, in the order of the fund's own key."""
    where = [InsuredPerson.portal_id == choice.portal.id, InsuredPerson.account_id.is_(None), ~_is_in_a_batch()]
    if choice.language:
        where.append(InsuredPerson.language == choice.language)
    where += _of_kind(choice, now)
    return select(InsuredPerson.id).where(*where).order_by(InsuredPerson.external_id)


def count(choice: Choice, now: datetime) -> int:
    """How many persons that are; of very many one more than `COUNTED`, for nobody waits until a million is counted."""
    persons = chosen(choice, now).order_by(None).limit(COUNTED + 1).subquery()
    return db.session.scalar(select(func.count()).select_from(persons)) or 0


def is_anybody(choice: Choice, now: datetime) -> bool:
    """Whether there is one at least."""
    return db.session.scalar(chosen(choice, now).order_by(None).limit(1)) is not None


def _of_kind(choice: Choice, now: datetime) -> list[ColumnElement[bool]]:
    code = RegistrationCode
    mine = exists().where(code.insured_person_id == InsuredPerson.id, code.purpose == REGISTER)
    is_open = (code.redeemed_at.is_(None), code.revoked_at.is_(None))
    if choice.kind is BatchKind.NEVER:
        return [~mine]
    if choice.kind is BatchKind.ORDERED:
        return [exists().where(LetterOrder.insured_person_id == InsuredPerson.id, IS_WAITING)]
    if choice.kind is BatchKind.EXPIRED:
        return [mine, ~mine.where(*is_open, code.expires_at > now), ~_came_back()]
    if choice.kind is BatchKind.REMINDER:
        return [_was_posted(now - timedelta(days=choice.days))]
    persons = choice.persons
    return [] if persons is None else [InsuredPerson.id.in_(persons)]


def _was_posted(before: datetime) -> ColumnElement[bool]:
    """A letter that nobody used was posted by then; of one that the command line printed the code's day counts."""
    code = RegistrationCode
    in_batch = exists().where(BatchLetter.code_id == code.id)
    posted = exists().where(
        BatchLetter.code_id == code.id,
        LetterBatch.id == BatchLetter.batch_id,
        LetterBatch.posted_on <= swiss(before).date(),
    )
    return exists().where(
        code.insured_person_id == InsuredPerson.id,
        code.purpose == REGISTER,
        code.redeemed_at.is_(None),
        code.revoked_at.is_(None),
        or_(posted, and_(~in_batch, code.issued_at <= before)),
    )


def _came_back() -> ColumnElement[bool]:
    """The post brought a letter back, and the record was not changed since: another one would come back too."""
    return exists().where(
        BatchLetter.insured_person_id == InsuredPerson.id, BatchLetter.returned_at >= InsuredPerson.changed_at
    )


def _is_in_a_batch() -> ColumnElement[bool]:
    return exists().where(BatchLetter.insured_person_id == InsuredPerson.id, BatchLetter.settled_at.is_(None))
