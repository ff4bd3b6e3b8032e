"""The token endpoint (RFC 6749 §3.2). The work is done by idp/protocol/server.py and its grants."""

from __future__ import annotations

from flask import Blueprint, Response, request

from idp.protocol.server import issue_tokens
from idp.web.guard import csrf_exempt
from idp.web.session import cookie_blind

blueprint = cookie_blind(Blueprint("token", __name__))


@blueprint.post("/token")
@csrf_exempt
def token() -> Response:
    return issue_tokens(request)
