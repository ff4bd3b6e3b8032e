"""A page of a long list: in the order of a column and the id, from the row where the last page ended.

Several statements are read as one list, each no further than a page: no portal's millions stand in the way of another's
few, and every one follows an index.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, literal, select, tuple_, union_all
from sqlalchemy.orm import InstrumentedAttribute

from idp.models.base import db

PAGE = 50
Ident = InstrumentedAttribute[UUID] | ColumnElement[UUID]
Column = InstrumentedAttribute[Any] | ColumnElement[Any]


@dataclass(frozen=True)
class Order:
    """By a column, and by the id where that is the same; without a column by the id alone, which is by time."""

    column: Column | None = None
    is_down: bool = True


@dataclass(frozen=True, repr=False)
class Place:
    """Where in a list a page begins, behind this row; or ends, before it, with `is_back`."""

    ident: UUID
    value: Any = None
    is_back: bool = False


@dataclass(frozen=True)
class Piece:
    """The ids of a page in their order, and whether there is more on either side."""

    ids: tuple[UUID, ...]
    has_next: bool
    has_previous: bool


def place(among: Select[Any], key: Ident, order: Order, ident: UUID | None, *, is_back: bool) -> Place | None:
    """The place of this row; None on the first page, and where the row is none of these or is gone."""
    if ident is None or order.column is None:
        return Place(ident, None, is_back) if ident is not None else None
    row = db.session.execute(among.with_only_columns(order.column).where(key == ident)).one_or_none()
    return Place(ident, row[0], is_back) if row is not None else None


def page(found: Select[Any], ident: Ident, order: Order, at: Place | None) -> Select[UUID]:
    """The ids of one page of what was found, and one more. Backwards where the page ends at a place."""
    columns = [ident] if order.column is None else [ident, order.column]
    return _limited(found.with_only_columns(*columns, maintain_column_froms=True), ident, order, at)


def together(pages: Sequence[Select[Any]], order: Order, at: Place | None) -> Select[UUID]:
    """One page of several lists, each of which is read no further than that."""
    if len(pages) == 1:
        return pages[0]
    union = union_all(*(select(one.subquery()) for one in pages)).subquery()
    ident, *column = union.c
    return _limited(select(*union.c), ident, Order(column[0] if column else None, order.is_down), at)


def cut(ids: Sequence[UUID], at: Place | None) -> Piece:
    """What a statement of a page gave, in the order of the list, whichever way it was asked for."""
    is_more, shown = len(ids) > PAGE, tuple(ids[:PAGE])
    if at is not None and at.is_back:
        return Piece(shown[::-1], has_next=bool(shown), has_previous=is_more)
    return Piece(shown, has_next=is_more, has_previous=at is not None and bool(shown))


def _limited(found: Select[Any], ident: Ident, order: Order, at: Place | None) -> Select[Any]:
    is_down = order.is_down != (at is not None and at.is_back)
    keys = [ident] if order.column is None else [order.column, ident]
    if at is not None:
        values = [literal(at.ident, ident.type)]
        if order.column is not None:
            values.insert(0, literal(at.value, order.column.type))
        ours, theirs = tuple_(*keys), tuple_(*values)
        found = found.where(ours < theirs if is_down else ours > theirs)
    return found.order_by(*(key.desc() if is_down else key.asc() for key in keys)).limit(PAGE + 1)
