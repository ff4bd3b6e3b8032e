"""NUL and halves of surrogate pairs, in every form in which they come in, and behind a right signature: never a 5xx.

SQLite keeps both and PostgreSQL neither, so a fault here shows on one engine alone.
"""

from __future__ import annotations

import base64
import json
from datetime import timedelta
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from idp.clock import FrozenClock
from idp.models.base import db
from idp.models.portal import Portal
from idp.protocol.authorize_checks import KNOWN
from idp.protocol.client_metadata import ClientMetadata
from idp.services.bundle import Services
from tests.attacks.test_every_endpoint import NAMES
from tests.protocol.test_registration import CALLBACK, DESCRIBED
from tests.support.holder import ProofKey
from tests.support.person import ISSUER, Person
from tests.support.portal_client import EVERY_GRANT, PortalClient, client
from tests.support.relying_party import PORTAL_SECRET, RelyingParty
from tests.support.signing_party import KEYS, SigningParty, sign

pytestmark = pytest.mark.both_engines

HALF_PAIRS = ["\ud800", *(pytest.param(bad, marks=pytest.mark.long) for bad in ("a\udfffb", "\udc00\ud800"))]
BAD = ["a\0b", pytest.param("\0", marks=pytest.mark.long), *HALF_PAIRS]
MACHINES = ("/token", "/introspect", "/revoke", "/par", "/device_authorization", "/userinfo")
FORM = "application/x-www-form-urlencoded"


def percent(text: str) -> str:
    """As a browser that knows no better would write it: half a pair as its three octets."""
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def answered(answer: TestResponse, place: object) -> None:
    assert answer.status_code < 500, place
    if answer.content_type == "application/json" and answer.status_code >= 400:
        assert answer.get_json()["error"] != "server_error", place


@pytest.fixture
def signer(web: Flask, services: Services) -> PortalClient:
    return client(web, services, "key", token_endpoint_auth_method="private_key_jwt", grant_types=EVERY_GRANT)


@pytest.mark.parametrize("bad", BAD, ids=ascii)
def test_in_a_signed_assertion(signer: PortalClient, bad: str) -> None:
    for name in ("iss", "sub", "aud", "jti", "x", bad):
        for value in (bad, [bad], {bad: bad}):
            answer = signer.refresh("x", client_assertion=signer.assertion(**{name: value}))
            answered(answer, (name, value))
            assert answer.status_code in {400, 401}, (name, value)
    for header in ({"kid": bad}, {"typ": bad}, {"x": bad}, {"kid": [bad]}, {"typ": [bad]}, {"typ": {bad: bad}}):
        answered(signer.refresh("x", client_assertion=signer.assertion(header)), header)


@pytest.mark.parametrize("bad", BAD, ids=ascii)
def test_in_a_signed_proof(signer: PortalClient, clock: FrozenClock, bad: str) -> None:
    key = ProofKey(clock)
    for name in ("jti", "htm", "htu", "nonce", "ath", "x", bad):
        proof = key.proof("POST", "/token", **{name: bad})
        answered(signer.post("/token", {"grant_type": "refresh_token", "refresh_token": "x"}, {"DPoP": proof}), name)
        headers = {"DPoP": key.proof("GET", "/userinfo", "cc_at_x", **{name: bad}), "Authorization": "DPoP cc_at_x"}
        answered(signer.web.test_client().get("/userinfo", headers=headers, base_url=ISSUER), name)


@pytest.mark.parametrize("bad", BAD, ids=ascii)
def test_in_a_signed_request(rp: RelyingParty, person: Person, clock: FrozenClock, bad: str) -> None:
    party = SigningParty(rp, clock)
    party.register()
    for name in sorted(KNOWN | {"iss", "sub", "aud", "jti", "x"}):
        request = party.object(**{name: bad})
        answered(rp.post("/par", request=request), name)
        answered(person.client.get(party.by_value(request), base_url=ISSUER), name)
    claims = party.claims(claims={"userinfo": {bad: {"value": bad}}, "id_token": {"acr": {"values": [bad]}}})
    answered(rp.post("/par", request=sign(claims, KEYS["ES256"], "ES256", kid="k")), "claims")


@pytest.mark.parametrize("bad", BAD, ids=ascii)
def test_in_a_basic_header(rp: RelyingParty, bad: str) -> None:
    raw = bad.encode("utf-8", "surrogatepass")
    halves = (raw, percent(bad).encode(), rp.client_id.encode() + raw, rp.client_id.encode() + percent(bad).encode())
    for client_id in (*halves, rp.client_id.encode()):
        for secret in (raw, percent(bad).encode(), PORTAL_SECRET.encode()):
            pair = base64.b64encode(client_id + b":" + secret).decode()
            if (client_id, secret) == (rp.client_id.encode(), PORTAL_SECRET.encode()):
                continue
            for path in MACHINES[:5]:
                answer = rp.app.test_client().post(
                    path, data={"grant_type": "refresh_token", "token": "x"}, base_url=ISSUER,
                    headers={"Authorization": f"Basic {pair}"},
                )  # fmt: skip
                answered(answer, (path, client_id, secret))
                assert answer.status_code == 401, (path, client_id, secret)


