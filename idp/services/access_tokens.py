"""Access tokens of either form by their hash: so both can be looked up, introspected and withdrawn.

The database decides whether a token is alive; the signature of a JWT is for resource servers that do not ask.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple, cast
from uuid import UUID

from sqlalchemy import Table, and_, bindparam, or_, select, update

from idp.chance import hash_of
from idp.clock import Clock
from idp.models import told_person
from idp.models.authorization import AccessToken
from idp.models.base import db
from idp.models.known_portals import known_portal
from idp.models.live_grant import COLUMNS, GRANT, IS_LIVE, NOW, LiveGrant, read
from idp.models.portal import Portal
from idp.models.prepared import Prepared
from idp.models.told_person import ACCOUNT, PHONE, RECORD, ToldPerson

PREFIX = "cc_at_"
TOKEN = cast(Table, AccessToken.__table__)
# One after the other: what is joined in parentheses SQLite would gather from all grants first.
OF_TOKEN = TOKEN.outerjoin(GRANT, GRANT.c.id == TOKEN.c.grant_id).outerjoin(ACCOUNT, ACCOUNT.c.id == GRANT.c.account_id)
IS_GOOD = and_(
    TOKEN.c.token_hash == bindparam("hash"), TOKEN.c.expires_at > NOW, TOKEN.c.revoked_at.is_(None),
    or_(TOKEN.c.grant_id.is_(None), IS_LIVE),
)  # fmt: skip
FACTS = (
    TOKEN.c.id, TOKEN.c.portal_id, TOKEN.c.scope, TOKEN.c.audience, TOKEN.c.confirmation, TOKEN.c.actor,
    TOKEN.c.created_at, TOKEN.c.expires_at, TOKEN.c.grant_id.label("of_grant"), *COLUMNS,
)  # fmt: skip
FIND = Prepared(select(*FACTS).select_from(OF_TOKEN).where(IS_GOOD))
FIND_WITH_PERSON = Prepared(  # in one journey
    select(*FACTS, *told_person.COLUMNS)
    .select_from(
        OF_TOKEN.outerjoin(
            RECORD, and_(RECORD.c.account_id == ACCOUNT.c.id, RECORD.c.portal_id == TOKEN.c.portal_id)
        ).outerjoin(PHONE, PHONE.c.account_id == ACCOUNT.c.id)
    )
    .where(IS_GOOD)
)
REVOKE = (
    update(TOKEN)
    .where(
        and_(
            TOKEN.c.token_hash == bindparam("hash"), TOKEN.c.portal_id == bindparam("portal"),
            TOKEN.c.revoked_at.is_(None),
        )
    )
    .values(revoked_at=NOW)
)  # fmt: skip


class TokenFacts(NamedTuple):
    """What is kept of a token beside its hash."""

    id: UUID
    scope: str
    audience: tuple[str, ...]
    confirmation: dict[str, Any]
    actor: dict[str, Any] | None
    created_at: datetime
    expires_at: datetime


class LiveToken(NamedTuple):
    """A token that counts now. `grant` is None where nobody signed in: the client credentials grant. `told` is the
    person at this portal, where it was asked for.
    """

    portal: Portal
    grant: LiveGrant | None
    facts: TokenFacts
    told: ToldPerson | None = None


class AccessTokens:
    def __init__(self, issuer: str, clock: Clock) -> None:
        self._issuer = issuer
        self._clock = clock

    def find(self, secret: str, *, with_person: bool = False) -> LiveToken | None:
        """The token, unless it is unknown, expired, withdrawn, or its portal, grant or account is no more."""
        row = (FIND_WITH_PERSON if with_person else FIND).first(hash=hash_of(secret), now=self._clock.now())
        portal = known_portal(row.portal_id) if row else None
        if portal is None:
            return None
        facts = TokenFacts(
            id=row.id,
            scope=row.scope,
            audience=tuple(row.audience or (self._issuer,)),
            confirmation=row.confirmation or {},
            actor=row.actor,
            created_at=row.created_at,
            expires_at=row.expires_at,
        )
        told = told_person.read(row) if with_person else None
        return LiveToken(portal, read(row) if row.of_grant else None, facts, told)

    def revoke(self, portal: Portal, secret: str) -> None:
        """Withdraw a token of this portal; another's, or an unknown one, is left alone."""
        db.session.execute(REVOKE, {"hash": hash_of(secret), "portal": portal.id, "now": self._clock.now()})
