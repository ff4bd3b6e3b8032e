"""The authorization code (RFC 6749 §4.1.2): what a checked request and a session give to the portal."""

from __future__ import annotations

from idp.models.portal import Portal
from idp.protocol import authentication_context, consent
from idp.protocol.authorization import AuthorizationRequest
from idp.services.bundle import Services
from idp.services.issuing import sign_on
from idp.services.sessions import SessionEnded, SignedOn


def grant_code(bundle: Services, portal: Portal, request: AuthorizationRequest, session: SignedOn) -> str:
    """A grant for what was asked and allowed, and the code that it is redeemed by. Raises `SessionEnded`."""
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
    if not sign_on(grant, row, enters=session.sid is None, touches=bundle.sessions.is_stale(session)):
        raise SessionEnded
    return code
