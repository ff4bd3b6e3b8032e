"""The self-test page of a portal's developer, and the note that is made of each of the portal's requests meanwhile.

The page is reached by a signed address alone, and holds no secret and nothing of a person; it is in English.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any
from urllib.parse import unquote_plus, urlencode
from uuid import UUID

from flask import Blueprint, abort, redirect, request
from sqlalchemy import select
from werkzeug.wrappers import Response

from idp.clock import swiss
from idp.models.authorization import AccessToken, PendingRequest
from idp.models.base import db
from idp.models.portal import Portal
from idp.protocol import advice, observation, readiness
from idp.protocol.advice import Seen
from idp.protocol.observation import Observation
from idp.protocol.readiness import Readiness
from idp.services.bundle import services
from idp.texts import format_time
from idp.web.browser import ensure_browser
from idp.web.forms import FormView
from idp.web.render import Frame, page
from keys import InvalidToken
from keys.jws import peek_claims

blueprint = Blueprint("self_test", __name__)
RESUMED = "/authorize/resume/"
READ_AGAIN_S = 5


@dataclass(frozen=True)
class Line:
    at: str
    endpoint: str
    observation: dict[str, Any]


@dataclass(frozen=True)
class SelfTestView:
    """`until` is empty while nothing is noted."""

    until: str
    watch_url: str
    sign_in_url: str
    discovery_url: str
    profiles: list[Readiness]
    requests: list[Line]


@blueprint.get("/selftest/<handle>")
def show(handle: str) -> Response:
    portal, bundle = _portal(handle), services()
    ensure_browser()
    until = bundle.self_tests.watched_until(portal)
    start = portal.initiate_login_uri or portal.home_url
    joint = "&" if "?" in start else "?"
    view = SelfTestView(
        until=format_time(until) if until else "",
        watch_url=f"/selftest/{handle}/watch",
        sign_in_url=start + (joint + urlencode({"iss": bundle.settings.issuer}) if portal.initiate_login_uri else ""),
        discovery_url=f"{bundle.settings.issuer}/.well-known/openid-configuration",
        profiles=readiness.of_portal(portal),
        requests=[
            Line(f"{swiss(row.at):%H:%M:%S}", row.endpoint, row.observation)
            for row in bundle.self_tests.requests(portal)
        ],
    )
    frame = Frame(f"Self-test: {portal.name('en')}", portal=portal, form=FormView(), look="wide")
    response = page("oidc/self_test.html", frame, view)
    if until:
        response.headers["Refresh"] = str(READ_AGAIN_S)
    return response


@blueprint.post("/selftest/<handle>/watch")
def watch(handle: str) -> Response:
    services().self_tests.watch(_portal(handle))
    return redirect(f"/selftest/{handle}", 303)


def _portal(handle: str) -> Portal:
    portal = services().self_tests.find(handle)
    if portal is None:
        abort(404)
    return portal


@blueprint.after_app_request
def _observe(response: Response) -> Response:
    path = request.path
    endpoint = "/authorize" if path.startswith(RESUMED) else path
    if endpoint in advice.MATTERS and response.status_code < 500 and (watched := services().self_tests.watched()).until:
        known = next((watched.client_ids[name] for name in _claimed() if name in watched.client_ids), None)
        ident = known or _found()
        if ident in watched.until:
            _note(ident, endpoint, response)
    return response


def _note(ident: UUID, endpoint: str, response: Response) -> None:
    bundle = services()
    portal = db.session.get(Portal, ident)
    if portal is None:
        return
    scheme = request.headers.get("Authorization", "").partition(" ")[0].lower()
    seen = Seen(
        portal, endpoint, request.args, request.form, scheme, "DPoP" in request.headers, bundle.settings.issuer,
        bundle.clock.now(),
    )  # fmt: skip
    is_resumed = request.path.startswith(RESUMED)
    seen_body = "" if response.is_streamed else response.get_data(as_text=True)
    observed = Observation(
        request.method,
        observation.masked([*seen.every.items(multi=True), *_headers()]),
        observation.outcome(
            response.status_code, response.headers.get("Location", ""), response.content_type or "", seen_body,
            bundle.settings.issuer,
        ),
        [] if is_resumed else [asdict(finding) for finding in advice.advise(seen)],
    )  # fmt: skip
    name = "/authorize, when the person came back" if is_resumed else request.path
    bundle.self_tests.note(ident, name, observed.document())


def _headers() -> Iterator[tuple[str, str]]:
    if "Authorization" in request.headers:
        scheme, _, value = request.headers["Authorization"].partition(" ")
        yield f"Authorization: {scheme}", value
    if "DPoP" in request.headers:
        yield "DPoP", request.headers["DPoP"]


def _claimed() -> Iterator[str]:
    """The client ids that the request claims, the cheapest first; nothing is believed, only compared."""
    yield from request.args.getlist("client_id")
    yield from request.form.getlist("client_id")
    scheme, _, encoded = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            yield unquote_plus(base64.b64decode(encoded, validate=True).decode().partition(":")[0])
        except (binascii.Error, ValueError):
            return
    for name, claim in (("client_assertion", "iss"), ("id_token_hint", "aud")):
        for token in (*request.args.getlist(name), *request.form.getlist(name)):
            try:
                yield str(peek_claims(token).get(claim))
            except InvalidToken:
                continue


def _found() -> UUID | None:
    """The portal of the access token or the waiting request that the request carries."""
    if request.path.startswith(RESUMED):
        digest = _hash(request.path.removeprefix(RESUMED))
        return db.session.scalar(select(PendingRequest.portal_id).where(PendingRequest.handle_hash == digest))
    token = request.headers.get("Authorization", "").partition(" ")[2] or request.form.get("access_token", "")
    return db.session.scalar(select(AccessToken.portal_id).where(AccessToken.token_hash == _hash(token.strip())))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
