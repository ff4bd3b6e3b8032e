"""A portal that signs: request objects and client assertions with its registered key, and requests it pushes."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey
from werkzeug.test import TestResponse

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from tests.support.person import ISSUER
from tests.support.relying_party import RelyingParty, answer_of

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
KEYS: dict[str, Any] = {
    "RS256": RSAKey.generate_key(2048, private=True),
    "ES256": ECKey.generate_key("P-256", private=True),
    "EdDSA": OKPKey.generate_key("Ed25519", private=True),
}
KEYS["PS256"] = KEYS["RS256"]


def sign(claims: dict[str, Any], key: Any, alg: str, **header: str) -> str:
    payload = json.dumps(claims).encode()
    return jws.serialize_compact({"alg": alg, **header}, payload, key, algorithms=[alg])


@dataclass
class SigningParty:
    """`rp` is the portal's side of the plain protocol; the key of `alg` is registered for it."""

    rp: RelyingParty
    clock: FrozenClock
    alg: str = "ES256"
    counter: list[int] = field(default_factory=list)

    def register(self, **changes: Any) -> None:
        """Register this key at the portal, and further fields of it."""
        portal = db.session.query(Portal).filter_by(client_id=self.rp.client_id).one()
        portal.jwks = {"keys": [KEYS[self.alg].as_dict(private=False)]}
        for name, value in changes.items():
            setattr(portal, name, value)
        db.session.commit()

    def parameters(self, **changes: Any) -> dict[str, Any]:
        """Those of a plain request; a parameter set to None is left out."""
        return {name: value for name, value in (answer_of(self.rp.request()) | changes).items() if value is not None}

    def claims(self, **changes: Any) -> dict[str, Any]:
        now = int(self.clock.now().timestamp())
        own = {"iss": self.rp.client_id, "aud": ISSUER, "nbf": now, "exp": now + 300, "iat": now}
        given = self.parameters() | own | changes
        return {name: value for name, value in given.items() if value is not None}

    def object(self, typ: str | None = "oauth-authz-req+jwt", **changes: Any) -> str:
        return sign(self.claims(**changes), KEYS[self.alg], self.alg, **({"typ": typ} if typ is not None else {}))

    def by_value(self, request_object: str, **outer: str) -> str:
        return f"/authorize?{urlencode({'client_id': self.rp.client_id, 'request': request_object, **outer})}"

    def assertion(self) -> dict[str, str]:
        now = int(self.clock.now().timestamp())
        self.counter.append(1)
        claims = {
            "iss": self.rp.client_id, "sub": self.rp.client_id, "aud": ISSUER, "jti": f"j-{len(self.counter)}",
            "exp": now + 60,
        }  # fmt: skip
        return {"client_assertion": sign(claims, KEYS[self.alg], self.alg), "client_assertion_type": ASSERTION_TYPE}

    def push(self, **changes: Any) -> TestResponse:
        return push(self.rp, **changes)


def push(rp: RelyingParty, **changes: Any) -> TestResponse:
    """POST a request to the PAR endpoint with the portal's secret; None leaves a parameter out."""
    parameters = {name: value for name, value in (answer_of(rp.request()) | changes).items() if value is not None}
    return rp.post("/par", **parameters)


def pushed(rp: RelyingParty, **changes: Any) -> str:
    """Push a request that must be accepted; returns the address the person is sent to."""
    response = push(rp, **changes)
    assert response.status_code == 201, response.get_data(as_text=True)
    return at(rp, response.get_json()["request_uri"])


def at(rp: RelyingParty, request_uri: str, **outer: str) -> str:
    return f"/authorize?{urlencode({'client_id': rp.client_id, 'request_uri': request_uri, **outer})}"
