"""Lists of the console: filtered and sorted as their address says, a page at a time (ux.md §9.1).

A page goes on behind the row where the last one ended, whatever was added meanwhile; the address names that row by its
id alone, for what it is sorted by may be a name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from flask import request
from sqlalchemy import Select, select, union_all
from sqlalchemy.orm import InstrumentedAttribute
from sqlalchemy.orm.interfaces import ORMOption

from idp.models.base import Base, db
from idp.models.keyset import Column, Order, Piece, cut, page, place, together
from idp.models.total import Total, total_of
from idp.texts import format_count
from idp.web import kept
from idp.web.forms import line
from idp.web.i18n import language, text

Row = TypeVar("Row", bound=Base)
Choices = Mapping[str, tuple[str, Sequence[tuple[str, str]]]]  # of a filter: its label, and values with their words
DOWN = "-"


@dataclass(frozen=True)
class Sort:
    """What a list can be sorted by. `words`: whether its directions are told as those of time or of names."""

    name: str
    column: Column | None = None  # empty for the id, which is by time
    words: str = "time"


@dataclass(frozen=True)
class Listing:
    """One list: what it can be filtered and sorted by; the first sort is the usual one."""

    name: str
    filters: tuple[str, ...]
    sorts: tuple[Sort, ...]
    is_down: bool = True

    @property
    def address(self) -> str:
        return f"/admin/{self.name}"

    def asked(self) -> Asked:
        """What the address of this request asks for."""
        given = {name: line(request.args.get(name))[:100] for name in self.filters}
        wish = request.args.get("sort", "")
        sort = next((one for one in self.sorts if one.name == wish.removeprefix(DOWN)), None)
        is_down = wish.startswith(DOWN) if sort is not None else self.is_down
        before, after = (_id(request.args.get(name, "")) for name in ("before", "after"))
        return Asked(self, given, sort or self.sorts[0], is_down, before, after)


@dataclass(frozen=True, repr=False)
class Asked:
    """What an address asks of a list. `name` and `query` are all there is to know to show or to keep the same list:
    whatever reads it again gives `query` to the address of the list.
    """

    listing: Listing
    filters: Mapping[str, str]
    sort: Sort
    is_down: bool
    before: UUID | None = None
    after: UUID | None = None

    @property
    def name(self) -> str:
        return self.listing.name

    @property
    def order(self) -> Order:
        return Order(self.sort.column, self.is_down)

    @property
    def sorted(self) -> str:
        """As it stands in the address; empty for the usual way."""
        is_usual = self.sort == self.listing.sorts[0] and self.is_down == self.listing.is_down
        return "" if is_usual else f"{DOWN if self.is_down else ''}{self.sort.name}"

    @property
    def query(self) -> str:
        """The filters and the sort, as they stand in an address; neither the page nor what was searched for."""
        return urlencode(self._entries())

    def link(self, search: str = "", **changes: str) -> str:
        """The same list with these changes; with what was typed into the box, as long as that is searched for."""
        entries = self._entries(**changes)
        return f"?{urlencode({**entries, **({kept.PARAMETER: search} if search else {})})}"

    def _entries(self, **changes: str) -> dict[str, str]:
        known = {**self.filters, "sort": self.sorted, **changes}
        return {name: value for name, value in known.items() if value}


@dataclass(frozen=True, repr=False)
class Head:
    """Of a column: how the list is sorted by it, if it is, and what the link sorts it by next, in words."""

    state: str
    address: str
    words: str


@dataclass(frozen=True, repr=False)
class Around:
    """What stands around the rows of a list: the total in words, heads to sort by, filters to take away, and the pages
    before and behind, as address and words.
    """

    address: str
    sorted: str
    total: str
    heads: Mapping[str, Head]
    chips: tuple[tuple[str, str], ...]
    pages: tuple[tuple[str, str], ...]

    @property
    def is_filtered(self) -> bool:
        return bool(self.chips)


def page_of(
    asked: Asked, key: InstrumentedAttribute[UUID], among: Select[Row], found: Sequence[Select[Row]], *load: ORMOption
) -> tuple[list[Row], Piece, Total]:
    """The rows of a page of what was found, by portal where that is how it is read quickly; `among`: everything that
    this operator may see.
    """
    if not found:
        return [], Piece((), has_next=False, has_previous=False), Total(0)
    order, ident = asked.order, asked.before or asked.after
    at = place(among, key, order, ident, is_back=asked.before is None)
    piece = cut(list(db.session.scalars(together([page(one, key, order, at) for one in found], order, at))), at)
    rows = db.session.scalars(select(key.class_).where(key.in_(piece.ids)).options(*load))
    known: dict[UUID, Any] = {getattr(row, key.key): row for row in rows}
    return [known[one] for one in piece.ids if one in known], piece, total_of(_all_of(key, found))


def around(asked: Asked, piece: Piece, total: Total, choices: Choices, search: tuple[str, str] = ("", "")) -> Around:
    """`search` is what was typed into the box, sealed and in plain text."""
    sealed, typed = search
    pages, words = [], _page_words(asked)
    if piece.has_previous and piece.ids:
        pages.append((asked.link(sealed, after=str(piece.ids[0])), words[0]))
    if piece.has_next and piece.ids:
        pages.append((asked.link(sealed, before=str(piece.ids[-1])), words[1]))
    chips = [(asked.link(), f"{text('lst.search')}: {typed}")] if typed else []
    for name, (label, values) in choices.items():
        if value := asked.filters.get(name):
            chips.append((asked.link(sealed, **{name: ""}), f"{label}: {dict(values).get(value, value)}"))
    return Around(
        address=asked.listing.address,
        sorted=asked.sorted,
        total=text(f"lst.total.{total.exactness}", n=format_count(total.count, language())),
        heads={one.name: _head(asked, one, sealed) for one in asked.listing.sorts},
        chips=tuple(chips),
        pages=tuple(pages),
    )


def _head(asked: Asked, sort: Sort, search: str) -> Head:
    """The other way round where it is sorted by this already; else as one begins: the newest, or the letter A."""
    is_ours = sort == asked.sort
    is_down = not asked.is_down if is_ours else sort.words == "time"
    is_usual = sort == asked.listing.sorts[0] and is_down == asked.listing.is_down
    wish = "" if is_usual else f"{DOWN if is_down else ''}{sort.name}"
    state = ("descending" if asked.is_down else "ascending") if is_ours else ""
    return Head(state, asked.link(search, sort=wish), text(f"lst.sort.{sort.words}.{'down' if is_down else 'up'}"))


def _page_words(asked: Asked) -> tuple[str, str]:
    if asked.sort.words != "time" or asked.sort.column is not None:
        return text("lst.previous"), text("lst.next")
    words = text("per.newer"), text("adm.older")
    return words if asked.is_down else words[::-1]


def _all_of(key: InstrumentedAttribute[UUID], found: Sequence[Select[Row]]) -> Select[Any]:
    parts = [one.with_only_columns(key, maintain_column_froms=True) for one in found]
    return parts[0] if len(parts) == 1 else select(union_all(*parts).subquery())


def _id(typed: str) -> UUID | None:
    with suppress(ValueError):
        return UUID(typed)
    return None
