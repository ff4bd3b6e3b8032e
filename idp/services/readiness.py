"""Whether this process should be sent requests: its database, the schema, the signing keys, Redis, and its operator.

Redis holds nothing that a sign-in needs: without it the service is poorer and ready all the same. A database that is
ahead belongs to the release that is being installed beside this one.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from sqlalchemy.exc import SQLAlchemyError

from idp.models.base import db
from idp.services import schema
from idp.services.bundle import Services
from keys.jwk import ALGORITHMS
from keys.ring import ACTIVE

OK, UNKNOWN = "ok", "unknown"


@dataclass(frozen=True)
class Readiness:
    """`database` is ok or down, `schema` ok or behind, `keys` ok, missing or unreadable, `redis` ok, lost or none."""

    is_draining: bool
    database: str
    schema: str
    keys: str
    redis: str

    @property
    def is_ready(self) -> bool:
        return not self.is_draining and {self.database, self.schema, self.keys} == {OK}

    @property
    def status(self) -> str:
        if self.is_draining:
            return "draining"
        if not self.is_ready:
            return "down"
        return "degraded" if self.redis == "lost" else OK


def readiness(bundle: Services) -> Readiness:
    """As it is at this moment."""
    drain_file = bundle.settings.drain_file
    is_draining, redis = drain_file is not None and drain_file.exists(), bundle.throttle.redis_state()
    try:
        is_behind = (schema.current() or "") < _newest()
        return Readiness(is_draining, OK, "behind" if is_behind else OK, _keys(bundle, is_behind=is_behind), redis)
    except SQLAlchemyError:
        db.session.rollback()
        return Readiness(is_draining, "down", UNKNOWN, UNKNOWN, redis)


@cache
def _newest() -> str:
    return schema.newest()  # reads the files of all migrations


def _keys(bundle: Services, *, is_behind: bool) -> str:
    if is_behind:
        return UNKNOWN  # the table may not be there
    if {row.alg for row in bundle.keyring.rows() if row.state == ACTIVE} < set(ALGORITHMS):
        return "missing"
    return "unreadable" if bundle.keyring.unreadable() else OK
