"""Signed request objects by value (JAR, RFC 9101), at the authorization endpoint and through PAR.

The client's registered keys pin the algorithm; life and audience are those of FAPI 2.0 Message Signing §5.3.1. Only the
object's own parameters count, as in OAuth, and nothing is ever fetched.
"""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from werkzeug.datastructures import MultiDict

from idp.errors import ProtocolError
from idp.models.portal import Portal
from idp.protocol import numeric_date
from idp.protocol.authorize_checks import KNOWN, Parameters
from idp.protocol.client_assertion import verified
from idp.protocol.numeric_date import SKEW
from idp.services.bundle import Services
from keys import InvalidToken
from keys.jws import peek

DEFAULT_TYPE = "jwt"  # OIDC Core §6.1 asks for none; libraries write JWT unasked
TYPES = {DEFAULT_TYPE, "oauth-authz-req+jwt"}
LONGEST_LIFE = timedelta(minutes=60)
NESTED = {"request", "request_uri"}


def read(bundle: Services, portal: Portal, text: str) -> Parameters:
    """The parameters that the object holds. Raises `ProtocolError` request_not_supported or invalid_request_object."""
    if portal.jwks is None and portal.jwks_uri is None:
        raise ProtocolError("request_not_supported", "this client has no registered keys to sign requests with")
    try:
        header = peek(text)
        claims = verified(portal, text, portal.request_object_signing_alg)
    except InvalidToken:
        raise _refused("the request object is not signed with a registered key and an allowed algorithm") from None
    if str(header.get("typ", DEFAULT_TYPE)).lower() not in TYPES:
        raise _refused("the request object has a typ of another kind of token")
    _check_claims(bundle, portal, claims)
    return _parameters(claims)


def _refused(description: str) -> ProtocolError:
    return ProtocolError("invalid_request_object", description)


def _check_claims(bundle: Services, portal: Portal, claims: dict[str, Any]) -> None:
    # RFC 9101 §4: request and request_uri MUST NOT be included in the object.
    if NESTED & set(claims):
        raise _refused("the request object must not hold request or request_uri")
    # RFC 9101 §5.2 and §6.3: the client_id inside MUST be the one outside.
    if claims.get("client_id") != portal.client_id or claims.get("iss") != portal.client_id:
        raise _refused("client_id and iss of the request object must both be the client_id")
    # RFC 9101 §10.8: an object with the client as `sub` could pass for a client assertion.
    if claims.get("sub") == portal.client_id:
        raise _refused("the request object must not have the client as its sub")
    # FAPI 2.0 Message Signing §5.3.1: aud MUST be, or hold, the issuer.
    audience = claims.get("aud")
    if bundle.settings.issuer not in (audience if isinstance(audience, list) else [audience]):
        raise _refused("aud of the request object must be the issuer")
    _check_life(claims, bundle.clock.now())


def _check_life(claims: dict[str, Any], now: datetime) -> None:
    # FAPI 2.0 Message Signing §5.3.1: nbf at most 60 minutes old, exp at most 60 minutes after nbf; both MUST be there.
    begins, ends = numeric_date.read(claims.get("nbf")), numeric_date.read(claims.get("exp"))
    if begins is None or ends is None:
        raise _refused("the request object needs nbf and exp")
    if not now - LONGEST_LIFE <= begins <= now + SKEW:
        raise _refused("nbf of the request object is more than 60 minutes old or lies in the future")
    if ends <= now - SKEW:
        raise _refused("the request object has expired")
    if ends - begins > LONGEST_LIFE:
        raise _refused("exp of the request object is more than 60 minutes after nbf")


def _parameters(claims: dict[str, Any]) -> Parameters:
    """As a query would have carried them; what is no parameter of ours is left out."""
    given: Parameters = MultiDict()
    for name in KNOWN & set(claims):
        for value in claims[name] if name == "resource" and isinstance(claims[name], list) else [claims[name]]:
            given.add(name, _text(name, value))
    return given


def _text(name: str, value: object) -> str:
    if name == "claims" and isinstance(value, dict):
        return json.dumps(value)
    if name == "max_age" and isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    if not isinstance(value, str) or not is_storable(value):
        raise _refused("the request object has a parameter of the wrong type")
    return value


def is_storable(text: str) -> bool:
    """Whether every database and every answer can carry it: no NUL, no half of a surrogate pair.

    JSON has escapes for both; from a query or a form neither gets past the guard.
    """
    return "\0" not in text and not any("\ud800" <= character <= "\udfff" for character in text)
