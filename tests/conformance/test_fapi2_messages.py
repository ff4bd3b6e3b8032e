"""fapi2-message-signing-final-test-plan: what it asks of signed requests (JAR) and signed responses (JARM) alone."""

from __future__ import annotations

from typing import Any

import pytest

from tests.conformance import conditions
from tests.conformance.fapi import FAPIClient, Key, new_key, public
from tests.conformance.provider import Callback, Provider
from tests.conformance.suite import Client, Suite


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


def test_ensure_request_object_with_multiple_aud_succeeds(fapi: FAPIClient) -> None:
    fapi.tokens(code_of(fapi, fapi.request_object(aud=[fapi.issuer, "https://other.example/"])))


def test_ensure_request_object_with_nbf_8_seconds_in_the_future_is_accepted(fapi: FAPIClient) -> None:
    now = int(fapi.suite.now())
    fapi.tokens(code_of(fapi, fapi.request_object(iat=now + 8, nbf=now + 8)))


def refused(fapi: FAPIClient, request: str, *codes: str) -> None:
    answer = fapi.push_object(request)
    assert answer.status == 400, answer.text
    assert answer.json["error"] in (codes or ("invalid_request_object",)), answer.json


def test_ensure_request_object_without_exp_fails(fapi: FAPIClient) -> None:
    refused(fapi, fapi.request_object(exp=None))


def test_ensure_request_object_without_nbf_fails(fapi: FAPIClient) -> None:
    refused(fapi, fapi.request_object(nbf=None))


def test_ensure_expired_request_object_fails(fapi: FAPIClient) -> None:
    now = int(fapi.suite.now())
    refused(fapi, fapi.request_object(exp=now - 60, nbf=now - 300))


def test_ensure_request_object_with_bad_aud_fails(fapi: FAPIClient) -> None:
    refused(fapi, fapi.request_object(aud="https://other.example/"))


def test_ensure_request_object_with_exp_over_60_fails(fapi: FAPIClient) -> None:
    refused(fapi, fapi.request_object(exp=int(fapi.suite.now()) + 70 * 60))


def test_ensure_request_object_with_nbf_over_60_fails(fapi: FAPIClient) -> None:
    refused(fapi, fapi.request_object(nbf=int(fapi.suite.now()) - 70 * 60))


def test_ensure_signed_request_object_with_rs256_fails(fapi: FAPIClient) -> None:
    refused(fapi, fapi.request_object(alg="RS256"))


def test_ensure_request_object_signature_algorithm_is_not_none(fapi: FAPIClient) -> None:
    refused(fapi, fapi.request_object(alg="none"))


def test_ensure_request_object_with_invalid_signature_fails(fapi: FAPIClient) -> None:
    good = fapi.request_object()
    refused(fapi, good[:-6] + ("AAAAAA" if not good.endswith("AAAAAA") else "BBBBBB"))


def test_ensure_matching_key_in_authorization_request(fapi: FAPIClient) -> None:
    refused(fapi, fapi.request_object(key=new_key("PS256")))


def test_ensure_unsigned_request_at_par_endpoint_fails(fapi: FAPIClient) -> None:
    answer = fapi.push()
    assert answer.status == 400
    assert answer.json["error"] in {"invalid_request", "invalid_request_object"}


def test_par_authorization_request_containing_request_uri(fapi: FAPIClient) -> None:
    refused(fapi, fapi.request_object(request_uri="urn:ietf:params:oauth:request_uri:x"), "invalid_request_object")


@pytest.mark.parametrize(
    "changes",
    [{"request": "x"}, {"iss": "somebody"}, {"client_id": "somebody"}, {"redirect_uri": None}],
    ids=["request-inside", "another-iss", "another-client", "no-redirect-uri"],
)
def test_other_objects_are_refused(fapi: FAPIClient, changes: dict[str, Any]) -> None:
    refused(fapi, fapi.request_object(**changes), "invalid_request_object", "invalid_request", "invalid_client")


def test_parameters_beside_the_object_do_not_count(fapi: FAPIClient) -> None:
    answer = fapi.push_object(fapi.request_object(), state="outside", nonce="outside")
    assert answer.status == 201, answer.text
    fapi.tokens(fapi.code_of(answer.json["request_uri"]))


def test_state_only_outside_the_request_object_is_not_used(fapi: FAPIClient) -> None:
    answer = fapi.push_object(fapi.request_object(state=None), state="outside")
    fapi.tokens(fapi.code_of(answer.json["request_uri"], None))


@pytest.mark.parametrize("mode", ["jwt", "query.jwt", "form_post.jwt"])
def test_jarm_happy_flow(suite: Suite, fapi: FAPIClient, mode: str) -> None:
    assert mode in suite.metadata["response_modes_supported"]
    answer = fapi.push_object(fapi.request_object(response_mode=mode))
    callback = fapi.visit(answer.json["request_uri"])
    assert isinstance(callback, Callback)
    assert set(callback.parameters) == {"response"}
    assert callback.method == ("POST" if mode == "form_post.jwt" else "GET")
    claims = fapi.signed_response(callback.parameters["response"])
    assert set(claims) == {"code", "state"}
    assert claims["state"] == "suite-state"
    fapi.tokens(claims["code"])


def test_jarm_errors_come_signed(fapi: FAPIClient) -> None:
    answer = fapi.push_object(fapi.request_object(response_mode="jwt", prompt="none"))
    callback = fapi.visit(answer.json["request_uri"])
    assert isinstance(callback, Callback)
    if "response" in callback.parameters:
        claims = fapi.signed_response(callback.parameters["response"])
        assert claims["error"] == "login_required"
        assert claims["state"] == "suite-state"
    else:
        conditions.check_error(callback.parameters, "login_required")
