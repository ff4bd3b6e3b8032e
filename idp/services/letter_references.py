"""The reference of a letter, C7K2-9PQX: it tells batch and letter, ends with a check character, and opens nothing."""

from __future__ import annotations

from sqlalchemy import select

from idp.models.base import db
from idp.models.letter_batch import BatchLetter
from idp.services.registration_codes import ALPHABET, check_character, normalise

MARK, PLACE = 4, 3  # characters that tell the batch, and the letter in it; then a check character
LENGTH = MARK + PLACE + 1


def make_reference(mark: str, number: int) -> str:
    """The batch, the letter's first place in it, and a check character; within a batch none comes twice."""
    base = len(ALPHABET)
    place = ALPHABET[number // base**2] + ALPHABET[number // base % base] + ALPHABET[number % base]
    return mark + place + check_character(mark + place)


def show_reference(reference: str) -> str:
    """In groups of four, as printed: C7K2-9PQX."""
    return f"{reference[:4]}-{reference[4:]}"


def read_reference(typed: str) -> str | None:
    """The reference as it is stored; None for what is none, a typing error too."""
    read = normalise(typed)
    is_whole = len(read) == LENGTH and all(character in ALPHABET for character in read)
    return read if is_whole and check_character(read[:-1]) == read[-1] else None


def find_letter(reference: str) -> BatchLetter | None:
    return db.session.scalar(select(BatchLetter).where(BatchLetter.reference == reference))


def edge(number: int | None, count: int, reference: str) -> str:
    """What stands at the edge of a letter, for the enclosing machine and for the desk: 0001/0412  C7K2-9PQX."""
    width = max(4, len(str(count)))
    return f"{number or 0:0{width}}/{count:0{width}}  {show_reference(reference)}"
