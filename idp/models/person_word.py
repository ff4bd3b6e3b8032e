"""The words by which insured persons are found, one row a word: an index that both engines search by range."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from sqlalchemy import CTE, ForeignKey, Index, String, intersect, select
from sqlalchemy.orm import Mapped, mapped_column

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


def with_words(portal_ids: Sequence[UUID], beginnings: Sequence[str]) -> CTE:
    """The persons of these portals who have a word with each of these beginnings.

    Found as a whole before anything else is asked: its cost grows with what matches and never with what does not,
    whatever the database believes of how words go together.
    """
    each = [
        select(PersonWord.person_id).where(
            PersonWord.portal_id.in_(portal_ids), PersonWord.word >= one, PersonWord.word < _after(one)
        )
        for one in beginnings
    ]
    found = each[0].distinct() if len(each) == 1 else intersect(*each)
    return found.cte("found").prefix_with("MATERIALIZED")


def _after(beginning: str) -> str:
    """The first word that sorts behind all that begin so."""
    return beginning[:-1] + chr(ord(beginning[-1]) + 1)
