"""Idempotency keys (draft-ietf-httpapi-idempotency-key-header): the same request is done once and answered alike.

The answer is kept in the transaction of what it answers, sealed, for a day. A refusal is not kept: it changed nothing.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update

from idp.chance import hash_of
from idp.clock import Clock
from idp.models.api_reply import ApiReply
from idp.models.base import db, insert_if_absent, write
from keys import Vault

KEPT_FOR = timedelta(hours=24)
ABANDONED_AFTER = timedelta(minutes=2)  # who began and was killed answers no more


@dataclass(frozen=True, repr=False)
class Reply:
    """What was answered the first time."""

    status: int
    headers: dict[str, str]
    body: str


@dataclass(frozen=True)
class Begun:
    """The key is ours: do it, and keep the answer."""

    key_hash: str
    started_at: datetime


class Busy:
    """The first request is not answered yet."""


class Reused:
    """The key stood on another request."""


class ApiReplies:
    def __init__(self, clock: Clock, vault: Vault) -> None:
        self._clock = clock
        self._vault = vault

    def begin(self, client_id: UUID, key: str, request_hash: str) -> Begun | Reply | Busy | Reused:
        """Take the key, committed at once; or what became of it."""
        now, key_hash = self._clock.now(), hash_of(f"{client_id}|{key}")
        fresh = {
            "request_hash": request_hash, "status": None, "sealed_answer": None, "started_at": now,
            "expires_at": now + KEPT_FOR,
        }  # fmt: skip
        is_new = insert_if_absent(ApiReply, key_hash=key_hash, api_client_id=client_id, **fresh)
        db.session.commit()
        if is_new:
            return Begun(key_hash, now)
        row = db.session.execute(select(*ApiReply.__table__.c).where(ApiReply.key_hash == key_hash)).one_or_none()
        if row is None:
            return Busy()
        is_abandoned = row.status is None and row.started_at <= now - ABANDONED_AFTER
        if is_abandoned or row.expires_at <= now:
            mine = (ApiReply.key_hash == key_hash, ApiReply.started_at == row.started_at)
            is_taken = write(update(ApiReply).where(*mine).values(**fresh)) == 1
            db.session.commit()
            return Begun(key_hash, now) if is_taken else Busy()
        if row.request_hash != request_hash:
            return Reused()
        if row.status is None:
            return Busy()
        kept = json.loads(self._vault.open(row.sealed_answer, _context(key_hash)))
        return Reply(row.status, kept["headers"], kept["body"])

    def keep(self, begun: Begun, reply: Reply) -> bool:
        """Keep the answer, in the transaction of what it answers; False where somebody took the key over since."""
        kept = json.dumps({"headers": reply.headers, "body": reply.body}).encode()
        values = {"status": reply.status, "sealed_answer": self._vault.seal(kept, _context(begun.key_hash))}
        return write(update(ApiReply).where(*_held(begun)).values(**values)) == 1

    def forget(self, begun: Begun) -> None:
        """Nothing was done: the key is free again."""
        write(delete(ApiReply).where(*_held(begun)))
        db.session.commit()


def _held(begun: Begun) -> tuple[ColumnElement[bool], ...]:
    return (
        ApiReply.key_hash == begun.key_hash,
        ApiReply.started_at == begun.started_at,
        ApiReply.status.is_(None),
    )


def _context(key_hash: str) -> str:
    return f"api_reply.sealed_answer.{key_hash}"
