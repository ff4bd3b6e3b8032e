"""RP-initiated logout (OpenID Connect RP-Initiated Logout 1.0): straight out with a valid hint, else a question."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.errors import ProtocolError
from idp.models.base import db
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


@dataclass(frozen=True)
class AskView:
    client_id: str
    one_label: str
    cancel_url: str


@dataclass(frozen=True)
class DoneView:
    """`silent`: a sentence for each portal that did not confirm the end."""

    portals: str
    silent: tuple[str, ...]
    again_url: str
    portal_url: str


@dataclass(frozen=True)
class Asked:
    """Who asks: a portal by its `client_id`, which proves nothing, or by the claims of an ID token of ours."""

    portal: Portal | None
    hint: dict[str, Any] | None = None


@blueprint.post("/logout")
@csrf_exempt
def logout_by_post() -> Response:
    """The same as a GET, which alone carries our cookies when another site sends the form (SameSite=Lax)."""
    given = [(name, value) for name, value in request.form.items(multi=True) if name in FIELDS]
    return redirect(f"/logout?{urlencode(given)}", 303)


@blueprint.get("/logout")
def logout() -> Response:
    prefer(request.args.get("ui_locales", "").split())
    session, asked = current_session(), _asked()
    if session is not None and not _is_about(session, asked):
        return _ask(asked.portal)
    ended = _end(session) if session else ()
    # RP-Initiated Logout §3: MUST NOT redirect to an address that is not registered, character by character.
    target = request.args.get("post_logout_redirect_uri", "")
    if asked.portal is not None and asked.hint and target in asked.portal.post_logout_redirect_uris:
        answer = urlencode({"state": request.args["state"]}) if "state" in request.args else ""
        return redirect(target + (f"{'&' if '?' in target else '?'}{answer}" if answer else ""), 303)
    return _done(asked.portal, session, ended)


@blueprint.post("/logout/confirm")
def confirm() -> Response:
    """The person's own answer: everywhere, or at one portal only."""
    session, portal = current_session(), find_client(request.form.get("client_id", ""))
    if session is None:
        return _done(portal, None, ())
    if request.form.get("extent") == "one" and portal is not None:
        services().sign_out.portal(session, portal)
        services().audit.record(AuditTag.SIGNED_OUT, account=session.account_id, portal=portal.id)
        return _done(portal, session, (portal,))
    return _done(portal, session, _end(session))


def _asked() -> Asked:
    if any(len(request.args.getlist(name)) > 1 for name in FIELDS):
        return Asked(None)  # a parameter that is there twice means nothing (RFC 6749 §3.1)
    client_id, hint = request.args.get("client_id"), request.args.get("id_token_hint")
    named = find_client(client_id) if client_id else None
    if hint is None:
        return Asked(named)
    try:
        claims = read_hint(services(), hint, named)
    except ProtocolError:
        return Asked(named)
    portal = named or find_client(str(claims["aud"]))
    return Asked(portal, claims if portal else None)


def _is_about(session: Session, asked: Asked) -> bool:
    """Whether the hint speaks of this very person at this portal, in this session or a former one.

    RP-Initiated Logout §4: a hint whose `sid` is of no current or recent session of the portal is suspect.
    """
    if asked.portal is None or asked.hint is None:
        return False
    sid = str(asked.hint.get("sid", ""))
    return services().sessions.took_part(session.account_id, asked.portal, sid)


def _end(session: Session) -> tuple[Portal, ...]:
    """End the session with everything that was given during it; returns the portals that took part."""
    portals = services().sign_out.session(session)
    services().audit.record(AuditTag.SIGNED_OUT, account=session.account_id)
    clear_session()
    return portals


def _ask(portal: Portal | None) -> Response:
    ensure_browser()
    label = text("lo.one", portal=portal.name(language())) if portal else ""
    view = AskView(portal.client_id if portal else "", label, portal.home_url if portal else "/account")
    return page("oidc/logout.html", Frame(text("lo.title"), portal=portal, form=FormView()), view)


def _done(portal: Portal | None, session: Session | None, left: tuple[Portal, ...]) -> Response:
    """What was ended, and which portals did not confirm it within a moment."""
    db.session.commit()  # the end stands, and its notices go out, before their answers are waited for
    silent = services().logout_notices.unanswered(session.id) if session else []
    names = ", ".join(one.name(language()) for one in left if one.id not in silent)
    view = DoneView(
        text("lo.portals", portals=names) if names else "",
        tuple(text("lo.partial", portal=one.name(language())) for one in left if one.id in silent),
        f"/{portal.slug}/login" if portal else "/",
        portal.home_url if portal else "",
    )
    return page("oidc/signed_out.html", Frame(text("lo.done"), portal=portal), view)
