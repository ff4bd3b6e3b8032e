"""The client secrets of a portal: when they were made, a new one beside the old one, and the end of the old one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from flask import Blueprint, abort, redirect, request
from werkzeug.wrappers import Response

from idp.admin.entrance import console, whose
from idp.admin.portal_access import at_portal
from idp.admin.portal_edit import home, secret_page
from idp.admin.portal_state import ConfirmView
from idp.admin.portals import has_secret
from idp.errors import BadInput
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.services.permissions import Permission
from idp.texts import format_moment
from idp.web import kept
from idp.web.forms import FormView
from idp.web.i18n import language, text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_portal_secrets", __name__)
ROTATE = Permission.ROTATE_SECRET
# How long the old secret stays good beside the new one; None: until somebody ends it.
KEEP: dict[str, timedelta | None] = {
    "week": timedelta(days=7), "month": timedelta(days=30), "hand": None, "none": timedelta(0),
}  # fmt: skip


@dataclass(frozen=True, repr=False)
class SecretsView:
    """`made`: when the newest was made; `previous`: when the older one was, and until when it is good."""

    has_secret: bool
    made: str
    previous: tuple[str, str] | None
    choices: tuple[tuple[str, str], ...]


@blueprint.get("/admin/portals/<slug>/secrets")
@at_portal(ROTATE)
def show(portal: Portal) -> Response:
    made, previous = portal.client_secret_made_at, None
    if services().portal_secrets.has_previous(portal):
        made_before, until = portal.previous_secret_made_at, portal.previous_secret_until
        previous = (
            format_moment(made_before) if made_before else text("por.secret.before"),
            format_moment(until) if until else text("por.secret.by.hand"),
        )
    view = SecretsView(
        has_secret=has_secret(portal),
        made=format_moment(made) if made else text("por.secret.before"),
        previous=previous,
        choices=tuple((name, text(f"por.secret.keep.{name}")) for name in KEEP),
    )
    title = text("por.section", section=text("por.s.secrets"), portal=portal.slug)
    form = kept.find(whose()) or FormView({"keep": "week"})
    return console("admin/portal_secrets.html", title, view, needs=ROTATE, form=form, back=home(portal))


@blueprint.post("/admin/portals/<slug>/secrets")
@at_portal(ROTATE)
def renew(portal: Portal) -> Response:
    """The new secret stands in this answer and nowhere else."""
    chosen = request.form.get("keep", "")
    if chosen not in KEEP:
        return kept.lead(request.path, whose(), {}, {"keep": Wrong("por.e.keep")})
    try:
        secret = services().portals.renew_secret(portal.slug, KEEP[chosen])
    except BadInput:
        wrong = Wrong("por.e.two" if has_secret(portal) else "por.secret.none")
        return kept.lead(request.path, whose(), {"keep": chosen}, {"keep": wrong})
    return secret_page(portal, secret, ROTATE)


@blueprint.get("/admin/portals/<slug>/end-secret")
@at_portal(ROTATE)
def ask_end(portal: Portal) -> Response:
    if not services().portal_secrets.has_previous(portal):
        abort(404)
    view = ConfirmView(text("por.secret.end.effect", portal=portal.name(language())), text("por.secret.end"))
    title, back = text("por.secret.end.title"), f"{home(portal)}/secrets"
    return console("admin/confirm.html", title, view, needs=ROTATE, back=back)


@blueprint.post("/admin/portals/<slug>/end-secret")
@at_portal(ROTATE)
def end(portal: Portal) -> Response:
    if services().portal_secrets.has_previous(portal):
        services().portal_secrets.end_previous(portal)
    return redirect(f"{home(portal)}/secrets", 303)
