"""The pushed authorization request endpoint (RFC 9126 §2): a client leaves its request here before the person comes."""

from __future__ import annotations

from flask import Blueprint, Response, request

from idp.errors import ProtocolError
from idp.models.base import db
from idp.protocol import par, request_sources
from idp.protocol.server import SERVER, answer, check_form, refuse
from idp.services.bundle import services
from idp.web.guard import csrf_exempt
from idp.web.session import cookie_blind

blueprint = cookie_blind(Blueprint("pushed_authorization", __name__))


@blueprint.post("/par")
@csrf_exempt
def push() -> Response:
    try:
        check_form(request)
        key = par.proved_key(services(), request)  # before an assertion is used up
        client = SERVER.authenticate_client(SERVER.create_oauth2_request(request), [], "par")
        request_uri = request_sources.push(services(), client.portal, request.form, key)
    except ProtocolError as error:
        db.session.rollback()
        return refuse(error)
    return answer({"request_uri": request_uri, "expires_in": int(par.LIFE.total_seconds())}, 201)
