"""The access token: opaque, or a JWT of RFC 9068 where the portal registered so; kept by its hash either way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from idp.chance import hash_of, new_id, token
from idp.models.live_grant import LiveGrant
from idp.models.portal import Portal
from idp.services.access_tokens import PREFIX, TokenFacts
from idp.services.bundle import Services

TYPE = "at+jwt"
ALG = "ES256"  # what a resource server verifies is our choice, and RS256 costs twenty times as much


class Wanted(NamedTuple):
    """What a token is to be good for. `grant` is None where nobody signed in."""

    grant: LiveGrant | None
    scope: str
    audience: tuple[str, ...]
    confirmation: Mapping[str, Any]
    actor: Mapping[str, Any] | None = None
    not_after: datetime | None = None


def make(bundle: Services, portal: Portal, wanted: Wanted) -> tuple[dict[str, Any], dict[str, Any]]:
    """The members of a token answer that speak of the access token (RFC 6749 §5.1), and the row to keep of it."""
    now = bundle.clock.now()
    end = now + bundle.settings.access_token_for
    facts = TokenFacts(
        id=new_id(bundle.random, now),
        scope=wanted.scope,
        audience=wanted.audience,
        confirmation=dict(wanted.confirmation),
        actor=dict(wanted.actor) if wanted.actor else None,
        created_at=now,
        expires_at=min(end, wanted.not_after) if wanted.not_after else end,
    )
    if portal.access_token_format == "jwt":
        secret = bundle.keyring.sign(claims(bundle, portal, wanted.grant, facts), alg=ALG, typ=TYPE)
    else:
        secret = token(bundle.random, PREFIX)
    row = {
        "id": facts.id, "token_hash": hash_of(secret), "portal_id": portal.id,
        "grant_id": wanted.grant.id if wanted.grant else None, "scope": facts.scope, "audience": facts.audience,
        "confirmation": facts.confirmation or None, "actor": facts.actor, "created_at": now,
        "expires_at": facts.expires_at,
    }  # fmt: skip
    body = {
        "access_token": secret,
        "token_type": "DPoP" if "jkt" in wanted.confirmation else "Bearer",
        "expires_in": int((facts.expires_at - now).total_seconds()),
    }
    if wanted.scope:
        body["scope"] = wanted.scope
    return body, row


def claims(bundle: Services, portal: Portal, grant: LiveGrant | None, facts: TokenFacts) -> dict[str, Any]:
    """What the token says (RFC 9068 §2.2), the same inside a JWT and at introspection (RFC 7662 §2.2)."""
    said: dict[str, Any] = {
        "iss": bundle.settings.issuer,
        # RFC 9068 §2.2: where no resource owner is involved, sub is the client; no `sub` of a person has a dot.
        "sub": bundle.tokens.subject(portal, grant.account_id) if grant else portal.client_id,
        "aud": facts.audience[0] if len(facts.audience) == 1 else list(facts.audience),
        "client_id": portal.client_id,
        "iat": int(facts.created_at.timestamp()),
        "exp": int(facts.expires_at.timestamp()),
        "jti": str(facts.id),
    }
    if facts.scope:
        said["scope"] = facts.scope
    if facts.confirmation:
        said["cnf"] = facts.confirmation
    if facts.actor:
        said["act"] = facts.actor
    if grant is not None:
        said |= {"auth_time": int(grant.auth_time.timestamp()), "acr": grant.acr, "amr": grant.amr}
        said["sid"] = str(grant.sid)
    return said
