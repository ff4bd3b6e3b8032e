"""The authorization code (RFC 6749 §4.1.2): what a checked request and a session give to the portal."""

from __future__ import annotations

from uuid import UUID

from idp.models.portal import Portal
from idp.protocol import authentication_context, consent
from idp.protocol.authorization import AuthorizationRequest
from idp.services.bundle import Services
from idp.services.issuing import sign_on
from idp.services.sessions import SignedOn


class Overtaken(Exception):
    """Since both were read, somebody signed out, or the request was answered."""


def grant_code(
    bundle: Services, portal: Portal, request: AuthorizationRequest, session: SignedOn, *, answers: UUID | None = None
) -> str:
    """A grant for what was asked and allowed, and the code that it is redeemed by; with that the request `answers`,
    which waited, is answered. Raises `Overtaken`: then whatever was written so far is to be rolled back.
    """
    allowed = consent.narrow(portal, session.account_id, request)
    grant = bundle.tokens.make_grant(
        session,
        portal,
        session.sid or bundle.sessions.new_presence(),
        scope=allowed.scope,
        nonce=request.nonce,
        claims=allowed.claims,
        resources=request.resources,
        acr=authentication_context.name(session.acr, request.demanded_acr),
    )
    code, row = bundle.tokens.make_code(
        grant, redirect_uri=request.redirect_uri, code_challenge=request.code_challenge, dpop_jkt=request.dpop_jkt
    )
    is_kept = sign_on(
        grant, row, enters=session.sid is None, touches=bundle.sessions.is_stale(session), answers=answers
    )
    if not is_kept:
        raise Overtaken
    return code
