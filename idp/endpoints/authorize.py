"""The authorization endpoint (OIDC Core §3.1.2): read, check, decide, respond; and again when the person comes back."""

from __future__ import annotations

from collections.abc import Callable
from urllib.parse import urlencode
from uuid import UUID

import structlog
from flask import Blueprint, current_app, redirect, request
from werkzeug.wrappers import Response

from idp.endpoints.answers import send, show_fault
from idp.errors import ProtocolError
from idp.models.base import db
from idp.models.portal import Portal
from idp.models.units import each_alone, together
from idp.protocol import consent, par, request_sources, responses
from idp.protocol import pending as waiting
from idp.protocol.authorization import AuthorizationRequest
from idp.protocol.authorization_code import Overtaken, grant_code
from idp.protocol.interactions import Interaction, SignedIn, needed
from idp.protocol.pending import Pending
from idp.protocol.request_sources import Refused
from idp.services import issuing
from idp.services.bundle import Services, services
from idp.services.sessions import SignedOn
from idp.web.browser import browser_hash, ensure_browser
from idp.web.errors import error_page
from idp.web.guard import csrf_exempt
from idp.web.i18n import prefer
from idp.web.in_memory import current_request
from idp.web.session import signed_on

blueprint = Blueprint("authorize", __name__)
SIGN_IN = "connect.sign_in"  # what begins a sign-in for a request that waits: portal, handle, login_hint → answer
LONGEST_REDIRECT = 2000  # the headers of an answer must fit the buffers of proxies, 4 KiB with ours
log = structlog.get_logger(__name__)


@blueprint.get("/authorize")
def authorize() -> Response:
    try:
        portal, wanted = request_sources.read(services(), current_request().args)
    except Refused as refused:
        return _refuse(refused)
    prefer(list(wanted.ui_locales))
    return _decide(portal, wanted, None, "")


@blueprint.post("/authorize")
@csrf_exempt
def authorize_by_post() -> Response:
    """The same as a GET, which alone carries our cookies when another site sends the form (SameSite=Lax).

    What is too long for an address, as some proxy on the way may find, is kept and named.
    """
    query = urlencode(list(request.form.items(multi=True)))
    if len(query) > LONGEST_REDIRECT:
        try:
            portal, request_uri = request_sources.keep(services(), request.form)
        except Refused as refused:
            return _refuse(refused)
        query = urlencode({"client_id": portal.client_id, "request_uri": request_uri})
    return redirect(f"/authorize?{query}", 303)


def _refuse(refused: Refused) -> Response:
    """To the portal where its address is proved, else as a page."""
    log.info("authorization_refused", error=refused.error.code)
    if refused.portal is None or refused.callback is None:
        return show_fault(refused.error, refused.portal)
    return send(refused.portal, responses.refusal(services(), refused.portal, refused.callback, refused.error))


@blueprint.get("/authorize/resume/<handle>")
def resume(handle: str) -> Response:
    """A journey that ended is a claim, not a permission: the policy is asked again."""
    each_alone()
    pending = waiting.find(services(), handle, browser_hash())
    if pending is None:
        return error_page("x.login", 410)
    if pending.is_consumed:
        return redirect(f"/{pending.portal.slug}/login", 303)
    return _decide(pending.portal, pending.request, pending, handle)


def _decide(portal: Portal, wanted: AuthorizationRequest, pending: Pending | None, handle: str) -> Response:
    if wanted.pushed_id is None:
        each_alone()
    else:  # what was pushed is used up together with what is given for it
        together()
    bundle, session = services(), signed_on(portal.id)
    try:
        if pending is not None and pending.is_denied:
            raise ProtocolError("access_denied", "the person refused")
        interaction = needed(wanted, _seen(bundle, session, portal, wanted), bundle.clock.now())
        if interaction is not None and "none" in wanted.prompts:
            raise ProtocolError(interaction.error, "the person would have to do something first")
    except ProtocolError as error:
        log.info("authorization_refused", error=error.code)
        return _answer(portal, wanted, pending, error)
    if interaction is not None and interaction is not Interaction.LOGIN:
        handle = handle or waiting.keep(bundle, portal, wanted, ensure_browser())
        return redirect(f"/{portal.slug}/{interaction.path}?{urlencode({'for': handle})}", 303)
    if interaction is not None or session is None:
        handle = handle or waiting.keep(bundle, portal, wanted, ensure_browser(), is_followed=True)
        sign_in: Callable[[Portal, str, str | None], Response] = current_app.extensions[SIGN_IN]
        return sign_in(portal, handle, wanted.login_hint)
    return _answer(portal, wanted, pending, session)


def _answer(
    portal: Portal, wanted: AuthorizationRequest, pending: Pending | None, outcome: SignedOn | ProtocolError
) -> Response:
    """Answer the portal, once: with a code for this session, or with the error."""
    bundle = services()
    if pending is not None and (wanted.pushed_id is not None or isinstance(outcome, ProtocolError)):
        if not issuing.answer(pending.id, bundle.clock.now()):
            return redirect(f"/{portal.slug}/login", 303)
        pending = None
    if wanted.pushed_id is not None and not par.consume(bundle, UUID(wanted.pushed_id)):
        return show_fault(ProtocolError("invalid_request_uri", "the pushed request was answered before"), portal)
    if isinstance(outcome, ProtocolError):
        return send(portal, responses.refusal(bundle, portal, wanted.callback, outcome))
    try:
        code = grant_code(bundle, portal, wanted, outcome, answers=pending.id if pending else None)
    except Overtaken:  # in another tab, a moment ago: nothing was answered here, and the policy is asked again
        db.session.rollback()
        return redirect(request.full_path.rstrip("?"), 303)
    return send(portal, responses.answer(bundle, portal, wanted.callback, code=code))


def _seen(bundle: Services, session: SignedOn | None, portal: Portal, wanted: AuthorizationRequest) -> SignedIn | None:
    if session is None:
        return None
    hinted = wanted.hinted_sub
    return SignedIn(
        session.auth_time,
        session.acr,
        is_meant=hinted is None or hinted == bundle.tokens.subject(portal, session.account_id),
        is_linked=session.is_linked,
        has_answered=not consent.unanswered(portal, session.account_id, wanted),
    )
