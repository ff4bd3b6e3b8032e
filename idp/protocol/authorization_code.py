"""The authorization code (RFC 6749 §4.1.2): what a checked request and a session give to the portal."""

from __future__ import annotations

from idp.models.portal import Portal
from idp.models.units import together
from idp.protocol import authentication_context, consent
from idp.protocol.authorization import AuthorizationRequest
from idp.services.bundle import Services
from idp.services.issuing import sign_on
from idp.services.sessions import SessionEnded, SignedOn


def grant_code(bundle: Services, portal: Portal, request: AuthorizationRequest, session: SignedOn) -> str:
    """A grant for what was asked and allowed, and the code that it is redeemed by. Raises `SessionEnded`."""
    sid = session.sid
    if sid is None:
        together()  # whoever else comes first to this portal waits until all of it is there
        sid = bundle.sessions.portal_session(session.id, portal.id)
    allowed = consent.narrow(portal, session.account_id, request)
    grant = bundle.tokens.make_grant(
        session,
        portal,
        sid,
        scope=allowed.scope,
        nonce=request.nonce,
        claims=allowed.claims,
        resources=request.resources,
        acr=authentication_context.name(session.acr, request.demanded_acr),
    )
    code, row = bundle.tokens.make_code(
        grant, redirect_uri=request.redirect_uri, code_challenge=request.code_challenge, dpop_jkt=request.dpop_jkt
    )
    if not sign_on(grant, row):
        raise SessionEnded
    return code
