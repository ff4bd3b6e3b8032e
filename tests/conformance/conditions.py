"""Conditions that catch providers out, judged on what came over the wire: keys, redirects, token answers, claims."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
from collections import Counter
from typing import Any

from joserfc import jws
from joserfc.jwk import KeySet

PRINTABLE = re.compile(r"[\x20-\x21\x23-\x5b\x5d-\x7e]*")
VISIBLE = re.compile(r"[\x20-\x7e]+")
ERROR_PARAMETERS = {"error", "error_description", "error_uri", "state", "iss"}
UNASKED_CLAIMS = {
    "iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "azp", "at_hash", "c_hash", "s_hash", "nbf",
    "jti", "sid", "txn",
}  # fmt: skip
PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}
STANDARD_CLAIMS = {
    "profile": {"name", "given_name", "family_name", "birthdate", "locale", "updated_at"},
    "email": {"email", "email_verified"},
    "phone": {"phone_number", "phone_number_verified"},
}
HALF_HASH = {"RS256": hashlib.sha256, "PS256": hashlib.sha256, "ES256": hashlib.sha256, "EdDSA": hashlib.sha512}
YEAR_S = 365 * 24 * 3600
FIVE_MINUTES_S = 300


def has_entropy(secret: str, bits: int = 96) -> bool:
    """Shannon entropy over the characters seen, as a rough measure, and 128 bits of length."""
    counts = Counter(secret)
    per_character = -sum(count / len(secret) * math.log2(count / len(secret)) for count in counts.values())
    return per_character * len(secret) > bits and len(secret) * 6 >= 128


def check_jwks(document: dict[str, Any]) -> None:
    """Public keys only, each with a `kid` of its own, its use and its algorithm."""
    keys = document["keys"]
    kids = [key.get("kid") for key in keys]
    assert keys
    assert all(kids)
    assert len(set(kids)) == len(kids)
    for key in keys:
        assert not PRIVATE_MEMBERS & set(key)
        assert key["kty"] in {"RSA", "EC", "OKP"}
        assert key["use"] == "sig"
        assert key["alg"]


def check_error(parameters: dict[str, str], *codes: str) -> None:
    """An error sent back to the portal: known parameters only, a plain description, the right code."""
    assert set(parameters) <= ERROR_PARAMETERS, set(parameters) - ERROR_PARAMETERS
    assert parameters["error"] in codes, parameters["error"]
    assert PRINTABLE.fullmatch(parameters.get("error_description", ""))


def check_success(parameters: dict[str, str], issuer: str, state: str | None) -> None:
    """A code, `iss` byte for byte, and `state` exactly as it was sent or not at all."""
    assert set(parameters) == {"code", "iss"} | ({"state"} if state is not None else set()), set(parameters)
    assert parameters["iss"] == issuer
    assert parameters.get("state") == state
    assert VISIBLE.fullmatch(parameters["code"])
    assert has_entropy(parameters["code"])


def check_token_answer(status: int, headers: dict[str, str], body: dict[str, Any], *, token_type: str) -> None:
    assert status == 200, body
    assert headers["content-type"].split(";")[0] == "application/json"
    assert headers["cache-control"] == "no-store"
    assert body["token_type"] == token_type
    assert isinstance(body["expires_in"], int)
    assert 0 < body["expires_in"] <= YEAR_S
    assert VISIBLE.fullmatch(body["access_token"])
    assert has_entropy(body["access_token"])


def check_token_error(status: int, headers: dict[str, str], body: dict[str, Any], code: str) -> None:
    assert status in ({400, 401} if code == "invalid_client" else {400}), status
    assert headers["content-type"].split(";")[0] == "application/json"
    assert headers["cache-control"] == "no-store"
    assert body["error"] == code, body
    assert PRINTABLE.fullmatch(body.get("error_description", ""))


def check_id_token(
    token: str, keys: dict[str, Any], *, issuer: str, audience: str, now: float, alg: str = "RS256",
    nonce: str | None = None, access_token: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Verify an ID token with the published keys and judge every claim; returns the claims."""
    signed = jws.deserialize_compact(token.encode(), KeySet.import_key_set(keys), algorithms=[alg])
    header = signed.headers()
    assert header["alg"] == alg
    assert header["kid"] in {key["kid"] for key in keys["keys"]}
    claims = _object(signed.payload)
    assert set(claims) <= UNASKED_CLAIMS, f"unasked in the ID token: {set(claims) - UNASKED_CLAIMS}"
    assert claims["iss"] == issuer
    assert claims["aud"] in (audience, [audience])
    assert isinstance(claims["sub"], str)
    assert 0 < len(claims["sub"]) <= 255
    assert abs(claims["iat"] - now) < FIVE_MINUTES_S
    assert now < claims["exp"] < now + YEAR_S
    assert isinstance(claims["auth_time"], int)
    assert claims["auth_time"] <= now + 5
    assert isinstance(claims["acr"], str)
    assert claims["acr"]
    assert isinstance(claims["amr"], list)
    assert all(isinstance(one, str) for one in claims["amr"])
    assert claims.get("nonce") == nonce
    if "at_hash" in claims and access_token is not None:
        digest = HALF_HASH[alg](access_token.encode()).digest()
        assert claims["at_hash"] == base64.urlsafe_b64encode(digest[: len(digest) // 2]).rstrip(b"=").decode()
    return claims


def check_userinfo(status: int, headers: dict[str, str], claims: dict[str, Any], *, sub: str, now: float) -> None:
    """The answer's type, the same `sub`, and each standard claim of its right type and never empty."""
    assert status == 200, claims
    assert headers["content-type"].split(";")[0] == "application/json"
    assert claims["sub"] == sub
    assert all(value not in (None, "", "null", [], {}) for value in claims.values())
    for name in {"email_verified", "phone_number_verified"} & set(claims):
        assert isinstance(claims[name], bool)
    if "updated_at" in claims:
        assert isinstance(claims["updated_at"], int)
        assert 631_152_000 < claims["updated_at"] <= now + 5
    if "birthdate" in claims:
        assert re.fullmatch(r"\d{4}-\d{2}-\d{2}", claims["birthdate"])
    numbers = {"updated_at"}
    flags = {"email_verified", "phone_number_verified"}
    for name, value in claims.items():
        assert name in numbers or name in flags or isinstance(value, str), name


def _object(payload: bytes) -> dict[str, Any]:
    found = json.loads(payload)
    assert isinstance(found, dict)
    return found
