"""An authorization request that passed its checks, how it waits for its person, and the answer that goes back."""

from __future__ import annotations

import hashlib
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from sqlalchemy import select, update

from idp.chance import new_id, token
from idp.errors import ProtocolError
from idp.models.authorization import PendingRequest
from idp.models.base import db, write
from idp.models.portal import Portal
from idp.models.session import Session
from idp.protocol.authorize_checks import AFTER_REDIRECT, BEFORE_REDIRECT, Parameters, find_portal_of
from idp.services.bundle import Services
from keys import InvalidToken


@dataclass(frozen=True)
class AuthorizationRequest:
    """`asked_at` tells an authentication made for this request from an earlier one; `hinted_sub` comes of a hint."""

    redirect_uri: str
    scope: str
    asked_at: datetime
    state: str | None = None
    nonce: str | None = None
    code_challenge: str | None = None
    prompts: tuple[str, ...] = ()
    max_age: int | None = None
    login_hint: str | None = None
    hinted_sub: str | None = None


def read(bundle: Services, parameters: Parameters) -> tuple[Portal, AuthorizationRequest]:
    """Check every parameter. Raises `ProtocolError`, redirectable only once the redirect address is proved."""
    portal = find_portal_of(parameters)
    for check in (*BEFORE_REDIRECT, *AFTER_REDIRECT):
        check(parameters, portal)
    granted = [name for name in dict.fromkeys(parameters["scope"].split(" ")) if name in portal.scopes]
    request = AuthorizationRequest(
        redirect_uri=parameters["redirect_uri"],
        scope=" ".join(granted),
        asked_at=bundle.clock.now(),
        state=parameters.get("state"),
        nonce=parameters.get("nonce"),
        code_challenge=parameters.get("code_challenge"),
        prompts=tuple(parameters.get("prompt", "").split()),
        max_age=int(parameters["max_age"]) if "max_age" in parameters else None,
        login_hint=parameters.get("login_hint"),
    )
    if "id_token_hint" in parameters:
        request = replace(request, hinted_sub=read_hint(bundle, parameters["id_token_hint"], portal)["sub"])
    return portal, request


def read_hint(bundle: Services, hint: str, portal: Portal | None) -> dict[str, Any]:
    """The claims of an ID token of ours, expired or not. Raises `ProtocolError` invalid_request for anything else."""
    try:
        claims = bundle.keyring.verify(hint, typ="JWT")
    except InvalidToken:
        raise ProtocolError("invalid_request", "id_token_hint is not an ID token of this issuer") from None
    if claims.get("iss") != bundle.settings.issuer or "at_hash" not in claims:
        raise ProtocolError("invalid_request", "id_token_hint is not an ID token of this issuer")
    if portal is not None and claims.get("aud") != portal.client_id:
        raise ProtocolError("invalid_request", "id_token_hint was issued to another client")
    return claims


def redirect_address(bundle: Services, redirect_uri: str, state: str | None, **answer: str) -> str:
    """The portal's address with the answer, `state` as it came, and `iss` (RFC 9207 §2) in success and error alike."""
    pairs = {**answer, **({"state": state} if state is not None else {}), "iss": bundle.settings.issuer}
    return redirect_uri + ("&" if "?" in redirect_uri else "?") + urlencode(pairs)


def grant_code(bundle: Services, portal: Portal, request: AuthorizationRequest, session: Session) -> str:
    """Give the portal a code for this session; returns the address that carries it."""
    presence = bundle.sessions.portal_session(session, portal)
    grant = bundle.tokens.grant(session, portal, presence, scope=request.scope, nonce=request.nonce)
    code = bundle.tokens.issue_code(grant, redirect_uri=request.redirect_uri, code_challenge=request.code_challenge)
    return redirect_address(bundle, request.redirect_uri, request.state, code=code)


def _hash(handle: str) -> str:
    return hashlib.sha256(handle.encode()).hexdigest()


def keep(bundle: Services, portal: Portal, request: AuthorizationRequest, browser_hash: str) -> str:
    """Let the request wait for its person in this browser; returns the handle it is found by."""
    now, handle = bundle.clock.now(), token(bundle.random)
    parameters = {**asdict(request), "asked_at": request.asked_at.isoformat(), "prompts": list(request.prompts)}
    db.session.add(
        PendingRequest(
            id=new_id(bundle.random, now),
            handle_hash=_hash(handle),
            browser_hash=browser_hash,
            portal_id=portal.id,
            parameters=parameters,
            created_at=now,
            expires_at=now + bundle.settings.registration_idle_for,
        )
    )
    return handle


@dataclass(frozen=True)
class Pending:
    id: UUID
    portal: Portal
    request: AuthorizationRequest
    is_consumed: bool


def find(bundle: Services, handle: str, browser_hash: str | None) -> Pending | None:
    """The request that waits under this handle, if it was left by this very browser (RFC 9700 §4.7)."""
    row = db.session.scalar(select(PendingRequest).where(PendingRequest.handle_hash == _hash(handle)))
    if row is None or row.browser_hash != browser_hash or row.expires_at <= bundle.clock.now():
        return None
    portal = db.session.get(Portal, row.portal_id)
    if portal is None or portal.is_disabled:
        return None
    stored = dict(row.parameters)
    request = AuthorizationRequest(
        **{**stored, "asked_at": datetime.fromisoformat(stored["asked_at"]), "prompts": tuple(stored["prompts"])}
    )
    return Pending(row.id, portal, request, row.consumed_at is not None)


def consume(bundle: Services, pending: Pending) -> bool:
    """Answer a waiting request once."""
    done = write(
        update(PendingRequest)
        .where(PendingRequest.id == pending.id, PendingRequest.consumed_at.is_(None))
        .values(consumed_at=bundle.clock.now())
    )
    return done == 1
