"""The revocation endpoint (RFC 7009): a portal gives back its own token; a refresh token takes its family along."""

from __future__ import annotations

from flask import Blueprint, Request, Response, request

from idp.errors import ProtocolError
from idp.models.portal import Portal
from idp.protocol.client_endpoint import serve
from idp.protocol.json_answer import answer
from idp.services.bundle import Services
from idp.web.guard import csrf_exempt
from idp.web.session import cookie_blind

blueprint = cookie_blind(Blueprint("revocation", __name__))


@blueprint.post("/revoke")
@csrf_exempt
def revoke() -> Response:
    return answer_revocation(request)


def answer_revocation(asked: Request) -> Response:
    """RFC 7009 §2.2: an unknown token is no error, and neither is a hint of any kind; another portal's is unknown."""

    def work(bundle: Services, portal: Portal) -> Response:
        if "token" not in asked.form:
            raise ProtocolError("invalid_request", "token is missing")
        secret = asked.form["token"]
        if secret.startswith("cc_rt_"):
            bundle.tokens.revoke_family(portal, secret)
        else:
            bundle.access_tokens.revoke(portal, secret)
        return answer({})

    return serve(asked, work)
