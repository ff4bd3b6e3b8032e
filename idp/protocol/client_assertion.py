"""private_key_jwt: a client proves itself with a signed assertion (RFC 7523 §3, OIDC Core §9), each one once."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from idp.models.authorization import AssertionID
from idp.models.base import insert_if_absent
from idp.models.portal import Portal
from idp.models.units import keep
from idp.protocol import numeric_date
from idp.protocol.numeric_date import SKEW
from idp.protocol.security_profile import accepts_token_endpoint_as_audience, allows_algorithm
from idp.services.bundle import Services, services
from keys import InvalidToken
from keys.jwk import ALGORITHMS as SIGNATURES
from keys.jwk import OTHER_NAMES, known_as
from keys.jwks import algorithms_of
from keys.jws import peek, verify

TYPES = ("jwt", "client-authentication+jwt")  # the second is that of RFC 7523bis
ALGORITHMS = (*SIGNATURES, *OTHER_NAMES)
LONGEST_LIFE = timedelta(hours=1)  # what Authlib's client gives its assertions; each is taken once in any case
LONGEST_JTI = 200


def has_right_assertion(bundle: Services, portal: Portal | None, assertion: str) -> bool:
    """Whether the assertion is signed by the portal's registered key, is meant for us, is fresh, and is new."""
    if portal is None:
        return False
    try:
        claims = verified(portal, assertion, portal.token_endpoint_auth_signing_alg)
        header = peek(assertion)
    except InvalidToken:
        return False
    # RFC 8725 §3.11: a token of another kind, signed by the same key for the same audience, is not an assertion.
    if header.get("typ", "JWT").lower() not in TYPES:
        return False
    now = bundle.clock.now()
    expires_at = numeric_date.read(claims.get("exp"))
    jti = claims.get("jti")
    # RFC 7523 §3: iss and sub MUST be the client, aud MUST be us, exp MUST be there and not past.
    if claims.get("iss") != portal.client_id or claims.get("sub") != portal.client_id:
        return False
    if not is_for(portal, bundle.settings.issuer, claims.get("aud")):
        return False
    if expires_at is None or not now - SKEW < expires_at <= now + LONGEST_LIFE + SKEW:
        return False
    if any(name in claims and not numeric_date.is_past(claims[name], now) for name in ("iat", "nbf")):
        return False
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:
        return False
    return _spend(portal, jti, expires_at + SKEW)


def verified(portal: Portal, token: str, pinned: str | None) -> dict[str, Any]:
    """The claims, if a key of the portal signed them; the key pins the algorithm (RFC 8725 §3.1). Or `InvalidToken`."""
    header = peek(token)
    alg, kid = known_as(header.get("alg")), header.get("kid")
    if not allows_algorithm(portal, alg):
        raise InvalidToken("the profile does not allow this algorithm")
    for key in services().portal_keys.keys_of(portal, kid if isinstance(kid, str) else None):
        is_named = kid is None or key.get("kid") in (None, kid)  # which may be anything
        if is_named and alg in algorithms_of(key) and pinned in {None, alg}:
            try:
                return verify(token, key, alg=alg)
            except InvalidToken:
                continue
    raise InvalidToken("no registered key signed this")


def is_for(portal: Portal, issuer: str, audience: object) -> bool:
    """Whether we are meant: the issuer as the one string (RFC 7523bis, FAPI 2.0).

    Where the operator allows the older form, the token endpoint too, and either as a list of one (RFC 7519 §4.1.3).
    """
    if not accepts_token_endpoint_as_audience(portal):
        return audience == issuer
    named = audience if isinstance(audience, list) else [audience]
    return len(named) == 1 and named[0] in (issuer, f"{issuer}/token")


def _spend(portal: Portal, jti: str, until: datetime) -> bool:
    """Accept a `jti` once, committed at once (RFC 7523 §3 point 7)."""
    digest = hashlib.sha256(f"{portal.client_id}|{jti}".encode()).hexdigest()
    is_new = insert_if_absent(AssertionID, id_hash=digest, expires_at=until)
    keep()
    return is_new
