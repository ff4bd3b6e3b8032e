"""The tokens by which a fund's own system sends files of persons for its portal: made, shown once, and ended."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, abort, redirect
from werkzeug.wrappers import Response

from idp.admin.entrance import console, whose, worker
from idp.admin.portal_access import at_portal
from idp.admin.portal_edit import home
from idp.admin.portal_state import ConfirmView
from idp.models.person_import import live_tokens
from idp.models.portal import Portal
from idp.services.bundle import services
from idp.services.permissions import Permission
from idp.texts import format_moment
from idp.web import kept
from idp.web.forms import FormView
from idp.web.i18n import language, text
from idp.web.kept import Wrong

blueprint = Blueprint("admin_import_feed", __name__)
IMPORT = Permission.IMPORT_PERSONS
PATH = "/admin/portals/<slug>/feed"


@dataclass(frozen=True, repr=False)
class FeedView:
    """`tokens`: address of its end, when it was made and when it was used last."""

    address: str
    tokens: tuple[tuple[str, str, str], ...]


@dataclass(frozen=True, repr=False)
class TokenView:
    address: str
    secret: str
    back: str


@blueprint.get(PATH)
@at_portal(IMPORT)
def show(portal: Portal) -> Response:
    tokens = tuple(
        (
            f"{home(portal)}/feed/{one.id}/end",
            format_moment(one.made_at),
            format_moment(one.used_at) if one.used_at else "–",
        )
        for one in live_tokens(portal.id)
    )
    title = text("por.section", section=text("por.s.feed"), portal=portal.slug)
    form = kept.find(whose()) or FormView()
    view = FeedView(_address(portal), tokens)
    return console("admin/import_feed.html", title, view, needs=IMPORT, form=form, back=home(portal))


@blueprint.post(PATH)
@at_portal(IMPORT)
def make(portal: Portal) -> Response:
    """The token stands in this answer and nowhere else."""
    secret = services().import_jobs.make_token(portal, worker().account.id)
    if secret is None:
        return kept.lead(f"{home(portal)}/feed", whose(), {}, {"other": Wrong("imp.wrong.tokens")})
    view = TokenView(_address(portal), secret, f"{home(portal)}/feed")
    return console("admin/import_token.html", text("imp.token.new"), view, needs=IMPORT, can_switch=False)


@blueprint.get(f"{PATH}/<uuid:token_id>/end")
@at_portal(IMPORT)
def ask_end(portal: Portal, token_id: UUID) -> Response:
    _find(portal, token_id)
    view = ConfirmView(text("imp.token.end.effect", portal=portal.name(language())), text("imp.token.end"))
    title, back = text("imp.token.end"), f"{home(portal)}/feed"
    return console("admin/confirm.html", title, view, needs=IMPORT, form=FormView(), back=back)


@blueprint.post(f"{PATH}/<uuid:token_id>/end")
@at_portal(IMPORT)
def end(portal: Portal, token_id: UUID) -> Response:
    _find(portal, token_id)
    services().import_jobs.end_token(portal, token_id)
    return redirect(f"{home(portal)}/feed", 303)


def _find(portal: Portal, token_id: UUID) -> None:
    if token_id not in {one.id for one in live_tokens(portal.id)}:
        abort(404)


def _address(portal: Portal) -> str:
    return f"{services().settings.issuer}/api/imports/{portal.slug}"
