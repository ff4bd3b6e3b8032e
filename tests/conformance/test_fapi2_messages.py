"""fapi2-message-signing-final-test-plan: signed requests (JAR) through PAR, and signed responses (JARM)."""

from __future__ import annotations

import json
from typing import Any

import pytest
from joserfc import jws
from joserfc.jwk import KeySet

from tests.conformance import conditions
from tests.conformance.fapi import FAPIClient, Key, new_key, public
from tests.conformance.provider import Callback, Provider
from tests.conformance.suite import Client, Suite

HOUR_S = 3600


@pytest.fixture(scope="session")
def registered(provider: Provider) -> tuple[Client, Key]:
    key = new_key("PS256")
    client_id, _ = provider.add_portal(
        "fapi-ms", security_profile="fapi2", token_endpoint_auth_method="private_key_jwt", require_par=True,
        dpop_bound_access_tokens=True, refresh_rotation=False, id_token_signed_response_alg="PS256",
        require_signed_request_object=True, request_object_signing_alg="PS256",
        authorization_signed_response_alg="PS256", jwks={"keys": [public(key, "PS256", "client-key")]},
    )  # fmt: skip
    return Client(client_id, None, f"{provider.portal_origin}/callback", "private_key_jwt", "PS256"), key


@pytest.fixture
def fapi(suite: Suite, registered: tuple[Client, Key]) -> FAPIClient:
    return FAPIClient(suite, *registered)


def code_of(fapi: FAPIClient, request: str) -> str:
    answer = fapi.push_object(request)
    assert answer.status == 201, answer.text
    return fapi.code_of(answer.json["request_uri"])


def test_happy_flow(fapi: FAPIClient) -> None:
    fapi.tokens(code_of(fapi, fapi.request_object()))


def test_multiple_audiences_and_a_near_future_are_fine(fapi: FAPIClient) -> None:
    now = int(fapi.suite.now())
    fapi.tokens(code_of(fapi, fapi.request_object(aud=[fapi.issuer, "https://other.example/"], nbf=now + 8)))


def bad_objects(fapi: FAPIClient) -> dict[str, str]:
    now = int(fapi.suite.now())
    good = fapi.request_object()
    return {
        "without exp": fapi.request_object(exp=None),
        "without nbf": fapi.request_object(nbf=None),
        "expired": fapi.request_object(exp=now - 60, nbf=now - 300),
        "bad aud": fapi.request_object(aud="https://other.example/"),
        "exp over 60 minutes": fapi.request_object(exp=now + 70 * 60),
        "nbf over 60 minutes old": fapi.request_object(nbf=now - 70 * 60),
        "RS256": fapi.request_object(alg="RS256"),
        "none": fapi.request_object(alg="none"),
        "bad signature": good[:-6] + ("AAAAAA" if not good.endswith("AAAAAA") else "BBBBBB"),
        "another key": fapi.request_object(key=new_key("PS256")),
        "request_uri inside": fapi.request_object(request_uri="urn:ietf:params:oauth:request_uri:x"),
        "request inside": fapi.request_object(request="x"),
        "another iss": fapi.request_object(iss="somebody"),
        "another client_id": fapi.request_object(client_id="somebody"),
        "without redirect_uri": fapi.request_object(redirect_uri=None),
    }


def test_request_objects_that_must_be_refused(fapi: FAPIClient) -> None:
    for name, request in bad_objects(fapi).items():
        answer = fapi.push_object(request)
        assert answer.status == 400, name
        assert answer.json["error"] in {"invalid_request_object", "invalid_request", "invalid_client"}, name


def test_an_unsigned_request_at_par_is_refused(fapi: FAPIClient) -> None:
    answer = fapi.push()
    assert answer.status == 400
    assert answer.json["error"] in {"invalid_request", "invalid_request_object"}


def test_parameters_beside_the_object_do_not_count(fapi: FAPIClient) -> None:
    answer = fapi.push_object(fapi.request_object(), state="outside", nonce="outside")
    assert answer.status == 201, answer.text
    fapi.tokens(fapi.code_of(answer.json["request_uri"]))


def test_state_only_outside_the_request_object_is_not_used(fapi: FAPIClient) -> None:
    answer = fapi.push_object(fapi.request_object(state=None), state="outside")
    fapi.tokens(fapi.code_of(answer.json["request_uri"], None))


def signed_response(fapi: FAPIClient, response: str) -> dict[str, Any]:
    signed = jws.deserialize_compact(response.encode(), KeySet.import_key_set(fapi.suite.keys), algorithms=["PS256"])
    assert signed.headers()["kid"]
    claims: dict[str, Any] = json.loads(signed.payload)
    now = fapi.suite.now()
    assert claims.pop("iss") == fapi.issuer
    assert claims.pop("aud") == fapi.client.client_id
    assert now < claims.pop("exp") <= now + 600
    claims.pop("iat", None)
    return claims


@pytest.mark.parametrize("mode", ["jwt", "query.jwt", "form_post.jwt"])
def test_jarm_happy_flow(suite: Suite, fapi: FAPIClient, mode: str) -> None:
    assert mode in suite.metadata["response_modes_supported"]
    answer = fapi.push_object(fapi.request_object(response_mode=mode))
    callback = fapi.visit(answer.json["request_uri"])
    assert isinstance(callback, Callback)
    assert set(callback.parameters) == {"response"}
    assert callback.method == ("POST" if mode == "form_post.jwt" else "GET")
    claims = signed_response(fapi, callback.parameters["response"])
    assert set(claims) == {"code", "state"}
    assert claims["state"] == "suite-state"
    fapi.tokens(claims["code"])


def test_jarm_errors_come_signed(fapi: FAPIClient) -> None:
    answer = fapi.push_object(fapi.request_object(response_mode="jwt", prompt="none"))
    callback = fapi.visit(answer.json["request_uri"])
    assert isinstance(callback, Callback)
    if "response" in callback.parameters:
        claims = signed_response(fapi, callback.parameters["response"])
        assert claims["error"] == "login_required"
        assert claims["state"] == "suite-state"
    else:
        conditions.check_error(callback.parameters, "login_required")
