"""What a token means to the one who asks (RFC 7662), plain or as a signed statement (RFC 9701).

A portal may ask about its own tokens, and a resource server about those that are meant for it; everybody else learns
the same of a live token as of a made-up one.
"""

from __future__ import annotations

from typing import Any

from flask import Request, Response

from idp.models.portal import Portal
from idp.protocol import access_token, id_token
from idp.protocol.json_answer import answer
from idp.protocol.resource_indicators import is_resource_server
from idp.services.bundle import Services

MEDIA_TYPE = "application/token-introspection+jwt"
TYPE = "token-introspection+jwt"
DEFAULT_ALG = "RS256"
ALGORITHMS = id_token.ALGORITHMS
INACTIVE = {"active": False}


def answer_to(bundle: Services, portal: Portal, request: Request) -> Response:
    """`token_type_hint` is a hint: the token itself says what it is."""
    said = describe(bundle, portal, request.form.get("token", ""))
    # RFC 9701 §4: the signed form is asked for by name in the Accept header.
    if MEDIA_TYPE not in [kind for kind, quality in request.accept_mimetypes if quality > 0]:
        return answer(said)
    statement = {
        "iss": bundle.settings.issuer,
        "aud": portal.client_id,
        "iat": int(bundle.clock.now().timestamp()),
        "token_introspection": said,
    }
    alg = portal.introspection_signed_response_alg or DEFAULT_ALG
    return Response(bundle.keyring.sign(statement, alg=alg, typ=TYPE), content_type=MEDIA_TYPE)


def describe(bundle: Services, asker: Portal, secret: str) -> dict[str, Any]:
    """The answer's members; `{"active": false}` for everything that is not the asker's business."""
    if secret.startswith("cc_rt_"):
        return _refresh(bundle, asker, secret)
    found = bundle.access_tokens.find(secret)
    if found is None or not (found.portal.id == asker.id or is_resource_server(asker, found.facts.audience)):
        return INACTIVE
    kind = "DPoP" if "jkt" in found.facts.confirmation else "Bearer"
    said = access_token.claims(bundle, found.portal, found.grant, found.facts)
    return {"active": True, "token_type": kind, **said}


def _refresh(bundle: Services, asker: Portal, secret: str) -> dict[str, Any]:
    found = bundle.tokens.find_refresh(asker, secret)
    if found is None:
        return INACTIVE
    grant, ends_at = found
    return {
        "active": True,
        "iss": bundle.settings.issuer,
        "sub": bundle.tokens.subject(asker, grant.account_id),
        "client_id": asker.client_id,
        "scope": grant.scope,
        "exp": int(ends_at.timestamp()),
    }
