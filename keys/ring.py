"""The ring of signing keys. A key is published before it signs and stays published until its last token has died:
next → active → retiring → retired. `rotate` is pure: it returns the new ring and touches nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

NEXT, ACTIVE, RETIRING, RETIRED = "next", "active", "retiring", "retired"
PUBLISHED = (NEXT, ACTIVE, RETIRING)


@dataclass(frozen=True)
class RingKey:
    """One key as the ring sees it; the private part lives elsewhere, found by `kid`."""

    kid: str
    alg: str
    state: str
    public_jwk: dict[str, Any]
    since: datetime


@dataclass(frozen=True, repr=False)
class Ring:
    keys: tuple[RingKey, ...]

    def active(self, alg: str) -> RingKey | None:
        """The one key that signs with this algorithm."""
        return next((key for key in self.keys if key.alg == alg and key.state == ACTIVE), None)

    def published(self) -> tuple[RingKey, ...]:
        """The keys whose public part stands in the JWKS."""
        return tuple(key for key in self.keys if key.state in PUBLISHED)

    def document(self) -> dict[str, list[dict[str, Any]]]:
        """The public JSON Web Key Set (RFC 7517 §5): next, active and retiring keys."""
        return {"keys": [key.public_jwk for key in self.published()]}

    def find(self, kid: str) -> RingKey | None:
        return next((key for key in self.published() if key.kid == kid), None)

    def rotate(self, alg: str, fresh: RingKey, now: datetime) -> Ring:
        """Next becomes active, active becomes retiring, and the fresh key is published as next.

        On an empty ring, or one without a next key, the fresh key has nobody before it and is active at once.
        """
        successor = next((key for key in self.keys if key.alg == alg and key.state == NEXT), None)
        moved = []
        for key in self.keys:
            if key.alg == alg and key.state == ACTIVE:
                key = replace(key, state=RETIRING, since=now)
            elif successor is not None and key.kid == successor.kid:
                key = replace(key, state=ACTIVE, since=now)
            moved.append(key)
        return Ring((*moved, replace(fresh, state=NEXT if successor else ACTIVE, since=now)))

    def publish_next(self, alg: str, fresh: RingKey, now: datetime) -> Ring:
        """Announce the key that the next rotation will use."""
        return Ring((*self.keys, replace(fresh, state=NEXT, since=now)))

    def retire(self, now: datetime, longest_life: timedelta) -> Ring:
        """Take keys out of the JWKS once no token signed with them can be alive."""
        return Ring(
            tuple(
                replace(key, state=RETIRED, since=now)
                if key.state == RETIRING and now - key.since > longest_life
                else key
                for key in self.keys
            )
        )
