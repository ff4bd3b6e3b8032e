"""Saved views of the console's lists: an operator's own filters under a name. Nobody else sees them.

They are not shared: a name or a portal could tell one fund of another, and a view would need an owner when its maker
leaves. The address of a list does the same; whoever is sent it saves it too (docs/decisions/0024).
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from uuid import UUID

from sqlalchemy import func, select

from idp.chance import Random, new_id
from idp.clock import Clock
from idp.models.base import db
from idp.models.saved_view import SavedView
from idp.services.lists import Listing, read_filters

MOST = 20  # of one operator
LONGEST = 40


class SavedViews:
    def __init__(self, clock: Clock, random: Random) -> None:
        self._clock = clock
        self._random = random

    def keep(self, account_id: UUID, listing: Listing, filters: Mapping[str, str], typed: str) -> str | None:
        """Save it; the message key of why that cannot be."""
        mine = select(func.count()).where(SavedView.account_id == account_id)
        if (db.session.scalar(mine) or 0) >= MOST:
            return "sav.e.many"
        if refusal := self._refusal(account_id, listing, typed):
            return refusal
        now = self._clock.now()
        db.session.add(
            SavedView(
                id=new_id(self._random, now), account_id=account_id, listing=listing.value, name=typed.strip(),
                filters=read_filters(listing, filters), made_at=now,
            )
        )  # fmt: skip
        return None

    def rename(self, view: SavedView, typed: str) -> str | None:
        """Give it this name; the message key of why that cannot be."""
        if typed.strip() == view.name:
            return None
        if refusal := self._refusal(view.account_id, Listing(view.listing), typed):
            return refusal
        view.name = typed.strip()
        return None

    def _refusal(self, account_id: UUID, listing: Listing, typed: str) -> str | None:
        name = typed.strip()
        if not 0 < len(name) <= LONGEST or not is_plain(name):
            return "sav.e.name"
        same = select(SavedView.id).where(
            SavedView.account_id == account_id, SavedView.listing == listing.value, SavedView.name == name
        )
        return "sav.e.twice" if db.session.scalar(same) is not None else None


def is_plain(name: str) -> bool:
    """Without controls, breaks of lines, and marks that would turn the writing of a page round."""
    return all(unicodedata.category(one)[0] != "C" and unicodedata.category(one) not in {"Zl", "Zp"} for one in name)
