"""The words by which insured persons are found, one row a word: an index that both engines search by range."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import ColumnElement, ForeignKey, Index, Select, String, exists, select
from sqlalchemy.orm import InstrumentedAttribute, Mapped, mapped_column

from idp.models.base import Base

# In the order of code points whatever the language of the database, so that a beginning is a range.
WORD = String().with_variant(String(collation="C"), "postgresql")


class PersonWord(Base):
    """A folded word (services/person_words.py) of a record of a portal."""

    __tablename__ = "person_word"
    __table_args__ = (Index("ix_person_word_person_id", "person_id", "word"),)

    portal_id: Mapped[UUID] = mapped_column(primary_key=True)
    word: Mapped[str] = mapped_column(WORD, primary_key=True)
    person_id: Mapped[UUID] = mapped_column(ForeignKey("insured_person.id", ondelete="CASCADE"), primary_key=True)


def persons_with(portal_ids: Sequence[UUID], beginning: str) -> Select[UUID]:
    """The persons of these portals who have a word that begins so; some more than once."""
    return select(PersonWord.person_id).where(PersonWord.portal_id.in_(portal_ids), *_begins(beginning))


def has_word(person_id: ColumnElement[UUID] | InstrumentedAttribute[UUID], beginning: str) -> ColumnElement[bool]:
    """Whether this person has a word that begins so."""
    return exists().where(PersonWord.person_id == person_id, *_begins(beginning))


def _begins(beginning: str) -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    after = beginning[:-1] + chr(ord(beginning[-1]) + 1)  # the first word that sorts behind all that begin so
    return PersonWord.word >= beginning, PersonWord.word < after
