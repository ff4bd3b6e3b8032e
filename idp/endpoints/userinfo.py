"""The userinfo endpoint (OIDC Core §5.3): the claims of the granted scopes for a bearer of a live access token."""

from __future__ import annotations

from flask import Blueprint, Response, request

from idp.errors import ProtocolError
from idp.models.base import db
from idp.models.portal import Portal
from idp.protocol import claims
from idp.protocol.server import FORM, answer, refuse
from idp.services.bundle import services
from idp.web.guard import csrf_exempt
from idp.web.session import cookie_blind

blueprint = cookie_blind(Blueprint("userinfo", __name__))


@blueprint.route("/userinfo", methods=["GET", "POST"])
@csrf_exempt
def userinfo() -> Response:
    try:
        return answer(_claims(_bearer_token()))
    except ProtocolError as error:
        return refuse(error)


def _bearer_token() -> str:
    """The one token of the request: in the header, or in a form body; never in the address (RFC 6750 §2.3)."""
    scheme, _, in_header = request.headers.get("Authorization", "").partition(" ")
    in_body = request.form.getlist("access_token") if request.mimetype == FORM else []
    if "access_token" in request.args or len(in_body) > 1 or (in_header and in_body):
        raise ProtocolError(
            "invalid_request", "send one token, in the header or the body", challenge='Bearer error="invalid_request"'
        )
    if in_body:
        return in_body[0]
    if scheme.lower() != "bearer" or not in_header:
        raise ProtocolError("invalid_token", "a bearer token is needed", status=401, challenge="Bearer")
    return in_header.strip()


def _claims(secret: str) -> dict[str, object]:
    bundle = services()
    found = bundle.tokens.find_access(secret)
    portal = db.session.get(Portal, found[0].portal_id) if found else None
    if found and portal and not portal.is_disabled:
        grant, scope = found
        if (known := claims.of_grant(bundle, portal, grant, scope)) is not None:
            return known
    raise ProtocolError(
        "invalid_token", "the token is not valid or no longer valid", status=401,
        challenge='Bearer error="invalid_token"',
    )  # fmt: skip
