"""A FAPI 2.0 client: pushes its requests, proves its keys, and bends any of it where a module asks for it."""

from __future__ import annotations

import base64
import hashlib
import json
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlencode
from uuid import uuid4

from joserfc import jws
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

from tests.conformance import conditions
from tests.conformance.provider import Callback
from tests.conformance.suite import VERIFIER, Answer, Client, Shown, Suite, challenge

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
Key = ECKey | RSAKey | OKPKey
REGISTRY = jws.JWSRegistry(algorithms=["ES256", "PS256", "RS256", "EdDSA", "none"])
REGISTRY.max_header_length = 4096


def new_key(alg: str) -> Key:
    if alg == "ES256":
        return ECKey.generate_key("P-256")
    return OKPKey.generate_key("Ed25519") if alg == "EdDSA" else RSAKey.generate_key(2048)


def public(key: Key, alg: str, kid: str) -> dict[str, Any]:
    return {**key.as_dict(private=False), "kid": kid, "use": "sig", "alg": alg}


def sign(header: dict[str, Any], claims: dict[str, Any], key: Key) -> str:
    """A compact JWS; without a signature where the header says `none`."""
    payload = json.dumps(claims).encode()
    if header.get("alg") == "none":
        parts = (json.dumps(header).encode(), payload)
        return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."
    return jws.serialize_compact(header, payload, key, registry=REGISTRY)


