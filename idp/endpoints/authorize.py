"""The authorization endpoint (OIDC Core §3.1.2): read, check, decide, respond; and again when the person comes back."""

from __future__ import annotations

from urllib.parse import urlencode

import structlog
from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.errors import ProtocolError
from idp.models.portal import Portal, find_client
from idp.models.session import Session
from idp.protocol import authorization
from idp.protocol.authorization import AuthorizationRequest, Pending
from idp.protocol.interactions import SignedIn, needed
from idp.services.bundle import services
from idp.web.browser import browser_hash, ensure_browser
from idp.web.errors import error_page
from idp.web.guard import csrf_exempt
from idp.web.i18n import prefer, text
from idp.web.session import current_session

blueprint = Blueprint("authorize", __name__)
log = structlog.get_logger(__name__)


@blueprint.get("/authorize")
def authorize() -> Response:
    try:
        portal, wanted = authorization.read(services(), request.args)
    except ProtocolError as error:
        return _refuse(error)
    prefer(request.args.get("ui_locales", "").split())
    return _decide(portal, wanted, None, "")


@blueprint.post("/authorize")
@csrf_exempt
def authorize_by_post() -> Response:
    """The same as a GET, which alone carries our cookies when another site sends the form (SameSite=Lax)."""
    return redirect(f"/authorize?{urlencode(list(request.form.items(multi=True)))}", 303)


@blueprint.get("/authorize/resume/<handle>")
def resume(handle: str) -> Response:
    """A journey that ended is a claim, not a permission: the policy is asked again."""
    pending = authorization.find(services(), handle, browser_hash())
    if pending is None:
        return error_page("x.login", 410)
    if pending.is_consumed:
        return redirect(f"/{pending.portal.slug}/login", 303)
    return _decide(pending.portal, pending.request, pending, handle)


def _decide(portal: Portal, wanted: AuthorizationRequest, pending: Pending | None, handle: str) -> Response:
    bundle, session = services(), current_session()
    try:
        interaction = needed(wanted, _seen(session, portal), bundle.clock.now())
        if interaction is not None and "none" in wanted.prompts:
            raise ProtocolError(interaction.error, "the person would have to do something first")
    except ProtocolError as error:
        return _send_back(error, wanted.redirect_uri, wanted.state)
    if interaction is not None or session is None:
        handle = handle or authorization.keep(bundle, portal, wanted, ensure_browser())
        path = interaction.path if interaction else "login"
        return redirect(f"/{portal.slug}/{path}?{urlencode({'for': handle})}", 303)
    if pending is not None and not authorization.consume(bundle, pending):
        return redirect(f"/{portal.slug}/login", 303)
    return redirect(authorization.grant_code(bundle, portal, wanted, session), 303)


def _seen(session: Session | None, portal: Portal) -> SignedIn | None:
    if session is None:
        return None
    bundle = services()
    is_linked = bundle.accounts.record_of(session.account_id, portal.id) is not None
    return SignedIn(session.auth_time, bundle.tokens.subject(portal, session.account_id), is_linked)


def _refuse(error: ProtocolError) -> Response:
    """To the portal when the redirect address is proved to be its own, else a page that leads nowhere unknown."""
    if error.redirectable:
        states = request.args.getlist("state")
        return _send_back(error, request.args["redirect_uri"], states[0] if len(states) == 1 else None)
    portal = find_client(request.args.get("client_id", ""))
    action = (text("x.back"), portal.home_url) if portal else None
    return error_page("x.client", 400, portal=portal, action=action, detail=f"{error.code}: {error.description}")


def _send_back(error: ProtocolError, redirect_uri: str, state: str | None) -> Response:
    log.info("authorization_refused", error=error.code)
    answer = {"error": error.code, "error_description": error.description}
    return redirect(authorization.redirect_address(services(), redirect_uri, state, **answer), 303)
