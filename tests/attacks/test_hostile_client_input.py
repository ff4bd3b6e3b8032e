"""C-37, C-54, C-60: whatever comes to the endpoints for clients, the answer is JSON, quick, and never of class 5xx."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from flask import Flask
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from idp.models.base import db
from idp.services import issuing
from idp.services.bundle import Services
from tests.support.holder import ProofKey, b64url
from tests.support.person import ISSUER
from tests.support.portal_client import EVERY_GRANT, PortalClient, client
from tests.support.relying_party import PORTAL_SECRET

pytestmark = pytest.mark.both_engines

PATHS = ("/token", "/introspect", "/revoke", "/device_authorization", "/userinfo")
FORM = "application/x-www-form-urlencoded"
NAMES = (
    "grant_type", "code", "redirect_uri", "code_verifier", "refresh_token", "scope", "resource", "audience", "token",
    "token_type_hint", "client_id", "client_secret", "client_assertion", "client_assertion_type", "device_code",
    "subject_token", "subject_token_type", "requested_token_type", "actor_token", "access_token", "user_code",
)  # fmt: skip
WORDS = (
    *EVERY_GRANT, "openid", "cc_rt_" + "A" * 43, "cc_at_" + "A" * 43, "urn:ietf:params:oauth:token-type:access_token",
    "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", "eyJhbGciOiJub25lIn0.e30.", "a.b.c", "\x00", "é",
    "\ud800", "https://api.example.ch", "' OR 1=1 --", "%s%s%n", "../../etc/passwd", "{{7*7}}", "client-cpx",
)  # fmt: skip

values = st.sampled_from(WORDS) | st.text(max_size=40)
bodies = st.lists(st.tuples(st.sampled_from(NAMES) | st.text(max_size=8), values), max_size=8)
tokens = st.sampled_from(WORDS) | st.text(st.characters(max_codepoint=255, exclude_characters="\r\n"), max_size=60)
schemes = st.sampled_from(["Basic ", "Bearer ", "DPoP ", "basic", "", "Negotiate "])
jsons = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
jws = st.builds(
    lambda header, claims, signature: ".".join((part(header), part(claims), b64url(signature))),
    st.dictionaries(st.sampled_from(["alg", "typ", "jwk", "kid", "crit", "b64"]), jsons, max_size=4),
    st.dictionaries(
        st.sampled_from(["iss", "sub", "aud", "exp", "jti", "htm", "htu", "iat", "ath"]), jsons, max_size=6
    ),
    st.binary(max_size=70),
)


def part(value: object) -> str:
    return b64url(json.dumps(value).encode())


@pytest.fixture
def portal(web: Flask, services: Services) -> Iterator[PortalClient]:
    yield client(web, services, grant_types=EVERY_GRANT, resources=["https://api.example.ch"])
    db.session.remove()


def examined(answer: TestResponse) -> None:
    assert answer.status_code < 500, answer.data
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    body = answer.get_json()
    if answer.status_code >= 400:
        description = body.get("error_description", "")
        assert description.isascii()
        assert description.isprintable()
        assert not {'"', "\\"} & set(description)


def header(text: str) -> str:
    """As a server hands it over: every octet one character."""
    return text.encode("utf-8", "replace").decode("latin-1").replace("\r", "").replace("\n", "")


CALM: Any = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


def fuzz(portal: PortalClient, path: str, body: list[tuple[str, str]], shown: tuple[str, str], proof: str) -> None:
    text = urlencode([(name.encode("utf-8", "replace"), value.encode("utf-8", "replace")) for name, value in body])
    headers = {"Authorization": header(shown[0] + shown[1]), "DPoP": header(proof)}
    pair = base64.b64encode(f"{portal.portal.client_id}:{PORTAL_SECRET}".encode()).decode()
    browser = portal.web.test_client()
    for given_headers in (headers, {"Authorization": f"Basic {pair}"}, {**headers, "Authorization": f"Basic {pair}"}):
        sent = {name: value for name, value in given_headers.items() if value}
        examined(browser.post(path, data=text, content_type=FORM, headers=sent, base_url=ISSUER))


INPUT = (st.sampled_from(PATHS), bodies, st.tuples(schemes, tokens), jws | tokens)


@settings(max_examples=60, deadline=None, suppress_health_check=CALM)
@given(*INPUT)
@example("/token", [("grant_type", "é" * 5000)], ("Basic ", "//79"), "")
@example("/token", [("grant_type", "refresh_token"), ("refresh_token", "\x00")], ("Basic ", "AAAA"), ",")
@example("/userinfo", [("access_token", "\x00")], ("", ""), "")
def test_no_input_is_a_fault(
    portal: PortalClient, path: str, body: list[tuple[str, str]], shown: tuple[str, str], proof: str
) -> None:
    fuzz(portal, path, body, shown, proof)


@pytest.mark.long
@settings(max_examples=5_000, deadline=None, suppress_health_check=CALM)
@given(*INPUT)
def test_no_input_is_a_fault_in_15_000_cases(
    portal: PortalClient, path: str, body: list[tuple[str, str]], shown: tuple[str, str], proof: str
) -> None:
    fuzz(portal, path, body, shown, proof)


@settings(max_examples=40, deadline=None, suppress_health_check=CALM)
@given(st.binary(max_size=200), st.sampled_from([FORM, "application/json", "multipart/form-data; boundary=b", "", "é"]))
def test_random_bytes_are_no_fault(portal: PortalClient, body: bytes, kind: str) -> None:
    for path in PATHS:
        answer = portal.web.test_client().post(path, data=body, content_type=header(kind), base_url=ISSUER)
        examined(answer)


@settings(max_examples=40, deadline=None, suppress_health_check=CALM)
@given(st.dictionaries(st.sampled_from(["jti", "htm", "htu", "iat", "exp", "nbf", "ath", "nonce"]), jsons))
def test_no_claim_of_a_proof_is_a_fault(portal: PortalClient, services: Services, claims: dict[str, Any]) -> None:
    """Signed rightly, so that every claim is really read."""
    key = ProofKey(services.clock)
    for method, path in (("POST", "/token"), ("GET", "/userinfo")):
        proof = {"DPoP": key.proof(method, path, **claims), "Authorization": "DPoP cc_at_x"}
        examined(portal.web.test_client().open(path, method=method, headers=proof, base_url=ISSUER))


@pytest.mark.parametrize(
    "sizes",
    [
        {"scope": " ".join(f"s{at}" for at in range(10_000))}, {"scope": "openid " * 9_000},
        {"resource": ["https://api.example.ch"] * 90}, {"audience": ["x"] * 90}, {"code": "x" * 60_000},
        {"client_assertion": ".".join(["A" * 20_000] * 3)}, {"subject_token": ".".join(["e30" * 6_000] * 3)},
    ],
)  # fmt: skip
def test_large_parameters_are_refused_quickly(portal: PortalClient, sizes: dict[str, Any]) -> None:
    for grant in EVERY_GRANT:
        given_body = {"grant_type": grant, "refresh_token": "x", "code": "x", "device_code": "x", **sizes}
        begun = time.process_time()
        answer = portal.post("/token", given_body)
        assert time.process_time() - begun < 10, grant
        examined(answer)
        assert answer.status_code >= 400 or grant == "client_credentials", grant  # it reads the scope alone


@pytest.mark.parametrize(
    "encoded", ["A" * 60_000, "=" * 100, "Og==", "Ojo6", quote("\x00"), b64url(b"\x00:\x00"), "AA:A"]
)
def test_malformed_basic_headers_are_refused_quickly(portal: PortalClient, encoded: str) -> None:
    begun = time.process_time()
    headers = {"Authorization": f"Basic {encoded}"}
    answer = portal.web.test_client().post(
        "/token", data={"grant_type": "refresh_token"}, headers=headers, base_url=ISSUER
    )
    assert time.process_time() - begun < 10
    assert answer.status_code == 401
    examined(answer)


def test_a_fault_of_ours_is_not_laid_at_the_client(portal: PortalClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuing, "record", lambda _made: len(None))  # type: ignore[arg-type]
    answer = portal.post("/token", {"grant_type": "client_credentials"})
    assert (answer.status_code, answer.get_json()["error"]) == (500, "server_error")
