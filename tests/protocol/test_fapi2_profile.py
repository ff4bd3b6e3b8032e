"""The security profile `fapi2` at the endpoints for clients (FAPI 2.0 Security Profile §5.3.2 and §5.4)."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask

from idp.clock import FrozenClock
from idp.services.bundle import Services
from idp.settings import Settings, SettingsError
from tests.protocol.test_mtls import NAMED, PROXY, jwks_with
from tests.support.holder import ProofKey, issue
from tests.support.person import ISSUER
from tests.support.portal_client import PortalClient, change, client
from wsgi import create_app

FAPI: dict[str, Any] = {
    "security_profile": "fapi2", "token_endpoint_auth_method": "private_key_jwt",
    "id_token_signed_response_alg": "PS256",
}  # fmt: skip


@pytest.fixture(params=["ES256", "PS256", "EdDSA", "Ed25519"])
def portal(request: pytest.FixtureRequest, web: Flask, services: Services, clock: FrozenClock) -> PortalClient:
    return client(web, services, alg=request.param, dpop=ProofKey(clock), **FAPI)


@pytest.fixture
def one(web: Flask, services: Services, clock: FrozenClock) -> PortalClient:
    return client(web, services, dpop=ProofKey(clock), **FAPI)


def outcome(portal: PortalClient, **changes: Any) -> str:
    """How the token endpoint takes an assertion with these changes; `invalid_grant` says that the client was right."""
    return str(portal.refresh("x", client_assertion=portal.assertion(**changes)).get_json()["error"])


def test_the_happy_path_with_key_and_proof(portal: PortalClient) -> None:
    tokens = portal.tokens()
    assert tokens["token_type"] == "DPoP"
    assert portal.userinfo(tokens["access_token"]).status_code == 200


def test_no_token_without_a_sender(one: PortalClient) -> None:
    code, key = one.code(), one.dpop
    one.dpop = None
    refused = one.redeem(code)
    assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_dpop_proof")
    one.dpop = key
    tokens = one.redeem(code).get_json()
    one.dpop = None
    assert one.refresh(tokens["refresh_token"]).get_json()["error"] == "invalid_dpop_proof"


def test_a_certificate_constrains_the_sender_as_well(
    services: Services, environment: dict[str, str], signing_keys: None, clock: FrozenClock
) -> None:
    web = create_app(services=replace(services, settings=Settings.from_environ({**environment, **PROXY})))
    certificate = issue(NAMED, clock.now())
    methods = {"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": jwks_with(certificate)}
    portal = client(web, services, certificate=certificate, **{**FAPI, **methods})
    token = portal.tokens()["access_token"]
    assert portal.post("/introspect", {"token": token}).get_json()["cnf"] == {"x5t#S256": certificate.x5t}
    portal.dpop = ProofKey(clock)
    bound = portal.tokens()
    assert bound["token_type"] == "DPoP"
    assert set(portal.post("/introspect", {"token": bound["access_token"]}).get_json()["cnf"]) == {"jkt"}


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_no_secret_is_good_enough(web: Flask, services: Services, clock: FrozenClock, method: str) -> None:
    portal = client(web, services, dpop=ProofKey(clock), **{**FAPI, "token_endpoint_auth_method": method})
    assert portal.refresh("x").get_json()["error"] == "invalid_client"


def test_the_audience_is_the_issuer_alone(one: PortalClient, clock: FrozenClock) -> None:
    change(one.portal, assertion_audience="token_endpoint")  # the profile wins
    assert outcome(one) == "invalid_grant"
    for wrong in ([ISSUER], [ISSUER, "x"], f"{ISSUER}/token", f"{ISSUER}/par", f"{ISSUER}/", None, ""):
        assert outcome(one, aud=wrong) == "invalid_client", wrong
    now = int(clock.now().timestamp())
    assert outcome(one, nbf=now + 8) == "invalid_grant"
    for refused in ({"nbf": now + 62}, {"exp": now - 300}, {"sub": None}, {"iss": "x"}):
        assert outcome(one, **refused) == "invalid_client", refused


def test_rs256_is_refused_here_and_fine_elsewhere(web: Flask, services: Services, clock: FrozenClock) -> None:
    strict = client(web, services, alg="RS256", dpop=ProofKey(clock), **FAPI)
    assert outcome(strict) == "invalid_client"
    lenient = client(web, services, "old", alg="RS256", token_endpoint_auth_method="private_key_jwt")
    assert outcome(lenient) == "invalid_grant"


def test_the_refresh_token_stays_whatever_the_portal_registered(one: PortalClient, clock: FrozenClock) -> None:
    change(one.portal, refresh_rotation=True)
    first = one.tokens()["refresh_token"]
    for _ in range(3):
        clock.advance(timedelta(seconds=31))
        answer = one.refresh(first)
        assert answer.status_code == 200
        assert "refresh_token" not in answer.get_json()


def test_a_code_lives_sixty_seconds_at_most(one: PortalClient, clock: FrozenClock, environment: dict[str, str]) -> None:
    code, late = one.code(), one.code()
    clock.advance(timedelta(seconds=59))
    assert one.redeem(code).status_code == 200
    clock.advance(timedelta(seconds=2))
    assert one.redeem(late).get_json()["error"] == "invalid_grant"
    with pytest.raises(SettingsError, match="AUTHORIZATION_CODE_FOR"):
        Settings.from_environ({**environment, "CONNECT_AUTHORIZATION_CODE_FOR": "61"})


def test_a_code_reused_is_refused_and_takes_its_token_along(one: PortalClient, clock: FrozenClock) -> None:
    code = one.code()
    token = one.redeem(code).get_json()["access_token"]
    clock.advance(timedelta(seconds=1))
    assert one.redeem(code).get_json()["error"] == "invalid_grant"
    assert one.userinfo(token).status_code == 401
