"""Pushed authorization requests (RFC 9126): kept under a secret `request_uri`, bound to their client, answered once.

A pushed request may be visited more than once until it is answered: a person reloads, or comes back to an open tab.
"""

from __future__ import annotations

import hashlib
from datetime import timedelta
from typing import cast
from uuid import UUID

from sqlalchemy import Table, insert, select, update
from werkzeug.datastructures import MultiDict

from idp.chance import new_id, token
from idp.errors import ProtocolError
from idp.models.authorization import PushedRequest
from idp.models.base import db, write
from idp.models.portal import Portal
from idp.models.prepared import Prepared
from idp.protocol.authorize_checks import Parameters
from idp.services.bundle import Services

PREFIX = "urn:ietf:params:oauth:request_uri:"
PUSHED = cast(Table, PushedRequest.__table__)
RECORD = Prepared(insert(PUSHED), *(column.key for column in PUSHED.c if column.key != "consumed_at"))
LIFE = timedelta(minutes=5)  # RFC 9126 §2.2 proposes 5 to 600 seconds; FAPI 2.0 §5.3.2.2 less than 600


def _hash(request_uri: str) -> str:
    return hashlib.sha256(request_uri.encode()).hexdigest()


def bound_key(named: str | None, proved: str | None) -> str | None:
    """The key a code will be bound to: by `dpop_jkt`, by a proof at the PAR endpoint, or by both alike."""
    # RFC 9449 §10.1: the two MUST match when both are there.
    if named is not None and proved is not None and named != proved:
        raise ProtocolError("invalid_request", "dpop_jkt is not the thumbprint of the key of the DPoP proof")
    return named or proved


def keep(bundle: Services, portal: Portal, parameters: Parameters, *, is_signed: bool, dpop_jkt: str | None) -> str:
    """Store a checked request; returns its `request_uri` of 256 random bits (RFC 9126 §7.1 asks for 128)."""
    now, request_uri = bundle.clock.now(), PREFIX + token(bundle.random, "cc_ru_")
    RECORD.count(
        id=new_id(bundle.random, now),
        handle_hash=_hash(request_uri),
        portal_id=portal.id,
        parameters={"is_signed": is_signed, "given": parameters.to_dict(flat=False)},
        dpop_jkt=dpop_jkt,
        created_at=now,
        expires_at=now + LIFE,
    )
    return request_uri


def load(bundle: Services, portal: Portal, request_uri: str) -> PushedRequest:
    """The request that waits under this address. Raises `ProtocolError` invalid_request_uri."""
    row = db.session.scalar(select(PushedRequest).where(PushedRequest.handle_hash == _hash(request_uri)))
    # RFC 9126 §2.2: MUST be bound to the client that pushed it, and SHOULD serve once.
    if row is None or row.portal_id != portal.id:
        raise ProtocolError("invalid_request_uri", "this client did not push a request under this request_uri")
    if row.consumed_at is not None:
        raise ProtocolError("invalid_request_uri", "the pushed request was answered before")
    if row.expires_at <= bundle.clock.now():
        raise ProtocolError("invalid_request_uri", "the pushed request has expired")
    return row


def given(row: PushedRequest) -> Parameters:
    return MultiDict(row.parameters["given"])


def consume(bundle: Services, pushed_id: UUID) -> bool:
    """Answer a pushed request once."""
    done = write(
        update(PushedRequest)
        .where(PushedRequest.id == pushed_id, PushedRequest.consumed_at.is_(None))
        .values(consumed_at=bundle.clock.now())
    )
    return done == 1
