"""Client authentication: one method, the registered one, judged the same for known and unknown clients."""

from __future__ import annotations

import base64
import hmac
import json
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from joserfc import jws
from joserfc.jwk import ECKey, OKPKey, RSAKey

from idp.clock import FrozenClock
from idp.errors import BadInput
from idp.models.base import db
from idp.models.portal import Portal
from idp.services.bundle import Services
from tests.support.builders import add_portal
from tests.support.person import ISSUER, Person
from tests.support.relying_party import PORTAL_SECRET, RelyingParty, answer_of

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def ask(web: Flask, body: dict[str, str], basic: tuple[str, str] | None = None) -> tuple[int, str, str]:
    headers = {}
    if basic:
        headers["Authorization"] = "Basic " + base64.b64encode(":".join(basic).encode()).decode()
    given = {"grant_type": "authorization_code", "code": "cc_code_x", "redirect_uri": "https://x.example", **body}
    response = web.test_client().post("/token", data=given, headers=headers, base_url=ISSUER)
    return response.status_code, response.get_json()["error"], response.headers.get("WWW-Authenticate", "")


def test_only_the_registered_method_counts(web: Flask, rp: RelyingParty) -> None:
    right = {"client_id": rp.client_id, "client_secret": PORTAL_SECRET}
    assert ask(web, {}, (rp.client_id, PORTAL_SECRET))[:2] == (400, "invalid_grant")
    assert ask(web, {"client_id": rp.client_id}, (rp.client_id, PORTAL_SECRET))[:2] == (400, "invalid_grant")
    assert ask(web, right)[:2] == (401, "invalid_client")
    assert ask(web, {"client_id": rp.client_id})[:2] == (401, "invalid_client")
    assert ask(web, {})[:2] == (401, "invalid_client")
    assert ask(web, right, (rp.client_id, PORTAL_SECRET))[:2] == (400, "invalid_request")
    assert ask(web, {"client_id": "other"}, (rp.client_id, PORTAL_SECRET))[:2] == (401, "invalid_client")


def test_a_wrong_secret_and_an_unknown_client_look_the_same(web: Flask, rp: RelyingParty) -> None:
    wrong = ask(web, {}, (rp.client_id, "wrong"))
    assert wrong == ask(web, {}, ("nobody", "wrong")) == ask(web, {}, (rp.client_id, "ü"))
    assert wrong == (401, "invalid_client", 'Basic realm="token"')
    assert ask(web, {}, (rp.client_id, ""))[1] == "invalid_client"


def test_a_disabled_portal_is_nobody(
    web: Flask, rp: RelyingParty, portal: Portal, services: Services, person: Person
) -> None:
    person.open(rp.request())
    tokens = rp.redeem(answer_of(person.address)["code"]).get_json()
    db.session.get_one(Portal, portal.id).disabled_at = services.clock.now()
    db.session.commit()
    assert ask(web, {}, (rp.client_id, PORTAL_SECRET))[1] == "invalid_client"
    assert rp.userinfo(tokens["access_token"]).status_code == 401
    assert person.client.get(rp.request(), base_url=ISSUER).status_code == 400


def test_basic_halves_are_form_decoded(web: Flask, services: Services) -> None:
    secret = "a b+c%d:e/ü"
    portal = add_portal("odd", client_id="client:odd", client_secret_hash=services.vault.mac("client-secret", secret))
    encoded = ("client%3Aodd", "a+b%2Bc%25d%3Ae%2F%C3%BC")
    assert ask(web, {}, encoded)[1] == "invalid_grant"
    assert portal.client_id == "client:odd"


def test_the_secret_in_the_body_where_registered(web: Flask, services: Services) -> None:
    add_portal(
        "post", token_endpoint_auth_method="client_secret_post",
        client_secret_hash=services.vault.mac("client-secret", PORTAL_SECRET),
    )  # fmt: skip
    right = {"client_id": "client-post", "client_secret": PORTAL_SECRET}
    assert ask(web, right)[1] == "invalid_grant"
    assert ask(web, {}, ("client-post", PORTAL_SECRET))[1] == "invalid_client"


def test_two_secrets_are_good_until_the_older_one_ends(
    web: Flask, rp: RelyingParty, portal: Portal, services: Services, clock: FrozenClock
) -> None:
    def refused(secret: str) -> str:
        return ask(web, {}, (rp.client_id, secret))[1]

    def renew(keep_old_for: timedelta | None) -> str:
        fresh = services.portals.renew_secret("cpx", keep_old_for)
        db.session.commit()
        return fresh

    second = renew(timedelta(days=7))
    assert (refused(PORTAL_SECRET), refused(second), refused("wrong")) == (
        "invalid_grant", "invalid_grant", "invalid_client",
    )  # fmt: skip
    with pytest.raises(BadInput, match="two secrets"):
        services.portals.renew_secret("cpx", None)
    clock.advance(timedelta(days=7))
    assert (refused(PORTAL_SECRET), refused(second)) == ("invalid_client", "invalid_grant")
    third = renew(None)
    clock.advance(timedelta(days=700))
    assert (refused(second), refused(third)) == ("invalid_grant", "invalid_grant")
    services.portal_secrets.end_previous(services.portals.load("cpx"))
    db.session.commit()
    assert (refused(second), refused(third)) == ("invalid_client", "invalid_grant")
    with pytest.raises(BadInput, match="no older secret"):
        services.portal_secrets.end_previous(services.portals.load("cpx"))
    fourth = renew(timedelta(0))
    assert (refused(third), refused(fourth)) == ("invalid_client", "invalid_grant")


