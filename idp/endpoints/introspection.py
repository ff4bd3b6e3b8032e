"""The introspection endpoint (RFC 7662). What may be said, idp/protocol/introspection.py decides."""

from __future__ import annotations

from flask import Blueprint, Request, Response, request

from idp.errors import ProtocolError
from idp.models.portal import Portal
from idp.models.units import each_alone
from idp.protocol.client_endpoint import serve
from idp.protocol.introspection import answer_to
from idp.services.bundle import Services
from idp.web.guard import csrf_exempt
from idp.web.session import cookie_blind

blueprint = cookie_blind(Blueprint("introspection", __name__))


@blueprint.post("/introspect")
@csrf_exempt
def introspect() -> Response:
    return answer_introspection(request)


def answer_introspection(asked: Request) -> Response:
    def work(bundle: Services, portal: Portal) -> Response:
        if "token" not in asked.form:
            raise ProtocolError("invalid_request", "token is missing")
        return answer_to(bundle, portal, asked)

    each_alone()
    return serve(asked, work)
