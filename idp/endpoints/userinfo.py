"""The userinfo endpoint (OIDC Core §5.3): the claims of the granted scopes for the holder of a live access token."""

from __future__ import annotations

from flask import Blueprint, Request, Response, request

from idp.errors import ProtocolError
from idp.models.units import each_alone
from idp.protocol import claims
from idp.protocol.json_answer import answer, refuse
from idp.protocol.protected_resource import load_token, refused
from idp.services.bundle import services
from idp.web.guard import csrf_exempt
from idp.web.session import cookie_blind

blueprint = cookie_blind(Blueprint("userinfo", __name__))


@blueprint.route("/userinfo", methods=["GET", "POST"])
@csrf_exempt
def userinfo() -> Response:
    return answer_userinfo(request)


def answer_userinfo(asked: Request) -> Response:
    each_alone()
    bundle = services()
    try:
        token = load_token(bundle, asked, scope="openid")
        if token.grant is None or token.told is None:
            raise refused("bearer", "invalid_token", "the person is no longer known to this portal")
        return answer(claims.of_grant(bundle, token.portal, token.grant, token.facts.scope, token.told))
    except ProtocolError as error:
        return refuse(error)
