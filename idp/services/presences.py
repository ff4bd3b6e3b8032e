"""The presence of a portal in a session (`PortalSession`): made at its first sign-on, and its id is the `sid` claim."""

from __future__ import annotations

from datetime import datetime
from functools import cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import Select, Table, bindparam, select
from sqlalchemy.dialects import postgresql, sqlite

from idp.models.base import db
from idp.models.live_grant import NOW
from idp.models.prepared import Prepared
from idp.models.session import PortalSession, Session

SESSION, PRESENCE = cast(Table, Session.__table__), cast(Table, PortalSession.__table__)
GIVEN = ("id", "session_id", "portal_id", "created_at")
KEY = ("session_id", "portal_id")
INSERTS: dict[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


def entering(dialect: str, found: Select[Any]) -> Any:
    """The INSERT of the presence whose values are `found` in the order of `GIVEN`, and which returns its id; where
    another tab has made one, the id of that.
    """
    entered = INSERTS[dialect](PRESENCE).from_select(GIVEN, found)
    entered = entered.on_conflict_do_update(index_elements=KEY, set_={"portal_id": entered.excluded.portal_id})
    return entered.returning(PRESENCE.c.id)


@cache
def _enter(dialect: str) -> Prepared:
    given = (
        bindparam("ident", type_=PRESENCE.c.id.type),
        SESSION.c.id,
        bindparam("portal", type_=PRESENCE.c.portal_id.type),
    )
    stays = select(*given, NOW).where(SESSION.c.id == bindparam("session"), SESSION.c.ended_at.is_(None))
    return Prepared(entering(dialect, stays.with_for_update(key_share=True)))


def enter(ident: UUID, session_id: UUID, portal_id: UUID, now: datetime) -> UUID | None:
    """The presence of a portal in a session that nobody ended, of this id unless there is one; else None.

    Whoever signs this session out waits from here to the end of the transaction, and so does another tab: what is
    given in it is withdrawn with all the rest, and one presence is made.
    """
    found = _enter(db.engine.dialect.name).first(ident=ident, session=session_id, portal=portal_id, now=now)
    return None if found is None else found.id
