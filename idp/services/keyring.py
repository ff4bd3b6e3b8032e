"""The signing ring at work: keys in the database, read for a second at a time, opened once, rotated safely.

Several processes may create or rotate at once: the moves are conditional writes inside one transaction.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from idp.clock import Clock
from idp.models.base import db, insert_if_absent, write
from idp.models.signing_key import SigningKey
from idp.settings import Settings
from keys import EnvelopeError, InvalidToken, Vault
from keys.jwk import ALGORITHMS, generate, public_document, read_private
from keys.jws import Signer, peek, verify
from keys.ring import ACTIVE, NEXT, PUBLISHED, RETIRED, RETIRING, Ring, RingKey

FRESH_FOR = timedelta(seconds=1)
PUBLISHED_BEFORE_USE = timedelta(hours=24)
LONGEST_TOKEN_LIFE = timedelta(hours=24)


@dataclass(frozen=True, repr=False)
class _Loaded:
    ring: Ring
    sealed: Mapping[str, str]
    planned: Mapping[str, datetime]  # of active keys: when an operator wants the next one to take over
    at: datetime


class Keyring:
    def __init__(self, settings: Settings, clock: Clock, vault: Vault) -> None:
        self._settings = settings
        self._clock = clock
        self._vault = vault
        self._lock = threading.Lock()
        self._loaded: _Loaded | None = None
        self._signers: dict[str, Signer] = {}

    def ensure(self) -> None:
        """Make the first active and next key of every algorithm where there is none; of several processes that start
        at once, the key of the first counts.
        """
        present = {(row.alg, row.state) for row in self.rows()}
        db.session.rollback()  # nothing is held while keys are made, which takes seconds
        for alg in ALGORITHMS:
            for state in (ACTIVE, NEXT):
                if (alg, state) not in present:
                    insert_if_absent(SigningKey, **self._new_values(alg, state))
                    db.session.commit()
        self._forget()

    def rotate(self, alg: str | None = None) -> list[str]:
        """Let the announced key of one algorithm (or of all) sign from now on; returns the kids now active."""
        for name in ALGORITHMS if alg is None else (alg,):
            self._rotate(name)
        return [key.kid for key in self._read().ring.keys if key.state == ACTIVE and alg in {None, key.alg}]

    def _rotate(self, alg: str, seen: str | None = None) -> bool:
        """One algorithm in one transaction; when another process moved the same keys first, nothing is left to do.
        With `seen`, only while this key signs: what is due of one key is not due of the next.
        """
        now, ring, fresh = self._clock.now(), self._read().ring, self._new_values(alg, NEXT)
        active = ring.active(alg)
        if seen is not None and (active is None or active.kid != seen):
            return False
        after = ring.rotate(alg, _seen(SigningKey(**fresh)), now)
        moved = [(before, key) for key in after.keys if (before := ring.find(key.kid)) and before.state != key.state]
        moved.sort(key=lambda move: move[1].state != RETIRING)  # two are never active, not even on the way
        fresh["state"] = next(key.state for key in after.keys if key.kid == fresh["kid"])
        is_done = all(self._move(key, now, before=before.state) for before, key in moved) and insert_if_absent(
            SigningKey, **fresh
        )
        if is_done:
            db.session.commit()
        else:
            db.session.rollback()
        self._forget()
        return is_done

    def rotate_if_due(self) -> list[str]:
        """What the calendar asks for: rotate what signed long enough or was planned for now, drop what no living token
        needs; the algorithms that were rotated.
        """
        now = self._clock.now()
        # Of one reading: what is due of a key is not due of the one that another thread put in its place meanwhile.
        ripe = [key for key, at in self._calendar() if at <= now]
        due = [key.alg for key in ripe if self._rotate(key.alg, key.kid)]
        for key in self._read().ring.retire(now, LONGEST_TOKEN_LIFE).keys:
            if key.state == RETIRED:
                self._move(key, now, before=RETIRING)
        db.session.commit()
        self._forget()
        return due

    def calendar(self) -> dict[str, datetime]:
        """When the next key of each algorithm takes over: as planned, else when the active one signed long enough; and
        never before it was published for a day.
        """
        return {key.alg: at for key, at in self._calendar()}

    def _calendar(self) -> list[tuple[RingKey, datetime]]:
        """The keys that sign, and when each is followed by the next."""
        loaded = self._read()
        keys = loaded.ring.keys
        ripe = {key.alg: key.since + PUBLISHED_BEFORE_USE for key in keys if key.state == NEXT}
        wanted = [
            (key, loaded.planned.get(key.kid, key.since + self._settings.key_active_for))
            for key in keys
            if key.state == ACTIVE
        ]
        return [(key, max(at, ripe.get(key.alg, at))) for key, at in wanted]

    def plan(self, alg: str | None, at: datetime | None) -> list[str]:
        """Let the next key of one algorithm, or of all, take over then; or by age again, where `at` is empty. The
        algorithms of the keys that it counts for; part of the caller's transaction.
        """
        changed = update(SigningKey).where(SigningKey.state == ACTIVE).values(rotate_at=at)
        if alg is not None:
            changed = changed.where(SigningKey.alg == alg)
        algs = list(db.session.scalars(changed.returning(SigningKey.alg).execution_options(synchronize_session=False)))
        self._forget()
        return sorted(algs)

    def announced_lately(self, alg: str | None = None) -> list[str]:
        """The algorithms whose next key is so young that a portal may not have read it yet."""
        keys, now = self._read().ring.keys, self._clock.now()
        young = {key.alg for key in keys if key.state == NEXT and now - key.since < PUBLISHED_BEFORE_USE}
        return [name for name in ALGORITHMS if name in young and alg in {None, name}]

    def sign(self, claims: Mapping[str, Any], *, alg: str, typ: str) -> str:
        """Sign with the active key of this algorithm."""
        loaded = self._read()
        key = loaded.ring.active(alg)
        if key is None:
            raise LookupError(f"no active {alg} key: run `connect key list`")
        return self._signer(key, loaded.sealed[key.kid]).sign(claims, typ=typ)

    def verify(self, token: str, *, typ: str | None, algs: tuple[str, ...] = ALGORITHMS) -> dict[str, Any]:
        """The claims of a token we signed, of the expected kind. Raises `InvalidToken`; judges no claim."""
        header = peek(token)
        kid = header.get("kid")
        key = self._read().ring.find(kid) if isinstance(kid, str) and len(kid) <= 64 else None
        if key is None or key.alg not in algs:
            raise InvalidToken("no published key of this name")
        if typ is not None and header.get("typ") != typ:
            raise InvalidToken("a token of another kind")
        return verify(token, key.public_jwk, alg=key.alg)

    def ring(self) -> Ring:
        """The keys as they are now: another object whenever they were read anew."""
        return self._read().ring

    def known_ring(self) -> Ring | None:
        """The keys, where they need not be read for it."""
        loaded = self._loaded
        return loaded.ring if loaded is not None and self._is_fresh(loaded) else None

    def unreadable(self) -> list[str]:
        """The kids of published keys that this master key does not open."""
        kids = []
        for row in self.rows():
            try:
                if row.state in PUBLISHED:
                    self._vault.open(row.sealed_private, f"signing_key.sealed_private.{row.kid}")
            except EnvelopeError:
                kids.append(row.kid)
        return kids

    def rows(self) -> list[SigningKey]:
        return list(db.session.scalars(select(SigningKey).order_by(SigningKey.alg, SigningKey.created_at)))

    def _read(self) -> _Loaded:
        known = self._loaded
        if known is not None and self._is_fresh(known):
            return known
        now = self._clock.now()
        with self._lock:  # others wait for the one that reads, and ask again whether they must
            if self._loaded is None or not self._is_fresh(self._loaded):
                rows = [row for row in self.rows() if row.state in PUBLISHED]
                sealed = {row.kid: row.sealed_private for row in rows}
                planned = {row.kid: row.rotate_at for row in rows if row.rotate_at is not None and row.state == ACTIVE}
                self._loaded = _Loaded(Ring(tuple(_seen(row) for row in rows)), sealed, planned, now)
                self._signers = {kid: signer for kid, signer in self._signers.items() if kid in sealed}
            return self._loaded

    def _is_fresh(self, loaded: _Loaded) -> bool:
        return timedelta(0) <= self._clock.now() - loaded.at < FRESH_FOR

    def _forget(self) -> None:
        with self._lock:
            self._loaded = None

    def _signer(self, key: RingKey, sealed: str) -> Signer:
        """Opened only when it signs: checking an RSA key takes a third of a second, and most keys wait or verify."""
        signer = self._signers.get(key.kid)
        if signer is None:
            private = read_private(json.loads(self._vault.open(sealed, f"signing_key.sealed_private.{key.kid}")))
            signer = self._signers[key.kid] = Signer(private, alg=key.alg, kid=key.kid)
        return signer

    def _new_values(self, alg: str, state: str) -> dict[str, Any]:
        """The row of a new key."""
        key, now = generate(alg), self._clock.now()
        document = public_document(key, alg)
        sealed = self._vault.seal(
            json.dumps(key.as_dict(private=True)).encode(), f"signing_key.sealed_private.{document['kid']}"
        )
        return {
            "kid": document["kid"], "alg": alg, "state": state, "public_jwk": document, "sealed_private": sealed,
            "created_at": now, "state_since": now,
        }  # fmt: skip

    def _move(self, key: RingKey, now: datetime, *, before: str) -> bool:
        """Into its new state, once: False when it is no longer in the state it was seen in."""
        values: dict[str, Any] = {"state": key.state, "state_since": now, "rotate_at": None}
        if key.state == RETIRED:
            values["sealed_private"] = ""
        return (
            write(update(SigningKey).where(SigningKey.kid == key.kid, SigningKey.state == before).values(**values)) == 1
        )


def _seen(row: SigningKey) -> RingKey:
    return RingKey(row.kid, row.alg, row.state, row.public_jwk, row.state_since)
