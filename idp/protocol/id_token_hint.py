"""`id_token_hint`: an ID token of ours that tells who is meant (OIDC Core §3.1.2.1, RP-Initiated Logout §2)."""

from __future__ import annotations

from typing import Any

from idp.errors import ProtocolError
from idp.models.portal import Portal
from idp.services.bundle import Services
from keys import InvalidToken


def read_hint(bundle: Services, hint: str, portal: Portal | None) -> dict[str, Any]:
    """The claims of an ID token of ours, expired or not. Raises `ProtocolError` invalid_request for anything else."""
    try:
        claims = bundle.keyring.verify(hint, typ="JWT")
    except InvalidToken:
        raise ProtocolError("invalid_request", "id_token_hint is not an ID token of this issuer") from None
    if claims.get("iss") != bundle.settings.issuer or "at_hash" not in claims:
        raise ProtocolError("invalid_request", "id_token_hint is not an ID token of this issuer")
    if portal is not None and claims.get("aud") != portal.client_id:
        raise ProtocolError("invalid_request", "id_token_hint was issued to another client")
    return claims
