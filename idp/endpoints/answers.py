"""How an authorization response leaves: by a redirect, by a page that posts itself, or as a page for the person."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from flask import redirect
from werkzeug.wrappers import Response

from idp.errors import ProtocolError
from idp.models.portal import Portal
from idp.protocol.responses import Answer
from idp.web.errors import error_page
from idp.web.i18n import language, text
from idp.web.render import Frame, page


@dataclass(frozen=True)
class PostView:
    address: str
    fields: Mapping[str, str]


def send(portal: Portal, answer: Answer) -> Response:
    if answer.form is None:
        return redirect(answer.address, 303)
    title = text("post.title", portal=portal.name(language()))
    return page("oidc/form_post.html", Frame(title, portal=portal), PostView(answer.address, answer.form))


def show_fault(error: ProtocolError, portal: Portal | None) -> Response:
    """A portal's mistake where no address is proved: in words for the person, for its developer behind a disclosure."""
    who = f"{portal.name('en')} (client_id {portal.client_id})" if portal else "A client that is not registered here"
    action = (text("x.back"), portal.home_url) if portal else None
    detail = f"{who} sent a request that was refused with {error.code}: {error.description}."
    return error_page("x.client", 400, portal=portal, action=action, detail=detail)
