"""The third parties' applications that may see a person's data: what, since when, and an end to it (ux.md §4.5)."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, redirect, request
from werkzeug.wrappers import Response

from idp.account.entrance import frame, sign_in_first
from idp.models.authorization import Consent
from idp.models.base import db
from idp.models.portal import Portal, find_portal
from idp.protocol import consent
from idp.services.bundle import services
from idp.texts import format_day
from idp.web.forms import FormView
from idp.web.i18n import language, text
from idp.web.render import page
from idp.web.session import current_session

blueprint = Blueprint("apps", __name__)


@dataclass(frozen=True)
class AppView:
    slug: str
    name: str
    since: str
    items: tuple[str, ...]


@dataclass(frozen=True)
class AppsView:
    apps: tuple[AppView, ...]


@blueprint.get("/account/apps")
def apps() -> Response:
    session = current_session()
    if session is None:
        return sign_in_first()
    shown = tuple(
        _view(kept, db.session.get_one(Portal, kept.portal_id)) for kept in consent.given_by(session.account_id)
    )
    around = frame(text("acc.apps"), form=FormView(), status=_withdrawn())
    return page("account/apps.html", around, AppsView(shown))


@blueprint.post("/account/apps/withdraw")
def withdraw() -> Response:
    session, portal = current_session(), find_portal(request.form.get("portal", ""))
    if session is None:
        return sign_in_first()
    if portal is None:
        return redirect("/account/apps", 303)
    consent.withdraw(services(), portal, session.account_id)
    return redirect(f"/account/apps?withdrawn={portal.slug}", 303)


def _view(kept: Consent, portal: Portal) -> AppView:
    since = text("acc.apps.since", date=format_day(kept.granted_at))
    items = tuple(dict.fromkeys(text(item.label) for item in consent.allowed_items(kept)))
    return AppView(portal.slug, portal.name(language()), since, items)


def _withdrawn() -> str | None:
    portal = find_portal(request.args.get("withdrawn", ""))
    return text("acc.apps.done", app=portal.name(language())) if portal else None
