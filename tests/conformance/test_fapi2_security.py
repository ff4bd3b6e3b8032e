"""fapi2-security-profile-final-test-plan: private_key_jwt, DPoP, OpenID Connect, plain FAPI.

The long run repeats it as fapi2-message-signing-final-test-plan: every request is signed, and every response.
"""

from __future__ import annotations

from datetime import timedelta

import pytest
from joserfc.jwk import ECKey

from tests.conformance import conditions
from tests.conformance.fapi import FAPIClient, refused, stopped
from tests.conformance.provider import Callback
from tests.conformance.suite import VERIFIER, Suite, challenge

FAPI_ALGS = {"PS256", "ES256", "EdDSA"}


def test_discovery_end_point_verification(suite: Suite, fapi: FAPIClient) -> None:
    found = suite.metadata
    assert "code" in found["response_types_supported"]
    assert found["pushed_authorization_request_endpoint"].startswith("https://")
    assert found["authorization_response_iss_parameter_supported"] is True
    assert "S256" in found["code_challenge_methods_supported"]
    assert {"private_key_jwt", "tls_client_auth"} & set(found["token_endpoint_auth_methods_supported"])
    for name in (
        "id_token_signing_alg_values_supported", "token_endpoint_auth_signing_alg_values_supported",
        "dpop_signing_alg_values_supported",
    ):  # fmt: skip
        assert FAPI_ALGS & set(found[name]), name
    assert "RS256" not in found["dpop_signing_alg_values_supported"]
    assert isinstance(found["require_pushed_authorization_requests"], bool)
    if fapi.signs:
        assert found["request_parameter_supported"] is True
        assert "none" not in found["request_object_signing_alg_values_supported"]
        assert "jwt" in found["response_modes_supported"]
        for name in ("request_object_signing_alg_values_supported", "authorization_signing_alg_values_supported"):
            assert FAPI_ALGS & set(found[name]), name


@pytest.mark.parametrize("which", [0, 1])
def test_happy_flow(suite: Suite, fapi: FAPIClient, second: FAPIClient, which: int) -> None:
    one = (fapi, second)[which]
    request_uri = one.pushed() if which == 0 else one.pushed(dpop_jkt=one.thumbprint())
    callback = one.visit(request_uri)
    assert isinstance(callback, Callback)
    answer = {name: value for name, value in callback.parameters.items() if name != "x"}
    conditions.check_success(answer, one.issuer, "suite-state")
    tokens = one.tokens(answer["code"])
    for header in ({}, {"Accept": "application/json;q=0.1, text/weird"}):
        found = suite.wire.send(
            "GET", suite.metadata["userinfo_endpoint"],
            headers={
                "Authorization": f"DPoP {tokens['access_token']}",
                "DPoP": one.proof("GET", suite.metadata["userinfo_endpoint"], token=tokens["access_token"]), **header,
            },
        )  # fmt: skip
        assert found.status == 200
        assert found.json["sub"] == tokens["claims"]["sub"]
        assert "date" in found.headers
    in_query = suite.wire.send("GET", f"{suite.metadata['userinfo_endpoint']}?access_token={tokens['access_token']}")
    assert in_query.status in {400, 401}


def test_user_rejects_authentication(suite: Suite, fapi: FAPIClient) -> None:
    request_uri = fapi.pushed()
    page = suite.page()
    before = len(suite.provider.portal_side.received)
    page.goto(f"{suite.metadata['authorization_endpoint']}?client_id={fapi.client.client_id}&request_uri={request_uri}")
    page.get_by_role("button", name="Cancel").click()
    page.wait_for_url(f"{suite.provider.portal_origin}/**")
    page.close()
    (callback,) = map(fapi.opened, suite.provider.portal_side.received[before:])
    conditions.check_error(callback.parameters, "access_denied")
    assert callback.parameters["state"] == "suite-state"


def succeeds(fapi: FAPIClient, **changes: str | None) -> None:
    """A sign-in with these parameters changed: what was sent is echoed, what was not is not invented."""
    fapi.tokens(fapi.code(**changes), fapi.parameters(**changes).get("nonce"))


def test_ensure_authorization_request_without_state_success(fapi: FAPIClient) -> None:
    succeeds(fapi, state=None)


