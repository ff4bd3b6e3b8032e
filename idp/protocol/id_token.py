"""The ID token (OIDC Core §2): who signed in at this portal, when, and how; more only where the request named it."""

from __future__ import annotations

import hashlib
from typing import Any

from idp.models.live_grant import LiveGrant
from idp.models.portal import Portal
from idp.protocol.claims import for_id_token
from idp.services.bundle import Services
from keys import base64url

TYPE = "JWT"
HALF_HASH = {"RS256": hashlib.sha256, "PS256": hashlib.sha256, "ES256": hashlib.sha256, "EdDSA": hashlib.sha512}
ALGORITHMS = tuple(HALF_HASH)


def half_hash(value: str, alg: str) -> str:
    """`at_hash` of OIDC Core §3.1.3.6; EdDSA with Ed25519 hashes with SHA-512."""
    digest = HALF_HASH[alg](value.encode()).digest()
    return base64url.encode(digest[: len(digest) // 2])


def build(bundle: Services, portal: Portal, grant: LiveGrant, *, access_token: str, nonce: str | None) -> str:
    """The signed token. `auth_time` is when the person really authenticated, also after single sign-on and refresh."""
    now, alg = bundle.clock.now(), portal.id_token_signed_response_alg
    claims: dict[str, Any] = {
        **for_id_token(bundle, portal, grant),
        "iss": bundle.settings.issuer,
        "sub": bundle.tokens.subject(portal, grant.account_id),
        "aud": portal.client_id,
        "exp": int((now + bundle.settings.id_token_for).timestamp()),
        "iat": int(now.timestamp()),
        "auth_time": int(grant.auth_time.timestamp()),
        "acr": grant.acr,
        "amr": grant.amr,
        "sid": str(grant.sid),
        "at_hash": half_hash(access_token, alg),
    }
    if nonce is not None:
        claims["nonce"] = nonce
    return bundle.keyring.sign(claims, alg=alg, typ=TYPE)
