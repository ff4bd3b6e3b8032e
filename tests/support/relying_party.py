"""A portal's side of the protocol, in the test's own words: asks, redeems, reads claims."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from flask import Flask
from joserfc import jwt
from joserfc.jwk import KeySet
from werkzeug.test import TestResponse

from tests.support.person import ISSUER

VERIFIER = "v" * 43
PORTAL_SECRET = "portal-secret-of-the-tests"


def challenge(verifier: str = VERIFIER) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()


def answer_of(address: str) -> dict[str, str]:
    """The parameters of a redirect back to a portal; each may stand there once."""
    found = parse_qs(urlsplit(address).query, keep_blank_values=True)
    assert all(len(values) == 1 for values in found.values()), found
    return {name: values[0] for name, values in found.items()}


@dataclass
class RelyingParty:
    app: Flask
    client_id: str
    redirect_uri: str
    secret: str = ""
    scope: str = "openid profile email phone insurance offline_access"
    extra: dict[str, str] = field(default_factory=dict)

    def request(self, **changes: str | None) -> str:
        """The address of an authorization request; a parameter set to None is left out."""
        parameters: dict[str, str | None] = {
            "client_id": self.client_id, "redirect_uri": self.redirect_uri, "response_type": "code",
            "scope": self.scope, "state": "s-1", "nonce": "n-1",
            "code_challenge": challenge(), "code_challenge_method": "S256",
        }  # fmt: skip
        kept = {name: value for name, value in (parameters | changes).items() if value is not None}
        return f"/authorize?{urlencode(kept)}"

    def redeem(self, code: str, **changes: str | None) -> TestResponse:
        body: dict[str, str | None] = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.redirect_uri,
            "code_verifier": VERIFIER,
        }  # fmt: skip
        return self.post("/token", **(body | changes))

    def refresh(self, refresh_token: str, **changes: str | None) -> TestResponse:
        return self.post("/token", grant_type="refresh_token", refresh_token=refresh_token, **changes)

    def post(self, path: str, **body: str | None) -> TestResponse:
        kept = {name: value for name, value in body.items() if value is not None}
        basic = base64.b64encode(f"{self.client_id}:{self.secret}".encode()).decode()
        headers = {"Authorization": f"Basic {basic}"} if self.secret else {}
        return self.app.test_client().post(path, data=kept, headers=headers, base_url=ISSUER)

    def userinfo(self, access_token: str) -> TestResponse:
        headers = {"Authorization": f"Bearer {access_token}"}
        return self.app.test_client().get("/userinfo", headers=headers, base_url=ISSUER)

    def claims(self, id_token: str, alg: str = "RS256") -> dict[str, Any]:
        """The claims of an ID token, verified with the published keys."""
        keys = self.app.test_client().get("/jwks", base_url=ISSUER).get_json()
        return jwt.decode(id_token, KeySet.import_key_set(keys), algorithms=[alg]).claims


def header_of(token: str) -> dict[str, Any]:
    part = token.split(".")[0]
    decoded: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return decoded