def test_ensure_authorization_request_without_nonce_success(fapi: FAPIClient) -> None:
    succeeds(fapi, nonce=None)


def test_ensure_authorization_request_with_64_char_nonce_success(fapi: FAPIClient) -> None:
    succeeds(fapi, nonce="n" * 64)


def test_ensure_other_scope_order_succeeds(fapi: FAPIClient) -> None:
    succeeds(fapi, scope="profile openid")


def test_ensure_authorization_request_with_long_nonce(fapi: FAPIClient) -> None:
    succeeds(fapi, nonce="n" * 384)


def test_ensure_authorization_request_with_long_state(fapi: FAPIClient) -> None:
    succeeds(fapi, state="s" * 512)


def ignores(fapi: FAPIClient, outside: dict[str, str], **changes: str | None) -> None:
    """Only what was pushed counts, whatever stands beside the request_uri."""
    callback = fapi.visit(fapi.pushed(**changes), **outside)
    assert isinstance(callback, Callback)
    conditions.check_success(callback.parameters, fapi.issuer, fapi.parameters(**changes).get("state"))
    fapi.tokens(callback.parameters["code"])


def test_ensure_different_nonce_inside_and_outside_request_object(fapi: FAPIClient) -> None:
    ignores(fapi, {"nonce": "outside"})


def test_ensure_different_state_inside_and_outside_request_object(fapi: FAPIClient) -> None:
    ignores(fapi, {"state": "outside"})


def test_state_only_outside_request_object_not_used(fapi: FAPIClient) -> None:
    ignores(fapi, {"state": "outside"}, state=None)


def test_ensure_request_object_without_redirect_uri_fails(fapi: FAPIClient) -> None:
    """Also where the address stands beside the request_uri at the authorization endpoint, it is too late."""
    refused(fapi.push(redirect_uri=None), "invalid_request", "invalid_request_object")
    if fapi.signs:
        beside = {"redirect_uri": fapi.client.redirect_uri}
        refused(fapi.push(beside=beside, redirect_uri=None), "invalid_request", "invalid_request_object")


def test_ensure_redirect_uri_in_authorization_request(fapi: FAPIClient) -> None:
    refused(fapi.push(redirect_uri=None), "invalid_request", "invalid_request_object")


def test_plain_fapi_tolerate_unregistered_redirect_uri(fapi: FAPIClient) -> None:
    """RFC 9126 §2.4 lets a server take it. Ours refuses it."""
    refused(
        fapi.push(redirect_uri=f"{fapi.suite.provider.portal_origin}/other"),
        "invalid_request",
        "invalid_request_object",
    )


def test_ensure_unsigned_authorization_request_without_using_par_fails(suite: Suite, fapi: FAPIClient) -> None:
    outcome = suite.authorize(fapi.client, code_challenge=challenge(), code_challenge_method="S256")
    stopped(fapi.opened(outcome) if isinstance(outcome, Callback) else outcome, "invalid_request")


OTHER_TYPE = ("unsupported_response_type", "invalid_request", "invalid_request_object")


@pytest.mark.parametrize("response_type", ["code id_token", "id_token"])
def test_ensure_response_type_code_idtoken_fails(fapi: FAPIClient, response_type: str) -> None:
    refused(fapi.push(response_type=response_type), *OTHER_TYPE)


@pytest.mark.parametrize("response_type", ["token", "code token"])
def test_ensure_response_type_token_fails(fapi: FAPIClient, response_type: str) -> None:
    refused(fapi.push(response_type=response_type), *OTHER_TYPE)


def test_ensure_client_id_in_token_endpoint(fapi: FAPIClient, second: FAPIClient) -> None:
    answer = fapi.redeem(fapi.code(), client_id=second.client.client_id)
    refused(answer, "invalid_client", "invalid_request", "invalid_grant")


def test_ensure_authorization_code_is_bound_to_client(fapi: FAPIClient, second: FAPIClient) -> None:
    code = fapi.code()
    refused(second.redeem(code, redirect_uri=fapi.client.redirect_uri), "invalid_grant")


def test_attempt_reuse_authorization_code_after_one_second(suite: Suite, fapi: FAPIClient) -> None:
    code = fapi.code()
    tokens = fapi.tokens(code)
    suite.provider.clock.advance(timedelta(seconds=1))
    refused(fapi.redeem(code), "invalid_grant")
    assert fapi.resource(tokens["access_token"]).status == 401


