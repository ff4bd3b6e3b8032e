"""The device authorization endpoint (RFC 8628 §3.1): a device asks for the code that it will show."""

from __future__ import annotations

from flask import Blueprint, Response, request

from idp.models.portal import Portal
from idp.protocol import device_code
from idp.protocol.client_endpoint import serve
from idp.protocol.json_answer import answer
from idp.services.bundle import Services
from idp.web.guard import csrf_exempt
from idp.web.session import cookie_blind

blueprint = cookie_blind(Blueprint("device_authorization", __name__))


@blueprint.post("/device_authorization")
@csrf_exempt
def device_authorization() -> Response:
    return serve(request, _begin)


def _begin(bundle: Services, portal: Portal) -> Response:
    return answer(device_code.begin(bundle, portal, request.form.get("scope", "")))
