"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0): straight out with a valid hint, else a question."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlencode

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.errors import ProtocolError
from idp.models.portal import Portal, find_client
from idp.models.session import Session
from idp.protocol.id_token_hint import read_hint
from idp.services.audit import AuditTag
from idp.services.bundle import services
from idp.web.browser import ensure_browser
from idp.web.forms import FormView
from idp.web.guard import csrf_exempt
from idp.web.i18n import language, prefer, text
from idp.web.render import Frame, page
from idp.web.session import clear_session, current_session

blueprint = Blueprint("end_session", __name__)
FIELDS = ("id_token_hint", "client_id", "post_logout_redirect_uri", "state", "ui_locales")
LONGEST_STATE = 4096


@dataclass(frozen=True)
class AskView:
    client_id: str
    one_label: str
    cancel_url: str


@dataclass(frozen=True)
class DoneView:
    portals: str
    again_url: str
    portal_url: str


@blueprint.post("/logout")
@csrf_exempt
def logout_by_post() -> Response:
    """The same as a GET, which alone carries our cookies when another site sends the form (SameSite=Lax)."""
    given = [(name, request.form[name]) for name in FIELDS if name in request.form]
    return redirect(f"/logout?{urlencode(given)}", 303)


@blueprint.get("/logout")
def logout() -> Response:
    prefer(request.args.get("ui_locales", "").split())
    session = current_session()
    portal, sub = _who_asks()
    is_own = bool(session and portal and sub == services().tokens.subject(portal, session.account_id))
    if session is not None and not is_own:
        return _ask(portal)
    ended = _end(session) if session else ()
    # RP-Initiated Logout §3: MUST NOT redirect to an address that is not registered, character by character.
    target = request.args.get("post_logout_redirect_uri", "")
    if portal is not None and sub and target in portal.post_logout_redirect_uris:
        state = request.args.get("state", "")[:LONGEST_STATE]
        joint = "&" if "?" in target else "?"
        return redirect(target + (joint + urlencode({"state": state}) if state else ""), 303)
    return _done(portal, ended)


@blueprint.post("/logout/confirm")
def confirm() -> Response:
    """The person's own answer: everywhere, or at one portal only."""
    session, portal = current_session(), find_client(request.form.get("client_id", ""))
    if session is None:
        return _done(portal, ())
    if request.form.get("extent") == "one" and portal is not None:
        services().tokens.revoke_at_portal(session.id, portal.id)
        services().audit.record(AuditTag.SIGNED_OUT, account=session.account_id, portal=portal.id)
        return _done(portal, (portal,))
    return _done(portal, _end(session))


def _who_asks() -> tuple[Portal | None, str]:
    """The portal and the subject that a valid hint names; a portal named by `client_id` alone proves nothing."""
    named = find_client(request.args.get("client_id", ""))
    hint = request.args.get("id_token_hint")
    if hint is None:
        return named, ""
    try:
        claims = read_hint(services(), hint, named)
    except ProtocolError:
        return named, ""
    portal = find_client(str(claims.get("aud", "")))
    return portal, str(claims.get("sub", "")) if portal else ""


def _end(session: Session) -> tuple[Portal, ...]:
    """End the session with everything that was given during it; returns the portals that took part."""
    bundle = services()
    portals = tuple(bundle.sessions.portals_of(session.id))
    bundle.sessions.end(session)
    bundle.tokens.revoke_for_session(session.id)
    bundle.audit.record(AuditTag.SIGNED_OUT, account=session.account_id)
    clear_session()
    return portals


def _ask(portal: Portal | None) -> Response:
    ensure_browser()
    label = text("lo.one", portal=portal.name(language())) if portal else ""
    view = AskView(portal.client_id if portal else "", label, portal.home_url if portal else "/account")
    return page("oidc/logout.html", Frame(text("lo.title"), portal=portal, form=FormView()), view)


def _done(portal: Portal | None, ended: tuple[Portal, ...]) -> Response:
    names = ", ".join(one.name(language()) for one in ended)
    view = DoneView(
        text("lo.portals", portals=names) if names else "",
        f"/{portal.slug}/login" if portal else "/",
        portal.home_url if portal else "",
    )
    return page("oidc/signed_out.html", Frame(text("lo.done"), portal=portal), view)
