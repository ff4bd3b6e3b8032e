"""Lists of the console: newest first, a page at a time, by the key where the last page ended (ux.md §9.1).

Ids sort by time, so a page goes on where the last one ended, whatever was added meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any, TypeVar
from urllib.parse import urlencode
from uuid import UUID

from flask import request
from sqlalchemy import Select
from sqlalchemy.orm import InstrumentedAttribute

from idp.models.base import Base, db
from idp.web.forms import line

PAGE = 50
Row = TypeVar("Row", bound=Base)


def filters(*names: str) -> dict[str, str]:
    """What this address filters by; empty where it does not."""
    return {name: line(request.args.get(name))[:100] for name in names}


def page_of(found: Select[Row], key: InstrumentedAttribute[UUID], given: Mapping[str, str]) -> tuple[list[Row], str]:
    """The rows of this page, and the address of the older ones with the same filters; empty on the last page."""
    with suppress(ValueError):
        found = found.where(key < UUID(request.args.get("before", "")))
    rows: list[Any] = list(db.session.scalars(found.order_by(key.desc()).limit(PAGE + 1)))
    shown, asked = rows[:PAGE], {name: value for name, value in given.items() if value}
    older = f"?{urlencode({**asked, 'before': str(shown[-1].id)})}" if len(rows) > PAGE else ""
    return shown, older