@dataclass
class FAPIClient:
    """A registered client, its signing key and the key its tokens are bound to."""

    suite: Suite
    client: Client
    key: Key
    alg: str = "PS256"
    kid: str = "client-key"
    dpop_key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256"))
    signs: bool = False

    @property
    def issuer(self) -> str:
        return self.suite.provider.issuer

    def thumbprint(self) -> str:
        return self.dpop_key.thumbprint()

    # What it proves.

    def assertion(self, *, alg: str | None = None, key: Key | None = None, **changes: Any) -> str:
        now = int(self.suite.now())
        claims = {
            "iss": self.client.client_id, "sub": self.client.client_id, "aud": self.issuer, "iat": now, "nbf": now,
            "exp": now + 60, "jti": uuid4().hex, **changes,
        }  # fmt: skip
        kept = {name: value for name, value in claims.items() if value is not None}
        return sign({"alg": alg or self.alg, "kid": self.kid}, kept, key or self.key)

    def proof(self, method: str, url: str, *, token: str | None = None, **changes: Any) -> str:
        """A DPoP proof; `header` replaces members of its header, other names claims; None leaves one out."""
        claims: dict[str, Any] = {
            "jti": uuid4().hex, "htm": method, "htu": url.split("?")[0], "iat": int(self.suite.now()),
        }  # fmt: skip
        if token is not None:
            digest = hashlib.sha256(token.encode()).digest()
            claims["ath"] = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
        header: dict[str, Any] = {"typ": "dpop+jwt", "alg": "ES256", "jwk": self.dpop_key.as_dict(private=False)}
        header |= changes.pop("header", {})
        key: Key = changes.pop("key", self.dpop_key)
        claims |= changes
        return sign(
            {name: value for name, value in header.items() if value is not None},
            {name: value for name, value in claims.items() if value is not None},
            key,
        )

    # What it sends.

    def parameters(self, **changes: str | None) -> dict[str, str]:
        wanted = {"code_challenge": challenge(), "code_challenge_method": "S256", **changes}
        return self.suite.request_parameters(self.client, **wanted)

    def push(
        self, form: dict[str, str] | None = None, *, assertion: str | None = None,
        headers: dict[str, str] | None = None, beside: dict[str, str] | None = None, **changes: str | None,
    ) -> Answer:  # fmt: skip
        """Push the ordinary request, as a signed object where this client signs; `beside` stands next to it."""
        asked = self.parameters(**changes) if form is None else form
        if self.signs and form is None:
            asked = {"client_id": self.client.client_id, "request": self.request_object(**changes)}
        body = {**asked, **(beside or {}), **self._proof(assertion)}
        endpoint = self.suite.metadata["pushed_authorization_request_endpoint"]
        return self.suite.wire.send("POST", endpoint, form=body, headers=headers)

    def pushed(self, **changes: str | None) -> str:
        """The `request_uri` of an accepted push, judged."""
        answer = self.push(**changes)
        assert answer.status == 201, answer.text
        assert answer.headers["cache-control"] == "no-store"
        body = answer.json
        assert 5 <= body["expires_in"] <= 600
        assert body["request_uri"].startswith("urn:ietf:params:oauth:request_uri:")
        assert conditions.has_entropy(body["request_uri"].rpartition(":")[2])
        return str(body["request_uri"])

    def visit(self, request_uri: str, client_id: str | None = None, **extra: str) -> Callback | Shown:
        query = {"client_id": client_id or self.client.client_id, "request_uri": request_uri, **extra}
        outcome = self.suite.visit(f"{self.suite.metadata['authorization_endpoint']}?{urlencode(query)}")
        return self.opened(outcome) if isinstance(outcome, Callback) else outcome

    def opened(self, callback: Callback) -> Callback:
        """The answer as the portal reads it: out of its signed form (JARM), judged, where this client asked for one."""
        if not self.signs:
            return callback
        assert set(callback.parameters) - {"x"} == {"response"}
        claims = self.signed_response(callback.parameters["response"]) | {"iss": self.issuer}
        return replace(callback, method="GET", query=list(claims.items()))

    def signed_response(self, response: str) -> dict[str, Any]:
        """The parameters in a signed response, without the claims that are about the response itself."""
        keys = KeySet.import_key_set(self.suite.keys)
        signed = jws.deserialize_compact(response.encode(), keys, algorithms=[self.client.alg])
        assert signed.headers()["kid"]
        claims: dict[str, Any] = json.loads(signed.payload)
        now = self.suite.now()
        assert claims.pop("iss") == self.issuer
        assert claims.pop("aud") == self.client.client_id
        assert now < claims.pop("exp") <= now + 600
        claims.pop("iat", None)
        return claims

    def code(self, **changes: str | None) -> str:
        return self.code_of(self.pushed(**changes), self.parameters(**changes).get("state"))

    def code_of(self, request_uri: str, state: str | None = "suite-state") -> str:
        callback = self.visit(request_uri)
        assert isinstance(callback, Callback), callback
        conditions.check_success(callback.parameters, self.issuer, state)
        return callback.parameters["code"]

    def redeem(
        self, code: str, *, assertion: str | None = None, proof: str | None = "", client_id: str | None = None,
        **changes: str | None,
    ) -> Answer:  # fmt: skip
        form: dict[str, str | None] = {
            "grant_type": "authorization_code", "code": code, "redirect_uri": self.client.redirect_uri,
            "code_verifier": VERIFIER, "client_id": client_id or self.client.client_id, **changes,
        }  # fmt: skip
        return self.token(form, assertion=assertion, proof=proof)

    def token(self, form: dict[str, str | None], *, assertion: str | None = None, proof: str | None = "") -> Answer:
        """POST to the token endpoint. `proof` None sends no DPoP header, empty makes a good one."""
        endpoint = self.suite.metadata["token_endpoint"]
        body = {name: value for name, value in form.items() if value is not None} | self._proof(assertion)
        headers = {} if proof is None else {"DPoP": proof or self.proof("POST", endpoint)}
        return self.suite.wire.send("POST", endpoint, form=body, headers=headers)

    def tokens(self, code: str, nonce: str | None = "suite-nonce") -> dict[str, Any]:
        answer = self.redeem(code)
        conditions.check_token_answer(answer.status, answer.headers, answer.json, token_type="DPoP")
        return {**answer.json, "claims": self.suite.id_token(self.client, answer.json, nonce)}

    def resource(self, access_token: str, *, scheme: str = "DPoP", proof: str | None = "", query: str = "") -> Answer:
        """GET the protected resource, which is userinfo."""
        url = self.suite.metadata["userinfo_endpoint"]
        headers = {"Authorization": f"{scheme} {access_token}"}
        if proof is not None:
            headers["DPoP"] = proof or self.proof("GET", url, token=access_token)
        return self.suite.wire.send("GET", url + query, headers=headers)

    def _proof(self, assertion: str | None) -> dict[str, str]:
        """The client authentication; an empty assertion leaves it out."""
        if assertion == "":
            return {}
        return {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion or self.assertion()}

    # Signed requests.

    def request_object(self, *, alg: str | None = None, key: Key | None = None, **changes: Any) -> str:
        """A request object with the ordinary parameters as claims; None leaves a claim out."""
        now = int(self.suite.now())
        claims: dict[str, Any] = {
            **self.parameters(), "iss": self.client.client_id, "aud": self.issuer, "iat": now, "nbf": now,
            "exp": now + 300, "jti": uuid4().hex, **changes,
        }  # fmt: skip
        kept = {name: value for name, value in claims.items() if value is not None}
        return sign({"alg": alg or self.alg, "kid": self.kid, "typ": "oauth-authz-req+jwt"}, kept, key or self.key)

    def push_object(self, request: str, **extra: str) -> Answer:
        return self.push({"client_id": self.client.client_id, "request": request, **extra})


def refused(answer: Answer, *codes: str) -> None:
    assert answer.status in {400, 401}, (answer.status, answer.text)
    assert answer.json["error"] in codes, answer.json
    assert conditions.PRINTABLE.fullmatch(answer.json.get("error_description", ""))


def stopped(outcome: Callback | Shown, *codes: str) -> None:
    """An error at the portal, or a page that goes nowhere."""
    if isinstance(outcome, Callback):
        conditions.check_error(outcome.parameters, *codes)
    else:
        assert outcome.status >= 400