@pytest.mark.parametrize("bad", BAD, ids=ascii)
def test_in_every_field_and_parameter(rp: RelyingParty, person: Person, bad: str) -> None:
    pair = base64.b64encode(f"{rp.client_id}:{PORTAL_SECRET}".encode()).decode()
    browser = rp.app.test_client()
    for name in [*NAMES, bad]:
        text = f"{percent(name)}={percent(bad)}"
        for path in MACHINES:
            rest = "&grant_type=refresh_token" if name != "grant_type" else ""
            headers = {"Authorization": f"Basic {pair}"}
            answered(
                browser.post(path, data=text + rest, content_type=FORM, headers=headers, base_url=ISSUER), (path, name)
            )
        answered(person.client.get(f"{rp.request(**{name: None})}&{text}", base_url=ISSUER), name)
        answered(person.client.get(f"/logout?{text}", base_url=ISSUER), name)
        answered(person.client.get(f"/cpx/login?{text}", base_url=ISSUER), name)


@pytest.mark.parametrize("bad", BAD, ids=ascii)
def test_in_a_path_a_cookie_and_a_bearer_token(rp: RelyingParty, services: Services, bad: str) -> None:
    for path in (
        "/{}",
        "/{}/login",
        "/cpx/{}",
        "/register/{}",
        "/authorize/resume/{}",
        "/selftest/{}",
        "/cpx/login/do/{}",
    ):
        for method in ("GET", "POST", "PUT", "DELETE"):
            answer = rp.app.test_client().open(path.format(percent(bad)), method=method, base_url=ISSUER)
            answered(answer, (method, path))
    raw = bad.encode("utf-8", "surrogatepass").decode("latin-1")
    for name in ("connect_session", "connect_browser"):
        for value in (raw, percent(bad), f'"\\000{percent(bad)}"'):
            headers = {"Cookie": f"{name}={value}"}
            browser = rp.app.test_client(use_cookies=False)
            answered(browser.get("/account", headers=headers, base_url=ISSUER), (name, value))
            answered(browser.get(rp.request(), headers=headers, base_url=ISSUER), (name, value))
    for prefix in ("cc_at_", "cc_rat_", "cc_iat_", ""):
        headers = {"Authorization": f"Bearer {prefix}{raw}"}
        for method, path in (("GET", "/userinfo"), ("POST", "/register"), ("GET", f"/register/{rp.client_id}")):
            answer = rp.app.test_client().open(path, method=method, headers=headers, base_url=ISSUER)
            answered(answer, (method, path, prefix))
            assert answer.status_code == 401, (method, path, prefix)


@pytest.mark.parametrize("bad", BAD, ids=ascii)
def test_in_the_json_of_a_registration(web: Flask, services: Services, bad: str) -> None:
    secret, _ = services.invites.invite(DESCRIBED, timedelta(days=14))
    db.session.commit()
    headers = {"Authorization": f"Bearer {secret}", "Content-Type": "application/json"}
    for name in [*(field.alias or at for at, field in ClientMetadata.model_fields.items()), "client_name", bad]:
        for value in (bad, [bad], {bad: bad}):
            for plainly in (True, False):
                text = json.dumps({"redirect_uris": [CALLBACK], name: value}, ensure_ascii=plainly)
                body = text.encode("utf-8", "surrogatepass")
                answer = web.test_client().post("/register", data=body, headers=headers, base_url=ISSUER)
                assert answer.status_code == 400, (name, value)
    db.session.rollback()
    assert db.session.scalars(db.select(Portal)).all() == []


@pytest.mark.parametrize("bad", BAD, ids=ascii)
def test_in_the_claims_parameter(rp: RelyingParty, person: Person, bad: str) -> None:
    wanted: list[dict[str, Any]] = [
        {"userinfo": {bad: None}}, {bad: {}}, {"id_token": {"sub": {"value": bad}}},
        {"id_token": {"acr": {"values": [bad]}}},
        {"userinfo": {"verified_claims": {"verification": {"trust_framework": {"value": bad}}, "claims": {bad: None}}}},
    ]  # fmt: skip
    for claims in wanted:
        query = urlencode({"claims": json.dumps(claims)})  # the half of a pair escaped, as JSON allows
        answered(person.client.get(f"{rp.request()}&{query}", base_url=ISSUER), claims)
        answered(rp.post("/par", claims=json.dumps(claims), redirect_uri=rp.redirect_uri, response_type="code"), claims)
