"""DPoP (RFC 9449): a request is signed with a key of the client's own, and what it gets serves with that key alone.

`check` judges a proof and consumes nothing, so that a `use_dpop_nonce` answer leaves code and assertion usable;
`spend` accepts its `jti` once.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from flask import Request

from idp.errors import ProtocolError
from idp.models.authorization import AssertionID
from idp.models.base import insert_if_absent
from idp.models.units import keep
from idp.protocol import numeric_date
from idp.services.bundle import Services
from keys import InvalidToken, base64url
from keys.proof import verify_proof

ALGORITHMS = ("ES256", "PS256", "EdDSA", "Ed25519")
TYPE = "dpop+jwt"
OLDEST = timedelta(minutes=2)
LONGEST_JTI = 200
NONCE_LIFE_S = 300
DEFAULT_PORTS = {"https": 443, "http": 80}
ESCAPE = re.compile(r"%[0-9A-Fa-f]{2}")
UNRESERVED = re.compile(r"[A-Za-z0-9._~-]")


@dataclass(frozen=True)
class Proof:
    """A proof that was right: the thumbprint of its key, and what makes it this one proof."""

    jkt: str
    jti: str
    ath: str | None
    issued_at: datetime


def refused(description: str) -> ProtocolError:
    return ProtocolError("invalid_dpop_proof", description)


def check(bundle: Services, request: Request) -> Proof | None:
    """The proof of this request; None where there is none. Raises `ProtocolError`; consumes nothing."""
    header = request.headers.get("DPoP")
    if header is None:
        return None
    # RFC 9449 §4.3 point 1: not more than one DPoP header; servers join several with a comma, which no JWT has.
    if "," in header:
        raise refused("more than one DPoP header")
    try:
        proved = verify_proof(header.strip(), typ=TYPE, algorithms=ALGORITHMS)
    except InvalidToken:
        raise refused("the DPoP proof cannot be read or does not verify") from None
    claims, now = proved.claims, bundle.clock.now()
    jti, ath = claims.get("jti"), claims.get("ath")
    if not isinstance(jti, str) or not 0 < len(jti) <= LONGEST_JTI:
        raise refused("jti is missing or too long")
    if claims.get("htm") != request.method:
        raise refused("htm is not the method of this request")
    address = bundle.settings.origin_at(request.host) + request.path
    if normalised(claims.get("htu")) != normalised(address):
        raise refused("htu is not the address of this request")
    issued_at = numeric_date.read(claims.get("iat"))
    if issued_at is None or not now - OLDEST < issued_at <= now + numeric_date.SKEW:
        raise refused("iat is missing, too old or in the future")
    if not numeric_date.is_in_force(claims, now):
        raise refused("the proof is not in force now")
    if bundle.settings.dpop_nonce and claims.get("nonce") not in _nonces(bundle):
        raise ProtocolError("use_dpop_nonce", "the proof needs the nonce of the DPoP-Nonce header")
    return Proof(proved.thumbprint, jti, ath if isinstance(ath, str) else None, issued_at)


def spend(bundle: Services, proof: Proof) -> None:
    """Accept a proof once, committed at once (RFC 9449 §11.1). Raises `ProtocolError` for a replay."""
    digest = hashlib.sha256(f"dpop|{proof.jkt}|{proof.jti}".encode("utf-8", "replace")).hexdigest()
    is_new = insert_if_absent(AssertionID, id_hash=digest, expires_at=proof.issued_at + OLDEST)
    keep()
    if not is_new:
        raise refused("the proof was used before")


def is_for_token(proof: Proof, access_token: str) -> bool:
    """Whether the proof was made for this access token (RFC 9449 §4.3 point 12)."""
    digest = hashlib.sha256(access_token.encode("utf-8", "replace")).digest()
    expected = base64url.encode(digest).encode()
    return proof.ath is not None and hmac.compare_digest(proof.ath.encode("utf-8", "replace"), expected)


def nonce(bundle: Services) -> str:
    """The nonce of these five minutes, the same from every process and stored nowhere (RFC 9449 §8)."""
    return _nonces(bundle)[0]


def _nonces(bundle: Services) -> tuple[str, str]:
    """The present one and the one before it."""
    slot = int(bundle.clock.now().timestamp()) // NONCE_LIFE_S
    return bundle.vault.mac("dpop-nonce", str(slot)), bundle.vault.mac("dpop-nonce", str(slot - 1))


def normalised(address: object) -> str | None:
    """Without query and fragment, and normalised by syntax and scheme (RFC 9449 §4.3, RFC 3986 §6.2.2 and §6.2.3)."""
    if not isinstance(address, str) or not address.isascii() or not address.isprintable():
        return None
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname or "@" in parts.netloc:
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    place = host if port in {None, DEFAULT_PORTS[parts.scheme]} else f"{host}:{port}"
    return f"{parts.scheme}://{place}{ESCAPE.sub(_plain, parts.path) or '/'}"


def _plain(escape: re.Match[str]) -> str:
    character = chr(int(escape[0][1:], 16))
    return character if UNRESERVED.fullmatch(character) else escape[0].upper()
