"""Insured persons as operators look for them, page by page, within the portals that their role covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, func, select

from idp.clock import Clock
from idp.models.account import Account, Phone
from idp.models.base import db
from idp.models.keyset import cut, place
from idp.models.person import InsuredPerson, RegistrationCode
from idp.models.session import Session
from idp.models.total import Total, count_up_to, total_of
from idp.services.emails import normalise_email
from idp.services.letter_references import find_letter, read_reference
from idp.services.person_lists import Listed, Question, Wanted, listed
from idp.services.person_words import read_words
from idp.services.phones import BadNumber, read_mobile
from idp.settings import Settings

ACCOUNTS = 50  # that one number may belong to


@dataclass(frozen=True, repr=False)
class Page:
    """Some persons, whether more follow or went before, and how many there are on all pages."""

    persons: tuple[InsuredPerson, ...]
    has_next: bool
    has_previous: bool
    total: Total


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
        """One page in the order that is wanted. `locked` are the accounts that may not guess now."""
        found = listed(wanted, self._clock.now(), locked, count_up_to)
        ours, last = InsuredPerson.portal_id.in_(wanted.portals), wanted.before or wanted.after
        at = place(select(InsuredPerson).where(ours), InsuredPerson.id, wanted.order, last, is_back=not wanted.before)
        shown = db.session.execute(found.page(at)).all()
        piece = cut([row[0] for row in shown], at)
        rows = {one.id: one for one in db.session.scalars(select(InsuredPerson).where(InsuredPerson.id.in_(piece.ids)))}
        persons = tuple(rows[one] for one in piece.ids if one in rows)
        return Page(persons, piece.has_next, piece.has_previous, _total(found, shown))


def _total(found: Listed, shown: Sequence[Row[Any]]) -> Total:
    if found.found is not None:
        return Total(shown[0][-1] if shown else 0)
    return total_of(found.sized, is_quick=found.is_quick)


def _accounts(statement: Select[UUID]) -> tuple[UUID, ...]:
    return tuple(db.session.scalars(statement.limit(ACCOUNTS)))


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
