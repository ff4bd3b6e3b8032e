"""Insured persons as operators look for them: page by page, newest first, within the portals that their role covers.

Each portal is asked for its own page, so no portal's millions stand in the way of another's few.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, intersect, select, union_all
from sqlalchemy.orm import InstrumentedAttribute

from idp.clock import Clock
from idp.models.account import Account, Phone
from idp.models.base import db
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.person_word import count_words, has_word, persons_with
from idp.models.session import Session
from idp.services.emails import normalise_email
from idp.services.letter_references import find_letter, read_reference
from idp.services.person_words import read_words
from idp.services.phones import BadNumber, read_mobile
from idp.settings import Settings

PAGE = 50
COMMON = 20_000  # words that begin so, from which on a beginning tells few persons apart


class Filter(StrEnum):
    """What an operator may ask for. `started`: the code was entered, and nobody is registered yet."""

    INVITED = "invited"
    STARTED = "started"
    REGISTERED = "registered"
    LOCKED = "locked"


@dataclass(frozen=True, repr=False)
class Question:
    """What was typed in the box: an address or a number belongs to accounts, the reference of a letter to a person,
    everything else is beginnings of words.
    """

    words: tuple[str, ...] = ()
    accounts: tuple[UUID, ...] | None = None
    person: UUID | None = None

    @property
    def is_empty(self) -> bool:
        """Whether it tells nobody apart."""
        return not self.words and self.accounts is None and self.person is None


@dataclass(frozen=True, repr=False)
class Wanted:
    """Whom to list. `before` and `after` are the ids at the ends of the page that was shown last.

    `is_common`: even the rarest of the words belongs to very many.
    """

    portals: Sequence[UUID]
    question: Question | None = None
    filter: Filter | None = None
    before: UUID | None = None
    after: UUID | None = None
    is_common: bool = False


@dataclass(frozen=True, repr=False)
class Page:
    persons: tuple[InsuredPerson, ...]
    has_older: bool
    has_newer: bool


class Persons:
    def __init__(self, settings: Settings, clock: Clock) -> None:
        self._settings = settings
        self._clock = clock

    def read(self, typed: str) -> Question:
        """What is looked for. An e-mail address is found as a whole, and so are a mobile number and a reference."""
        if "@" in typed:
            return Question(accounts=_accounts(select(Account.id).where(Account.email == normalise_email(typed))))
        number = read_mobile(typed, self._settings.sms_countries)
        if not isinstance(number, BadNumber):
            found = _accounts(select(Phone.account_id).where(Phone.number == number))
            if found:
                return Question(accounts=found)
        if (reference := read_reference(typed)) and (letter := find_letter(reference)):
            return Question(person=letter.insured_person_id)
        return Question(read_words(typed))

    def list(self, wanted: Wanted, locked: Sequence[UUID] = ()) -> Page:
        """One page, newest first. `locked` are the accounts that may not guess now."""
        newer = wanted.after is not None
        ids = list(db.session.scalars(statement(_weighed(wanted), self._clock.now(), locked)))
        more, ids = len(ids) > PAGE, ids[:PAGE]
        found = db.session.scalars(select(InsuredPerson).where(InsuredPerson.id.in_(ids)))
        rows = {one.id: one for one in found}
        persons = tuple(rows[one] for one in (ids[::-1] if newer else ids))
        if not persons:
            return Page((), has_older=False, has_newer=False)
        return Page(persons, more or newer, more if newer else wanted.before is not None)


def statement(wanted: Wanted, now: datetime, locked: Sequence[UUID] = ()) -> Select[UUID]:
    """The ids of a page and one more, of all portals together."""
    words = wanted.question.words if wanted.question is not None else ()
    if words:
        return _found(wanted, words, now, locked)
    if wanted.filter is Filter.STARTED:
        return _begun(wanted, now, locked)
    pages = []
    for portal_id in wanted.portals:
        of_portal = select(InsuredPerson.id).where(
            InsuredPerson.portal_id == portal_id, *_ends(wanted, InsuredPerson.id), *_filters(wanted, now, locked)
        )
        pages.append(select(_page(of_portal, wanted, InsuredPerson.id).subquery()))
    together = union_all(*pages).subquery()
    return _page(select(together.c.id), wanted, together.c.id)


def _found(wanted: Wanted, words: Sequence[str], now: datetime, locked: Sequence[UUID]) -> Select[UUID]:
    """Those who have the rarest word, as a whole before anything else is asked; and of them those who have the others.

    So the cost grows with what matches, whatever the database believes of how words go together. Where every word is
    common, looking each person up would take longer than laying the lists of persons over each other.
    """
    lists = [persons_with(wanted.portals, word) for word in words]
    is_laid_over = wanted.is_common and len(words) > 1
    together = intersect(*lists) if is_laid_over else lists[0].distinct()
    ident = together.cte("found").prefix_with("MATERIALIZED").c.person_id
    others = [] if is_laid_over else [has_word(ident, word) for word in words[1:]]
    asked = select(ident).where(*_ends(wanted, ident), *others)
    if filters := _filters(wanted, now, locked):
        asked = asked.join(InsuredPerson, InsuredPerson.id == ident).where(*filters)
    return _page(asked, wanted, ident)


def _begun(wanted: Wanted, now: datetime, locked: Sequence[UUID]) -> Select[UUID]:
    """Few begin and do not finish, so they are found first, and their portals looked at afterwards."""
    begun = select(RegistrationCode.insured_person_id).where(*_is_open(now, is_begun=True)).distinct()
    ident = begun.cte("begun").prefix_with("MATERIALIZED").c.insured_person_id
    filters = _filters(replace(wanted, filter=None), now, locked)
    asked = select(ident).join(InsuredPerson, InsuredPerson.id == ident)
    mine = (InsuredPerson.portal_id.in_(wanted.portals), InsuredPerson.account_id.is_(None))
    return _page(asked.where(*mine, *_ends(wanted, ident), *filters), wanted, ident)


def _weighed(wanted: Wanted) -> Wanted:
    """The rarest word first."""
    if wanted.question is None or not wanted.question.words:
        return wanted
    counts = {word: count_words(wanted.portals, word, COMMON) for word in wanted.question.words}
    words = tuple(sorted(counts, key=lambda word: counts[word]))
    return replace(wanted, question=Question(words), is_common=counts[words[0]] >= COMMON)


def _page(
    asked: Select[UUID], wanted: Wanted, ident: ColumnElement[UUID] | InstrumentedAttribute[UUID]
) -> Select[UUID]:
    return asked.order_by(ident.desc() if wanted.after is None else ident.asc()).limit(PAGE + 1)


def _ends(wanted: Wanted, ident: ColumnElement[UUID] | InstrumentedAttribute[UUID]) -> list[ColumnElement[bool]]:
    ends = [] if wanted.before is None else [ident < wanted.before]
    return ends if wanted.after is None else [*ends, ident > wanted.after]


def _filters(wanted: Wanted, now: datetime, locked: Sequence[UUID]) -> list[ColumnElement[bool]]:
    found: list[ColumnElement[bool]] = []
    if wanted.question is not None and wanted.question.accounts is not None:
        found.append(InsuredPerson.account_id.in_(wanted.question.accounts))
    if wanted.question is not None and wanted.question.person is not None:
        found.append(InsuredPerson.id == wanted.question.person)
    if wanted.filter is Filter.REGISTERED:
        found.append(InsuredPerson.account_id.is_not(None))
    elif wanted.filter is Filter.LOCKED:
        found.append(InsuredPerson.account_id.in_(locked))
    elif wanted.filter is not None:
        found += [InsuredPerson.account_id.is_(None), _has_open_code(now, is_begun=wanted.filter is Filter.STARTED)]
    return found


def _has_open_code(now: datetime, *, is_begun: bool) -> ColumnElement[bool]:
    return exists().where(RegistrationCode.insured_person_id == InsuredPerson.id, *_is_open(now, is_begun=is_begun))


def _is_open(now: datetime, *, is_begun: bool) -> tuple[ColumnElement[bool], ...]:
    return (
        RegistrationCode.redeemed_at.is_(None),
        RegistrationCode.revoked_at.is_(None),
        RegistrationCode.expires_at > now,
        RegistrationCode.reserved_at.is_not(None) if is_begun else RegistrationCode.reserved_at.is_(None),
    )


def _accounts(statement: Select[UUID]) -> tuple[UUID, ...]:
    return tuple(db.session.scalars(statement.limit(PAGE)))


class Standing(StrEnum):
    """Where somebody stands, one word for the list."""

    NEW = "new"  # never sent a code
    INVITED = "invited"
    STARTED = "started"
    EXPIRED = "expired"  # or voided: no code is good
    REGISTERED = "registered"
    LOCKED = "locked"
    DISABLED = "disabled"


def standing(account: Account | None, newest: RegistrationCode | None, now: datetime, *, is_locked: bool) -> Standing:
    """Of somebody with this account, whose last code is this one."""
    if account is not None:
        if not account.is_active:
            return Standing.DISABLED
        return Standing.LOCKED if is_locked else Standing.REGISTERED
    if newest is None:
        return Standing.NEW
    words = {"issued": Standing.INVITED, "reserved": Standing.STARTED}
    return words.get(newest.state(now), Standing.EXPIRED)


def newest_codes(person_ids: Sequence[UUID]) -> dict[UUID, RegistrationCode]:
    """The code that each of these persons was issued last."""
    rows = db.session.scalars(
        select(RegistrationCode)
        .where(RegistrationCode.insured_person_id.in_(person_ids))
        .order_by(RegistrationCode.issued_at, RegistrationCode.id)
    )
    return {row.insured_person_id: row for row in rows}


def last_sign_ins(account_ids: Sequence[UUID]) -> dict[UUID, datetime]:
    rows = db.session.execute(
        select(Session.account_id, func.max(Session.auth_time))
        .where(Session.account_id.in_(account_ids))
        .group_by(Session.account_id)
    )
    return {row[0]: row[1] for row in rows}


def mask_name(given: str, family: str) -> str:
    """H. Müller; empty where there is no name."""
    return f"{given[:1]}. {family}" if given and family else family or (f"{given[:1]}." if given else "")


def mask_number(number: str) -> str:
    """The last three characters: enough to tell two persons of one name apart, too little to be told a caller."""
    bare = "".join(character for character in number if character.isalnum())
    return f"…{bare[-3:]}" if bare else ""
