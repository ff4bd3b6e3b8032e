"""The pushed authorization request endpoint (RFC 9126 §2): a client leaves its request here before the person comes."""

from __future__ import annotations

from flask import Blueprint, Request, Response, request

from idp.models.units import each_alone
from idp.protocol import client_auth, dpop, par, request_sources
from idp.protocol.client_endpoint import guarded
from idp.protocol.json_answer import answer
from idp.services.bundle import services
from idp.web.guard import csrf_exempt
from idp.web.session import cookie_blind

blueprint = cookie_blind(Blueprint("pushed_authorization", __name__))


@blueprint.post("/par")
@csrf_exempt
def push() -> Response:
    return answer_push(request)


def answer_push(asked: Request) -> Response:
    def work() -> Response:
        bundle = services()
        proof = dpop.check(bundle, asked)  # before an assertion is used up
        portal = client_auth.authenticate_request(bundle, asked)
        if proof is not None:
            dpop.spend(bundle, proof)
        request_uri = request_sources.push(bundle, portal, asked.form, proof.jkt if proof else None)
        return answer({"request_uri": request_uri, "expires_in": int(par.LIFE.total_seconds())}, 201)

    each_alone()  # one row, and perhaps a proof and an assertion before it
    return guarded(asked, work)
