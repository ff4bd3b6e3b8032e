"""The words by which a person is found: folded, so that accents, case and Swiss spellings (Mueller, Müller) are one.

A word that is typed is the beginning of a stored one. Kept by the import and by whatever gives a record a name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import delete, insert, select, update

from idp.models.account import Account
from idp.models.base import db
from idp.models.person import InsuredPerson
from idp.models.person_word import PersonWord

LONGEST, MOST_TYPED = 40, 6
SHORTEST, SHORTEST_NUMBER = 2, 4
OF_EVERYBODY = "756"  # begins every Swiss insured number
SHORTEST_INSURED = 7
BATCH = 500
# Letters that Unicode does not take apart, and the two ways to write ä, ö and ü.
LETTERS = str.maketrans({"æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i"})
WRITTEN_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue"})
UMLAUT = re.compile(r"(?<=[aou])e")
NUMBER = re.compile(r"[\d\s./-]+")


def fold(text: str) -> str:
    """Letters and digits of a text, without case and accents."""
    bare = unicodedata.normalize("NFKD", _lower(text).translate(LETTERS))
    return "".join(character for character in bare if character.isalnum())[:LONGEST]


def spellings(text: str) -> set[str]:
    """A name as it may be typed: Müller also as Mueller, and the other way round."""
    lower = _lower(text)
    return {fold(text), fold(lower.translate(WRITTEN_OUT)), fold(UMLAUT.sub("", lower))}


def _lower(text: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold())


def sort_name(given: str | None, family: str | None) -> str:
    """By which lists are sorted: the family name first, without case and accents; empty where there is no name."""
    return f"{fold(family or '')} {fold(given or '')}".strip()


def words_of(record: Any, *names: str | None) -> set[str]:
    """The words of a record, and of other names that the person has."""
    postcode = (record["address"][-1:] or [""])[0].split()[:1]
    found = {fold(record["external_id"]), fold(record["insured_number"])}
    for text in (record["given_name"], record["family_name"], *names, *postcode):
        for whole in (text or "").split():
            for piece in (whole, *re.split(r"[^\w]", whole)):
                found |= spellings(piece)
    return {word for word in found if len(word) >= SHORTEST}


def read_words(typed: str) -> tuple[str, ...]:
    """The beginnings of words to look for; none where all that was typed is too short to tell persons apart."""
    pieces = [typed] if NUMBER.fullmatch(typed) and len(fold(typed)) >= SHORTEST_INSURED else typed.split()
    words = dict.fromkeys(fold(piece) for piece in pieces)
    return tuple(word for word in words if _tells(word))[:MOST_TYPED]


def _tells(word: str) -> bool:
    if not word.isdecimal():
        return len(word) >= SHORTEST
    return len(word) >= (SHORTEST_INSURED if word.startswith(OF_EVERYBODY) else SHORTEST_NUMBER)


def store_words(rows: Iterable[Any]) -> None:
    """Of records that have no words yet and belong to nobody: rows as they are imported."""
    _insert({"portal_id": row["portal_id"], "person_id": row["id"], "word": word}
            for row in rows for word in sorted(words_of(row)))  # fmt: skip


def renew_words(person_ids: Sequence[UUID]) -> None:
    """Of records that changed, or that an account was tied to; and the names by which they are sorted."""
    columns = (InsuredPerson.id, InsuredPerson.portal_id, InsuredPerson.external_id, InsuredPerson.insured_number,
               InsuredPerson.given_name, InsuredPerson.family_name, InsuredPerson.address,
               InsuredPerson.sort_name)  # fmt: skip
    for at in range(0, len(person_ids), BATCH):
        some = person_ids[at : at + BATCH]
        db.session.execute(delete(PersonWord).where(PersonWord.person_id.in_(some)))
        rows = (
            db.session.execute(
                select(*columns, Account.given_name.label("given"), Account.family_name.label("family"))
                .outerjoin(Account, Account.id == InsuredPerson.account_id)
                .where(InsuredPerson.id.in_(some))
            )
            .mappings()
            .all()
        )
        _insert({"portal_id": row["portal_id"], "person_id": row["id"], "word": word}
                for row in rows for word in sorted(words_of(row, row["given"], row["family"])))  # fmt: skip
        _sort_anew(rows)


def _sort_anew(rows: Iterable[Any]) -> None:
    """The names that a record lacks are those of its account, as everywhere."""
    changed = []
    for row in rows:
        folded = sort_name(row["given_name"] or row["given"], row["family_name"] or row["family"])
        if folded != row["sort_name"]:
            changed.append({"id": row["id"], "sort_name": folded})
    if changed:
        db.session.execute(update(InsuredPerson), changed)


def _insert(rows: Iterable[dict[str, Any]]) -> None:
    if made := list(rows):
        db.session.execute(insert(PersonWord), made)
