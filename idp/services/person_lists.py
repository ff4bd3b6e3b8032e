"""Which insured persons a list shows, and in which order: its statements, that stay quick among millions (ux.md §9.1).

Whoever few persons have in common is found first and asked about everything else; what nearly everybody has is asked of
one after the other, in the order of the list. What is few is counted, no further than `COMMON`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, CompoundSelect, Select, and_, exists, false, func, intersect, select, true

from idp.clock import swiss
from idp.models.keyset import Ident, Order, Place, page, together
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.person_word import has_word, persons_with
from idp.texts import LANGUAGES

COMMON = 10_000  # persons, from which on a trait tells few of them apart
AT_HAND = 250_000  # so many ids fit into the memory that PostgreSQL gives a list to look them up in
NEWEST, BY_NAME = Order(), Order(InsuredPerson.sort_name, is_down=False)
Counting = Callable[[Select[UUID], int], int]


class Filter(StrEnum):
    """What an operator may ask for. `started`: the code was entered, and nobody is registered yet."""

    INVITED = "invited"
    STARTED = "started"
    REGISTERED = "registered"
    LOCKED = "locked"


class Ages(StrEnum):
    """Groups of ages, by the first and the last birthday that somebody of it has had."""

    YOUNG = "0-39"
    MIDDLE = "40-64"
    RETIRED = "65-79"
    OLD = "80-199"

    def born(self, today: date) -> tuple[date, date]:
        """The first and the last day on which somebody of this group can be born."""
        youngest, oldest = (int(age) for age in self.value.split("-"))
        return _years_before(today, oldest + 1) + timedelta(days=1), _years_before(today, youngest)


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
    """Whom to list, and in which order: the newest first, unless by another one. `before` and `after` are the ids at
    the ends of the page that was shown last: the list goes on behind the first, or ends before the second.
    """

    portals: Sequence[UUID]
    question: Question | None = None
    filter: Filter | None = None
    before: UUID | None = None
    after: UUID | None = None
    language: str | None = None
    ages: Ages | None = None
    order: Order = NEWEST


@dataclass(frozen=True, repr=False)
class Trait:
    """Something asked of persons: who has it, some perhaps twice, and whether a row of `insured_person` has it;
    `besides` is asked of the row in any case.
    """

    who: Select[UUID]
    has: tuple[ColumnElement[bool], ...]
    besides: tuple[ColumnElement[bool], ...] = ()
    word: str = ""
    of_codes: tuple[ColumnElement[bool], ...] = ()  # where it is a code that makes it so


@dataclass(frozen=True, repr=False)
class Listed:
    """The statements of everybody who is wanted, by portal where that is how they are read, and one by which to say how
    many that are; `is_quick`: where counting is. `found`: those who were found as a whole, so that their page counts
    them too.
    """

    parts: tuple[Select[UUID], ...]
    ident: Ident
    order: Order
    sized: Select[UUID]
    is_quick: bool = False
    found: CTE | None = None

    def page(self, at: Place | None) -> Select[Any]:
        """The ids of a page; behind them, where that is known along with them, how many there are on all."""
        statement = together([page(one, self.ident, self.order, at) for one in self.parts], self.order, at)
        if self.found is None:
            return statement
        return statement.add_columns(select(func.count()).select_from(self.found).scalar_subquery())


def listed(wanted: Wanted, now: datetime, locked: Sequence[UUID], count: Counting) -> Listed:
    """`count` says how many rows a statement has, up to one more than it is told; `locked` are the accounts that may
    not guess now.
    """
    counted = [(count(one.who, COMMON), one) for one in _traits(wanted, now, locked)]
    traits = [one for _, one in sorted(counted, key=lambda pair: pair[0])]
    if counted and min(counts for counts, _ in counted) <= COMMON:
        return _of_few(wanted, traits[0].who, [*traits[0].besides, *_tests(traits[1:])])
    words = [one for one in traits if one.word]
    if len(words) > 1:
        laid_over = intersect(*(one.who for one in words))
        return _of_few(wanted, laid_over, _tests(one for one in traits if not one.word))
    return _of_many(wanted, traits, count)


def _tests(traits: Iterable[Trait]) -> list[ColumnElement[bool]]:
    return [test for one in traits for test in (*one.besides, *one.has)]


def _of_few(wanted: Wanted, who: Select[UUID] | CompoundSelect[UUID], tests: Sequence[ColumnElement[bool]]) -> Listed:
    """Those who have the one thing, as a whole before anything else is asked, and then those who have the rest.

    So the cost grows with what matches, whatever the database believes of how traits go together. Where every word is
    common, looking each person up would take longer than laying the lists of persons over each other.
    """
    some = who.cte("some").prefix_with("MATERIALIZED")
    columns = [InsuredPerson.id] if wanted.order.column is None else [InsuredPerson.id, wanted.order.column]
    asked = select(*columns).where(InsuredPerson.id.in_(select(*some.c)), *tests)
    if not tests and wanted.order.column is None:  # every list of persons knows their portals
        asked = select(*some.c).distinct()
    found = asked.cte("found").prefix_with("MATERIALIZED")
    ident, *column = found.c
    everybody = select(ident)
    order = Order(column[0] if column else None, wanted.order.is_down)
    return Listed((everybody,), ident, order, everybody, is_quick=True, found=found)


def _of_many(wanted: Wanted, traits: Sequence[Trait], count: Counting) -> Listed:
    """One after the other in the order of the list, each portal by itself."""
    if len(traits) == 1 and traits[0].of_codes and wanted.order.column is None:
        return _of_codes(wanted, traits[0])
    person = InsuredPerson
    parts = tuple(
        select(person.id).where(person.portal_id == one, *_tests(_at(one, traits, count))) for one in wanted.portals
    )
    return Listed(parts, person.id, wanted.order, _sized(wanted, traits), is_quick=not traits)


def _at(portal_id: UUID, traits: Sequence[Trait], count: Counting) -> Iterator[Trait]:
    """The same at one portal, for whoever looks at one person after the other: those who have a common word are kept at
    hand, unless they are too many for that.
    """
    for one in traits:
        who = persons_with([portal_id], one.word) if one.word else None
        if who is None or count(who, AT_HAND) > AT_HAND:
            yield one
        else:  # IS TRUE keeps PostgreSQL from joining the two, which looks up everybody who has the word
            yield replace(one, has=(InsuredPerson.id.in_(who).is_(true()),))


def _sized(wanted: Wanted, traits: Sequence[Trait]) -> Select[UUID]:
    if len(traits) == 1:
        return traits[0].who
    return select(InsuredPerson.id).where(InsuredPerson.portal_id.in_(wanted.portals), *_tests(traits))


def _of_codes(wanted: Wanted, trait: Trait) -> Listed:
    """From the codes, which stand in the order of the list too: where few of a fund's persons have one, most of it need
    not be looked at. Of each row the person is asked by itself: a join may read every person of the installation.
    """
    ident = RegistrationCode.insured_person_id
    is_wanted = select(and_(*trait.besides)).where(InsuredPerson.id == ident).scalar_subquery().is_(true())
    codes = select(ident).distinct().where(*trait.of_codes, is_wanted)
    parts = tuple(codes.where(RegistrationCode.portal_id == one) for one in wanted.portals)
    return Listed(parts, ident, wanted.order, trait.who)


def _traits(wanted: Wanted, now: datetime, locked: Sequence[UUID]) -> list[Trait]:
    portals, question = wanted.portals, wanted.question or Question()
    found = [
        Trait(persons_with(portals, word), (has_word(InsuredPerson.id, word),), word=word) for word in question.words
    ]
    if question.accounts is not None:
        found.append(_of_record(portals, InsuredPerson.account_id.in_(question.accounts)))
    if question.person is not None:
        found.append(_of_record(portals, InsuredPerson.id == question.person))
    if wanted.filter is not None:
        found.append(_standing(portals, wanted.filter, now, locked))
    if wanted.language is not None or wanted.ages is not None:
        found.append(_of_record(portals, *speak(wanted.language, wanted.ages, now)))
    return found


def are(which: Filter, now: datetime, locked: Sequence[UUID] = ()) -> list[ColumnElement[bool]]:
    """What holds of the records of those who stand so."""
    return _tests([_standing((), which, now, locked)])


def speak(language: str | None, ages: Ages | None, now: datetime) -> list[ColumnElement[bool]]:
    """What holds of the records of those who have this language, any or a known one, and this age."""
    found: list[ColumnElement[bool]] = [InsuredPerson.language.in_([language] if language else LANGUAGES)]
    if ages is not None:
        found.append(InsuredPerson.birth_date.between(*ages.born(swiss(now).date())))
    return found


def _standing(portals: Sequence[UUID], which: Filter, now: datetime, locked: Sequence[UUID]) -> Trait:
    if which is Filter.REGISTERED:
        return _of_record(portals, InsuredPerson.account_id.is_not(None))
    if which is Filter.LOCKED:
        return _of_record(portals, InsuredPerson.account_id.in_(locked) if locked else false())
    return _with_open_code(portals, now, is_begun=which is Filter.STARTED)


def _of_record(portals: Sequence[UUID], *tests: ColumnElement[bool]) -> Trait:
    return Trait(select(InsuredPerson.id).where(InsuredPerson.portal_id.in_(portals), *tests), tests)


def _with_open_code(portals: Sequence[UUID], now: datetime, *, is_begun: bool) -> Trait:
    code = RegistrationCode
    is_open = (
        code.redeemed_at.is_(None),
        code.revoked_at.is_(None),
        code.expires_at > now,
        code.reserved_at.is_not(None) if is_begun else code.reserved_at.is_(None),
    )
    mine = (code.portal_id == InsuredPerson.portal_id, code.insured_person_id == InsuredPerson.id)
    who = select(code.insured_person_id).where(code.portal_id.in_(portals), *is_open)
    return Trait(who, (exists().where(*mine, *is_open),), (InsuredPerson.account_id.is_(None),), of_codes=is_open)


def _years_before(day: date, years: int) -> date:
    """The same day so many years ago; of 29 February the one before it where there is none."""
    try:
        return day.replace(year=day.year - years)
    except ValueError:
        return day.replace(year=day.year - years, day=28)
