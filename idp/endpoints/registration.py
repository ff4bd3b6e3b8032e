"""The registration endpoint (RFC 7591 §3) and the configuration endpoint of each portal (RFC 7592 §2)."""

from __future__ import annotations

from flask import Blueprint, Response, request

from idp.errors import ProtocolError
from idp.models.base import db
from idp.protocol import registration
from idp.protocol.json_answer import answer, refuse
from idp.services.bundle import services
from idp.web.guard import csrf_exempt
from idp.web.session import cookie_blind

blueprint = cookie_blind(Blueprint("registration", __name__))


@blueprint.post("/register")
@csrf_exempt
def register() -> Response:
    return answer(registration.register(services(), _bearer_token(), request.get_data()), 201)


@blueprint.get("/register/<client_id>")
def read(client_id: str) -> Response:
    return answer(registration.read(services(), client_id, _bearer_token()))


@blueprint.put("/register/<client_id>")
@csrf_exempt
def replace(client_id: str) -> Response:
    return answer(registration.replace(services(), client_id, _bearer_token(), request.get_data()))


@blueprint.delete("/register/<client_id>")
@csrf_exempt
def withdraw(client_id: str) -> Response:
    registration.withdraw(services(), client_id, _bearer_token())
    return Response(status=204)


@blueprint.errorhandler(ProtocolError)
def _refuse(error: ProtocolError) -> Response:
    db.session.rollback()
    return refuse(error)


def _bearer_token() -> str:
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise ProtocolError("invalid_token", "a bearer token is needed", status=401, challenge="Bearer")
    return secret.strip()
