"""Where a fund's own system sends its file of persons, with an access key (RFC 6750 §2.1), and asks what became of it.

The import starts by itself when its dry run finds nothing wrong; otherwise it waits for an operator.
"""

from __future__ import annotations

from math import ceil
from uuid import UUID

from flask import Blueprint, Response, request
from werkzeug.exceptions import LengthRequired, TooManyRequests, UnsupportedMediaType

from idp.errors import ProtocolError
from idp.models.base import db
from idp.models.person_import import ImportToken, PersonImport
from idp.models.portal import Portal, find_portal
from idp.protocol.json_answer import answer, refuse
from idp.services.bundle import services
from idp.services.person_rows import BadTable
from idp.services.throttle import Volume
from idp.web.forms import line
from idp.web.guard import LARGEST_BODY, csrf_exempt, large_body
from idp.web.session import cookie_blind

blueprint = cookie_blind(Blueprint("import_feed", __name__))
FORMS = {"application/x-www-form-urlencoded", "multipart/form-data"}


def largest() -> int:
    """A file from whoever has a key that is good; from others no more than a form."""
    return services().import_jobs.largest if _token() is not None else LARGEST_BODY


@blueprint.post("/api/imports/<slug>")
@csrf_exempt
@large_body(largest)
def send(slug: str) -> Response:
    token, portal = _load(slug)
    if request.content_length is None:
        raise LengthRequired
    if request.mimetype in FORMS:  # what was read as a form is no file any more
        raise UnsupportedMediaType
    bundle = services()
    open_at = bundle.throttle.spend(Volume.IMPORTS, str(token.id))
    if open_at is not None:
        raise TooManyRequests(retry_after=ceil((open_at - bundle.clock.now()).total_seconds()))
    token.used_at = bundle.clock.now()
    name = line(request.args.get("name")) or "feed"
    try:
        row = bundle.import_jobs.receive(portal, name, request.get_data(), "feed")
    except BadTable as error:
        raise ProtocolError("invalid_file", error.message, log_detail=error.kind) from error
    return answer(_shown(row), 202)


@blueprint.get("/api/imports/<slug>/<import_id>")
def show(slug: str, import_id: str) -> Response:
    _, portal = _load(slug)
    row = db.session.get(PersonImport, _uuid(import_id))
    if row is None or row.portal_id != portal.id:
        raise ProtocolError("not_found", "there is no such import", status=404)
    return answer(_shown(row))


@blueprint.errorhandler(ProtocolError)
def _refuse(error: ProtocolError) -> Response:
    db.session.rollback()
    return refuse(error)


def _shown(row: PersonImport) -> dict[str, object]:
    """Counts only: what is wrong with which line is for operators to see."""
    counts = ("rows", "new", "changed", "unchanged", "errors", "left_out")
    return {"id": str(row.id), "state": row.state} | {name: getattr(row, name) or 0 for name in counts}


def _load(slug: str) -> tuple[ImportToken, Portal]:
    token, portal = _token(), find_portal(slug)
    if token is None or portal is None or token.portal_id != portal.id:
        raise ProtocolError("invalid_token", "an access key of this portal is needed", status=401, challenge="Bearer")
    return token, portal


def _token() -> ImportToken | None:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    return services().import_jobs.find_token(secret.strip()) if scheme.lower() == "bearer" else None


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        return UUID(int=0)