def test_a_secret_is_judged_with_the_same_work_whoever_shows_it(
    portal: Portal, services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    services.portals.renew_secret("cpx", timedelta(days=7))
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda one, two: compared.append(0) or real(one, two))
    counts = []
    for shown, whose in (("x", None), ("x", portal), (PORTAL_SECRET, portal), ("", portal)):
        services.portal_secrets.is_right(whose, shown)
        counts.append(len(compared))
        compared.clear()
    assert counts == [2, 2, 2, 2]


KEYS: dict[str, Any] = {
    "RS256": lambda: RSAKey.generate_key(2048, private=True),
    "PS256": lambda: RSAKey.generate_key(2048, private=True),
    "ES256": lambda: ECKey.generate_key("P-256", private=True),
    "EdDSA": lambda: OKPKey.generate_key("Ed25519", private=True),
    "Ed25519": lambda: OKPKey.generate_key("Ed25519", private=True),  # the same by its name of RFC 9864
}


class Assertions:
    """Signs as the portal whose public key is registered."""

    def __init__(self, web: Flask, portal: Portal, clock: FrozenClock, alg: str) -> None:
        self.web, self.portal, self.clock, self.alg = web, portal, clock, alg
        self.key = KEYS[alg]()
        self.count = 0

    def claims(self, **changes: object) -> dict[str, object]:
        now = int(self.clock.now().timestamp())
        self.count += 1
        fields = {
            "iss": self.portal.client_id, "sub": self.portal.client_id, "aud": ISSUER, "jti": f"j-{self.count}",
            "exp": now + 60, "iat": now,
        }  # fmt: skip
        return {name: value for name, value in (fields | changes).items() if value is not None}

    def ask(self, **changes: object) -> str:
        payload = json.dumps(self.claims(**changes)).encode()
        token = jws.serialize_compact({"alg": self.alg}, payload, self.key, algorithms=[self.alg])
        return ask(self.web, {"client_assertion": token, "client_assertion_type": ASSERTION_TYPE})[1]


@pytest.fixture(params=list(KEYS))
def assertions(request: pytest.FixtureRequest, web: Flask, clock: FrozenClock) -> Assertions:
    portal = add_portal("key", token_endpoint_auth_method="private_key_jwt")
    made = Assertions(web, portal, clock, request.param)
    portal.jwks = {"keys": [made.key.as_dict(private=False)]}
    db.session.commit()
    return made


def test_a_client_proves_itself_with_its_key(assertions: Assertions, clock: FrozenClock) -> None:
    now = int(clock.now().timestamp())
    assert assertions.ask() == "invalid_grant"  # authenticated; only the code is wrong
    assert assertions.ask(nbf=now + 8) == "invalid_grant"
    assert assertions.ask(exp=now + 3600) == "invalid_grant"
    refused: list[dict[str, object]] = [
        {"jti": "j-1"}, {"jti": None}, {"jti": ""}, {"jti": 5}, {"jti": "j" * 201}, {"aud": [ISSUER]},
        {"aud": f"{ISSUER}/token"}, {"aud": f"{ISSUER}/"}, {"aud": None}, {"iss": "other"}, {"sub": "other"},
        {"sub": None},
        {"exp": None}, {"exp": now - 60}, {"exp": now + 3660}, {"exp": "soon"}, {"exp": True}, {"exp": 1e300},
        {"nbf": now + 62}, {"iat": now + 62}, {"iat": "now"},
    ]  # fmt: skip
    for changes in refused:
        assert assertions.ask(**changes) == "invalid_client", changes


def test_the_token_endpoint_as_audience_where_registered(assertions: Assertions) -> None:
    assertions.portal.assertion_audience = "token_endpoint"
    db.session.commit()
    assert assertions.ask(aud=f"{ISSUER}/token") == "invalid_grant"
    for listed in ([f"{ISSUER}/token"], [ISSUER]):
        assert assertions.ask(aud=listed) == "invalid_grant"
    for wrong in ("https://other.example/token", [ISSUER, "https://other.example/token"], [ISSUER] * 2, [[ISSUER]], []):
        assert assertions.ask(aud=wrong) == "invalid_client", wrong


def test_a_registered_algorithm_is_the_only_one(assertions: Assertions) -> None:
    other = "ES256" if assertions.alg != "ES256" else "RS256"
    assertions.portal.token_endpoint_auth_signing_alg = other
    db.session.commit()
    assert assertions.ask() == "invalid_client"
