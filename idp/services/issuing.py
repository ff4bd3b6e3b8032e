"""The statements by which a session, a code or a refresh token is used and what it gives is kept: both or neither.

On PostgreSQL that is one statement, which waits for whoever uses or ends the same at the same time and then meets no
row; on SQLite up to three in one transaction.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any, cast
from uuid import UUID

from sqlalchemy import CTE, Column, ColumnElement, Insert, Table, and_, bindparam, exists, insert, select, update
from sqlalchemy.sql.dml import ReturningUpdate

from idp.models.authorization import AccessToken, AuthorizationCode, PendingRequest, RefreshToken
from idp.models.base import UTCDateTime, writes_in_queries
from idp.models.live_grant import GRANT, NOW
from idp.models.prepared import Prepared
from idp.models.session import Session
from idp.services.presences import enter, entering

SESSION, PENDING, CODE, TOKEN, REFRESH = (
    cast(Table, model.__table__) for model in (Session, PendingRequest, AuthorizationCode, AccessToken, RefreshToken)
)
GRANT_GIVEN = tuple(column for column in GRANT.c if column.key != "revoked_at")
CODE_GIVEN = tuple(column for column in CODE.c if column.key != "used_at")
ACCESS_GIVEN = tuple(column for column in TOKEN.c if column.key != "revoked_at")
REFRESH_GIVEN = tuple(column for column in REFRESH.c if column.key != "used_at")
RECORD_GRANT = Prepared(insert(GRANT), *(column.key for column in GRANT_GIVEN))
RECORD_CODE = Prepared(insert(CODE), *(column.key for column in CODE_GIVEN))
RECORD = Prepared(insert(TOKEN), *(column.key for column in ACCESS_GIVEN))
RECORD_REFRESH = Prepared(insert(REFRESH), *(column.key for column in REFRESH_GIVEN))


@dataclass(frozen=True, repr=False)
class Made:
    """The rows of an access token and perhaps a refresh token that are about to be handed out."""

    access: Mapping[str, Any]
    refresh: Mapping[str, Any] | None = None


def _insert(
    table: Table, given: tuple[Column[Any], ...], prefix: str, used: CTE, **found: ColumnElement[Any]
) -> Insert:
    """A row of these values, and of what was found, if something was used."""
    values = [
        found.get(column.key, bindparam(f"{prefix}_{column.key}", type_=column.type)) for column in given
    ]  # fmt: skip
    return insert(table).from_select([column.key for column in given], select(*values).select_from(used))


IS_OPEN = and_(SESSION.c.id == bindparam("session"), SESSION.c.ended_at.is_(None))
TOUCHED = update(SESSION).where(IS_OPEN).values(seen_at=NOW).returning(SESSION.c.id)
HELD = select(SESSION.c.id).where(IS_OPEN).with_for_update(read=True)  # so long it is not ended
TOUCH_SESSION = Prepared(TOUCHED)
ANSWERED = (  # a request that waits, once
    update(PENDING)
    .where(PENDING.c.id == bindparam("request"), PENDING.c.consumed_at.is_(None))
    .values(consumed_at=NOW)
    .returning(PENDING.c.id)
)
ANSWER = Prepared(ANSWERED)


@cache
def _sign_on(*, enters: bool, touches: bool, answers: bool) -> Prepared:
    used = stays = (TOUCHED if touches else HELD).cte("stays")
    found: dict[str, ColumnElement[Any]] = {}
    if answers:
        used = ANSWERED.where(exists(stays.select())).cte("answered")
    if enters:
        ident, portal = (bindparam(f"grant_{key}", type_=GRANT.c[key].type) for key in ("sid", "portal_id"))
        session = bindparam("session", type_=SESSION.c.id.type)
        used = entering("postgresql", select(ident, session, portal, NOW).select_from(used)).cte("entered")
        found = {"sid": used.c.id}
    grant = _insert(GRANT, GRANT_GIVEN, "grant", used, **found).cte("given")
    return Prepared(_insert(CODE, CODE_GIVEN, "code", used).add_cte(grant))


class _Statements:
    def __init__(self, use: ReturningUpdate[Any]) -> None:
        used = use.cte("used")
        access = _insert(TOKEN, ACCESS_GIVEN, "access", used)
        self.use = Prepared(use)
        self.use_and_keep = Prepared(access)
        self.use_and_keep_both = Prepared(
            _insert(REFRESH, REFRESH_GIVEN, "refresh", used).add_cte(access.cte("access"))
        )


IS_UNUSED = (REFRESH.c.id == bindparam("used"), REFRESH.c.used_at.is_(None))


class Use(Enum):
    """What is done with what was shown. A code is redeemed, a refresh token rotates, or lives longer."""

    REDEEM = _Statements(
        update(CODE)
        .where(CODE.c.id == bindparam("used"), CODE.c.used_at.is_(None))
        .values(used_at=NOW)
        .returning(CODE.c.grant_id)
    )
    ROTATE = _Statements(update(REFRESH).where(*IS_UNUSED).values(used_at=NOW).returning(REFRESH.c.grant_id))
    PROLONG = _Statements(
        update(REFRESH)
        .where(*IS_UNUSED)
        .values(expires_at=bindparam("until", type_=UTCDateTime()))
        .returning(REFRESH.c.grant_id)
    )


@dataclass(frozen=True, repr=False)
class Usable:
    """A code or refresh token that was usable when it was read, and the values of its use."""

    use: Use
    grant_id: UUID
    values: Mapping[str, Any]

    def spend(self) -> bool:
        """Use it and give nothing; False where somebody else did before."""
        return self.use._value_.use.first(**self.values) is not None

    def give(self, made: Made) -> bool:
        """Use it and keep what it gives; False, and nothing is kept, where somebody else used it before."""
        statements: _Statements = self.use._value_  # `value` takes three calls to say the same
        if not writes_in_queries():
            if not self.spend():
                return False
            record(made)
            return True
        values = {**self.values, **{f"access_{name}": value for name, value in made.access.items()}}
        if made.refresh is None:
            return statements.use_and_keep.count(**values) == 1
        values |= {f"refresh_{name}": value for name, value in made.refresh.items()}
        return statements.use_and_keep_both.count(**values) == 1


def answer(request_id: UUID, now: datetime) -> bool:
    """A request that waits counts as answered; False where it was answered before."""
    return ANSWER.first(request=request_id, now=now) is not None


def sign_on(
    grant: Mapping[str, Any], code: Mapping[str, Any], *,
    enters: bool = False, touches: bool = True, answers: UUID | None = None,
) -> bool:  # fmt: skip
    """Keep a grant and its code for its session; False where somebody ended that, or answered the request `answers`:
    then nothing is kept, on SQLite once the transaction is rolled back.

    `enters`: the portal is new to the session as far as is known, and the grant's `sid` is that of the presence to make
    unless there is one by now. `touches`: that the session is used is written down, as it always is on SQLite, where
    only who writes has a transaction. Who ends the session waits, and withdraws this with the rest.
    """
    used = {"session": grant["session_id"], "now": grant["created_at"]}
    if writes_in_queries():
        values = {f"grant_{name}": value for name, value in grant.items()}
        values |= {f"code_{name}": value for name, value in code.items()}
        keep = _sign_on(enters=enters, touches=touches, answers=answers is not None)
        return keep.count(**used, **values, request=answers) == 1
    if TOUCH_SESSION.first(**used) is None or not (answers is None or answer(answers, grant["created_at"])):
        return False
    if enters:
        grant = {**grant, "sid": enter(grant["sid"], grant["session_id"], grant["portal_id"], grant["created_at"])}
    keep_grant(grant)
    RECORD_CODE.count(**code)
    return True


def keep_grant(grant: Mapping[str, Any]) -> None:
    """By itself; a device has its code already."""
    RECORD_GRANT.count(**grant)


def record(made: Made) -> None:
    """Keep what is given for something else: a device's code, another token, a client's own name."""
    RECORD.count(**made.access)
    if made.refresh is not None:
        RECORD_REFRESH.count(**made.refresh)
