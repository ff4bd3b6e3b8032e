"""The authorization code (RFC 6749 §4.1.2): what a checked request and a session give to the portal."""

from __future__ import annotations

from idp.models.portal import Portal
from idp.models.session import Session
from idp.protocol import authentication_context, consent
from idp.protocol.authorization import AuthorizationRequest
from idp.services.bundle import Services


def grant_code(bundle: Services, portal: Portal, request: AuthorizationRequest, session: Session) -> str:
    """A grant for what was asked and allowed, and the code that it is redeemed by. Raises `SessionEnded`."""
    presence = bundle.sessions.portal_session(session, portal)
    allowed = consent.narrow(portal, session.account_id, request)
    grant = bundle.tokens.grant(
        session,
        portal,
        presence,
        scope=allowed.scope,
        nonce=request.nonce,
        claims=allowed.claims,
        resources=request.resources,
        acr=authentication_context.name(session.acr, request.demanded_acr),
    )
    return bundle.tokens.issue_code(
        grant, redirect_uri=request.redirect_uri, code_challenge=request.code_challenge, dpop_jkt=request.dpop_jkt
    )