def test_ensure_token_endpoint_fails_with_expired_auth_code(suite: Suite, fapi: FAPIClient) -> None:
    code = fapi.code()
    suite.provider.clock.advance(timedelta(seconds=62))
    refused(fapi.redeem(code), "invalid_grant")


def test_refresh_token(suite: Suite, fapi: FAPIClient, second: FAPIClient) -> None:
    tokens = fapi.tokens(fapi.code(scope="openid offline_access", prompt="consent"))
    form: dict[str, str | None] = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    refused(second.token(form), "invalid_grant")
    refused(fapi.token(form, assertion=""), "invalid_client", "invalid_request")
    refused(fapi.token(form, proof=None), "invalid_dpop_proof", "invalid_request", "invalid_grant")
    suite.provider.clock.advance(timedelta(seconds=2))
    fapi.dpop_key = ECKey.generate_key("P-256")
    answer = fapi.token(form)
    conditions.check_token_answer(answer.status, answer.headers, answer.json, token_type="DPoP")
    assert fapi.resource(answer.json["access_token"]).status == 200
    suite.provider.clock.advance(timedelta(seconds=30))
    assert fapi.token(form).status == 200


def test_par_ensure_reused_request_uri_prior_to_auth_completion_succeeds(suite: Suite, fapi: FAPIClient) -> None:
    request_uri = fapi.pushed()
    page = suite.page()
    page.goto(f"{suite.metadata['authorization_endpoint']}?client_id={fapi.client.client_id}&request_uri={request_uri}")
    assert page.locator("[name=password]").count()
    page.close()
    fapi.tokens(fapi.code_of(request_uri))


def test_par_attempt_reuse_request_uri(fapi: FAPIClient) -> None:
    request_uri = fapi.pushed()
    fapi.code_of(request_uri)
    stopped(fapi.visit(request_uri), "invalid_request_uri", "invalid_request")


def test_par_attempt_to_use_expired_request_uri(suite: Suite, fapi: FAPIClient) -> None:
    request_uri = fapi.pushed()
    suite.provider.clock.advance(timedelta(seconds=601))
    stopped(fapi.visit(request_uri), "invalid_request_uri", "invalid_request")


def test_par_attempt_to_use_request_uri_for_different_client(fapi: FAPIClient, second: FAPIClient) -> None:
    stopped(fapi.visit(fapi.pushed(), second.client.client_id), "invalid_request_uri", "invalid_request")


def test_par_authorization_request_containing_request_uri_form_param(fapi: FAPIClient) -> None:
    refused(fapi.push(beside={"request_uri": fapi.pushed()}), "invalid_request", "request_uri_not_supported")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_par_attempt_invalid_http_method(fapi: FAPIClient, method: str) -> None:
    answer = fapi.suite.wire.send(method, fapi.suite.metadata["pushed_authorization_request_endpoint"])
    assert answer.status == 405


PKCE = ("invalid_request", "invalid_request_object")


def test_par_ensure_pkce_required(fapi: FAPIClient) -> None:
    refused(fapi.push(code_challenge=None, code_challenge_method=None), *PKCE)


@pytest.mark.parametrize("method", ["plain", None], ids=["said", "by-default"])
def test_par_plain_pkce_rejected(fapi: FAPIClient, method: str | None) -> None:
    refused(fapi.push(code_challenge=VERIFIER, code_challenge_method=method), *PKCE)


def test_ensure_pkce_code_verifier_required(fapi: FAPIClient) -> None:
    refused(fapi.redeem(fapi.code(), code_verifier=None), "invalid_grant", "invalid_request")


def test_incorrect_pkce_code_verifier_rejected(fapi: FAPIClient) -> None:
    refused(fapi.redeem(fapi.code(), code_verifier="w" * 54), "invalid_grant")


def test_par_without_duplicate_parameters(fapi: FAPIClient) -> None:
    fapi.tokens(fapi.code())


def test_test_claims_parameter_identity_claims(fapi: FAPIClient) -> None:
    tokens = fapi.tokens(fapi.code(claims='{"userinfo":{"given_name":null,"email":{"essential":true}}}'))
    found = fapi.resource(tokens["access_token"]).json
    assert found["given_name"] == "Buffy"
    assert "@" in found["email"]
