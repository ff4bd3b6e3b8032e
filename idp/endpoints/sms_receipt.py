"""Receipts of the SMS gateway, signed as our requests to it are (docs/sms-webhook.md): it arrived, or it will not."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
from uuid import UUID

from flask import Blueprint, abort, request
from werkzeug.wrappers import Response

from idp.services.bounces import bounce, confirm
from idp.services.bundle import services
from idp.settings import Settings
from idp.web.guard import csrf_exempt
from idp.web.session import cookie_blind

blueprint = cookie_blind(Blueprint("sms_receipt", __name__))
SIGNATURE = re.compile(r"t=(\d{1,12}),v1=([0-9a-f]{64})")
WITHIN_S = 300


@blueprint.post("/sms/receipts")
@csrf_exempt
def receive() -> Response:
    """One receipt; the same again changes nothing. 404 where no webhook is used."""
    bundle, body = services(), request.get_data()
    keys = [one.sms_secret for one in (bundle.settings, bundle.settings.sms_fallback) if one and _is_webhook(one)]
    if not keys:
        abort(404)
    if not any(_is_signed(body, key.get_secret_value()) for key in keys):
        abort(401)
    try:
        said = json.loads(body)
        ident, state = UUID(said["id"]), said["state"]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        abort(400)
    if state == "delivered":
        confirm(ident, bundle.clock.now())
    elif state == "failed":
        bounce(ident, "sms", "the network gave it up", bundle.clock.now())
    else:
        abort(400)
    return Response(status=204)


def _is_webhook(settings: Settings) -> bool:
    return settings.sms_provider == "webhook"


def _is_signed(body: bytes, key: str) -> bool:
    found = SIGNATURE.fullmatch(request.headers.get("Connect-Signature", ""))
    if found is None or abs(int(found[1]) - int(services().clock.now().timestamp())) > WITHIN_S:
        return False
    expected = hmac.new(key.encode(), found[1].encode() + b"." + body, hashlib.sha256).hexdigest()
    return hmac.compare_digest(expected, found[2])
