"""A grant as the token path reads it: one plain row with its account's status, without an object graph."""

from __future__ import annotations

from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import ColumnElement, Table, and_, bindparam, select

from idp.models.account import Account
from idp.models.authorization import Grant
from idp.models.base import UTCDateTime
from idp.models.prepared import Prepared

GRANT = cast(Table, Grant.__table__)
ACCOUNT = cast(Table, Account.__table__)


class LiveGrant(NamedTuple):
    """The facts of a grant that was alive when it was read."""

    id: UUID
    portal_id: UUID
    account_id: UUID
    sid: UUID
    scope: str
    nonce: str | None
    claims: dict[str, Any] | None
    resources: list[str] | None
    auth_time: datetime
    acr: str
    amr: list[str]
    expires_at: datetime


NAMES = LiveGrant._fields
COLUMNS = tuple(GRANT.c[name].label(f"grant_{name}") for name in NAMES)
OF_ACCOUNT = GRANT.join(ACCOUNT, ACCOUNT.c.id == GRANT.c.account_id)
NOW = bindparam("now", type_=UTCDateTime())
# A grant dies when it is revoked, when it expires, and with the right of its person to sign in.
IS_LIVE: ColumnElement[bool] = and_(
    GRANT.c.revoked_at.is_(None), GRANT.c.expires_at > NOW, ACCOUNT.c.status == "active"
)
BY_ID = Prepared(select(*COLUMNS).select_from(OF_ACCOUNT).where(GRANT.c.id == bindparam("grant_id"), IS_LIVE))
CELLS = attrgetter(*(column.key for column in COLUMNS))


def read(row: Any) -> LiveGrant:
    """The grant of a row that holds `COLUMNS`."""
    return LiveGrant._make(CELLS(row))
