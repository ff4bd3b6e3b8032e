"""Proof Key for Code Exchange (RFC 7636): S256 only, and a verifier exactly where a challenge was sent."""

from __future__ import annotations

import hashlib
import hmac
import re

from idp.errors import ProtocolError
from keys import base64url

METHODS = ("S256",)
CHALLENGE = re.compile(r"[A-Za-z0-9_-]{43}")
VERIFIER = re.compile(r"[A-Za-z0-9._~-]{43,128}")


def check_challenge(challenge: str | None, method: str | None, *, required: bool) -> None:
    """Judge the parameters of an authorization request. Raises `ProtocolError` invalid_request."""
    if challenge is None:
        if required:
            raise ProtocolError("invalid_request", "code_challenge is required")
        if method is not None:
            raise ProtocolError("invalid_request", "code_challenge_method without code_challenge")
        return
    # RFC 7636 §4.3: an absent method means "plain", which MUST NOT be used here.
    if method not in METHODS:
        raise ProtocolError("invalid_request", "code_challenge_method must be S256")
    if not CHALLENGE.fullmatch(challenge):
        raise ProtocolError("invalid_request", "code_challenge must be 43 characters of base64url")


def check_verifier(challenge: str | None, verifier: str | None) -> None:
    """Judge the verifier of a token request against the stored challenge. Raises `ProtocolError` invalid_grant."""
    # RFC 9700 §2.1.1: a verifier without a challenge is a downgrade and MUST be refused.
    if challenge is None:
        if verifier is not None:
            raise ProtocolError("invalid_grant", "code_verifier without code_challenge")
        return
    if verifier is None or not VERIFIER.fullmatch(verifier):
        raise ProtocolError("invalid_grant", "code_verifier is missing or malformed")
    digest = base64url.encode(hashlib.sha256(verifier.encode()).digest())
    if not hmac.compare_digest(digest.encode(), challenge.encode()):
        raise ProtocolError("invalid_grant", "code_verifier does not match")
