"""fapi2-security-profile-final-test-plan: private_key_jwt, DPoP, OpenID Connect, plain FAPI.

The long run repeats it as fapi2-message-signing-final-test-plan: every request is signed, and every response.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from tests.conformance import conditions
from tests.conformance.fapi import FAPIClient, Key, new_key, public
from tests.conformance.provider import Callback, Provider
from tests.conformance.suite import VERIFIER, Answer, Client, Shown, Suite, challenge

FAPI_ALGS = {"PS256", "ES256", "EdDSA"}


@pytest.fixture(scope="session", params=["unsigned", pytest.param("signed", marks=pytest.mark.long)])
def registered(request: pytest.FixtureRequest, provider: Provider) -> list[tuple[Client, Key, str]]:
    """Two static clients with different keys; the second one's redirect address has a query."""
    made = []
    for number, (alg, path) in enumerate((("PS256", "/callback"), ("ES256", "/callback?x=1")), start=1):
        key, address = new_key(alg), provider.portal_origin + path
        signs: dict[str, Any] = {}
        if request.param == "signed":
            signs = {
                "require_signed_request_object": True, "request_object_signing_alg": alg,
                "authorization_signed_response_alg": alg,
            }  # fmt: skip
        client_id, _ = provider.add_portal(
            f"fapi-{request.param}-{number}", security_profile="fapi2", token_endpoint_auth_method="private_key_jwt",
            require_par=True, dpop_bound_access_tokens=True, refresh_rotation=False, id_token_signed_response_alg=alg,
            jwks={"keys": [public(key, alg, "client-key")]}, redirect_uris=[address], **signs,
        )  # fmt: skip
        extra = {"response_mode": "jwt"} if signs else {}
        made.append((Client(client_id, None, address, "private_key_jwt", alg, extra), key, alg))
    return made


@pytest.fixture
def fapi(suite: Suite, registered: list[tuple[Client, Key, str]]) -> FAPIClient:
    client, key, alg = registered[0]
    return FAPIClient(suite, client, key, alg, signs=bool(client.extra))


@pytest.fixture
def second(suite: Suite, registered: list[tuple[Client, Key, str]]) -> FAPIClient:
    client, key, alg = registered[1]
    return FAPIClient(suite, client, key, alg, signs=bool(client.extra))


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


@pytest.mark.parametrize("scheme", ["dPOP", "dpop", "DPOP"])
def test_access_token_type_header_case_sensitivity(fapi: FAPIClient, scheme: str) -> None:
    tokens = fapi.tokens(fapi.code())
    assert fapi.resource(tokens["access_token"], scheme=scheme).status == 200


def test_check_dpop_proof_nbf_exp(suite: Suite, fapi: FAPIClient) -> None:
    now = int(suite.now())
    endpoint = suite.metadata["token_endpoint"]
    answer = fapi.redeem(fapi.code(), proof=fapi.proof("POST", endpoint, nbf=now - 5, exp=now + 60))
    assert answer.status == 200, answer.text


def redeemed_at(suite: Suite, fapi: FAPIClient, seconds: int) -> Answer:
    """A redemption whose proof was made this many seconds from now."""
    code = fapi.code()
    return fapi.redeem(code, proof=fapi.proof("POST", suite.metadata["token_endpoint"], iat=int(suite.now()) + seconds))


def test_ensure_dpopproof_with_iat_10seconds_before_succeeds(suite: Suite, fapi: FAPIClient) -> None:
    assert redeemed_at(suite, fapi, -10).status == 200


def test_ensure_dpopproof_with_iat_10seconds_after_succeeds(suite: Suite, fapi: FAPIClient) -> None:
    assert redeemed_at(suite, fapi, 10).status == 200


def test_ensure_mismatched_dpop_jkt_fails(suite: Suite, fapi: FAPIClient) -> None:
    endpoint = suite.metadata["pushed_authorization_request_endpoint"]
    other = ECKey.generate_key("P-256").thumbprint()
    answer = fapi.push(headers={"DPoP": fapi.proof("POST", endpoint)}, dpop_jkt=other)
    refused(answer, "invalid_request", "invalid_dpop_proof")


def pushed_with_proof(suite: Suite, fapi: FAPIClient) -> str:
    proof = fapi.proof("POST", suite.metadata["pushed_authorization_request_endpoint"])
    return str(fapi.push(headers={"DPoP": proof}).json["request_uri"])


def test_ensure_token_endpoint_fails_with_mismatched_dpop_proof_jkt(suite: Suite, fapi: FAPIClient) -> None:
    code = fapi.code_of(pushed_with_proof(suite, fapi))
    fapi.dpop_key = ECKey.generate_key("P-256")
    refused(fapi.redeem(code), "invalid_grant", "invalid_dpop_proof")


def test_ensure_token_endpoint_fails_with_mismatched_dpop_jkt(fapi: FAPIClient) -> None:
    code = fapi.code(dpop_jkt=fapi.thumbprint())
    fapi.dpop_key = ECKey.generate_key("P-256")
    refused(fapi.redeem(code), "invalid_grant", "invalid_dpop_proof")


def test_ensure_dpopproof_at_par_endpoint_binding_success(suite: Suite, fapi: FAPIClient) -> None:
    fapi.tokens(fapi.code_of(pushed_with_proof(suite, fapi)))


def test_ensure_dpop_auth_code_binding_success(fapi: FAPIClient) -> None:
    fapi.tokens(fapi.code(dpop_jkt=fapi.thumbprint()))


FOREIGN = ECKey.generate_key("P-256")
RSA = RSAKey.generate_key(2048)
BAD_PROOFS: dict[str, dict[str, Any]] = {
    "missing typ": {"header": {"typ": None}},
    "wrong typ": {"header": {"typ": "jwt"}},
    "missing jwk": {"header": {"jwk": None}},
    "none": {"header": {"alg": "none"}},
    "RS256": {"header": {"alg": "RS256", "jwk": RSA.as_dict(private=False)}, "key": RSA},
    "bad signature": {"key": FOREIGN},
    "private jwk": {"header": {"jwk": "private"}},
    "missing jti": {"jti": None},
    "missing htm": {"htm": None},
    "missing htu": {"htu": None},
    "missing iat": {"iat": None},
    "missing ath": {"ath": None},
    "wrong htm": {"htm": "POST"},
    "wrong htu": {"htu": "https://op.connect.test/other"},
    "wrong ath": {"ath": "x" * 43},
    "wrong key": {"header": {"jwk": FOREIGN.as_dict(private=False)}, "key": FOREIGN},
    "iat an hour ago": {"iat": -3600},
    "iat in an hour": {"iat": 3600},
}


def test_dpop_negative_tests(suite: Suite, fapi: FAPIClient) -> None:
    access_token = fapi.tokens(fapi.code())["access_token"]
    url = suite.metadata["userinfo_endpoint"]
    for name, changes in BAD_PROOFS.items():
        bent = {key: dict(value) if isinstance(value, dict) else value for key, value in changes.items()}
        if isinstance(bent.get("iat"), int):
            bent["iat"] = int(suite.now()) + bent["iat"]
        if bent.get("header", {}).get("jwk") == "private":
            bent["header"]["jwk"] = fapi.dpop_key.as_dict(private=True)
        answer = fapi.resource(access_token, proof=fapi.proof("GET", url, token=access_token, **bent))
        assert answer.status in {400, 401}, name
        assert "dpop" in answer.headers["www-authenticate"].lower(), name
    assert fapi.resource(access_token, proof=None).status in {400, 401}
    assert fapi.resource(access_token, proof="not.a.proof").status in {400, 401}
    assert fapi.resource(access_token, scheme="Bearer").status in {400, 401}
    twice = fapi.proof("GET", url, token=access_token) + ", " + fapi.proof("GET", url, token=access_token)
    assert fapi.resource(access_token, proof=twice).status in {400, 401}
    replayed = fapi.proof("GET", url, token=access_token)
    assert fapi.resource(access_token, proof=replayed).status == 200
    assert fapi.resource(access_token, proof=replayed).status in {400, 401}
    fine = fapi.proof("GET", f"{url}", token=access_token, htu=f"{url}?a=b#c", unknown="claim")
    assert fapi.resource(access_token, proof=fine).status == 200


def test_ensure_client_id_in_token_endpoint(fapi: FAPIClient, second: FAPIClient) -> None:
    answer = fapi.redeem(fapi.code(), client_id=second.client.client_id)
    refused(answer, "invalid_client", "invalid_request", "invalid_grant")


def test_ensure_authorization_code_is_bound_to_client(fapi: FAPIClient, second: FAPIClient) -> None:
    code = fapi.code()
    refused(second.redeem(code, redirect_uri=fapi.client.redirect_uri), "invalid_grant")


def test_ensure_holder_of_key_required(fapi: FAPIClient) -> None:
    refused(fapi.redeem(fapi.code(), proof=None), "invalid_dpop_proof", "invalid_request", "invalid_grant")


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


CLIENT = ("invalid_client", "invalid_request")


def no_client(fapi: FAPIClient, **changes: Any) -> None:
    """Such an assertion, its times counted from now, proves nobody at either endpoint; it leaves the code alone."""
    code, now = fapi.code(), int(fapi.suite.now())
    bent: dict[str, Any] = {name: now + value if isinstance(value, int) else value for name, value in changes.items()}
    refused(fapi.redeem(code, assertion=fapi.assertion(**bent)), *CLIENT)
    refused(fapi.push(assertion=fapi.assertion(**bent)), *CLIENT)
    fapi.tokens(code)


@pytest.mark.parametrize("key", [RSA, None], ids=["another-key", "its-own-key"])
def test_ensure_signed_client_assertion_with_rs256_fails(fapi: FAPIClient, key: Key | None) -> None:
    no_client(fapi, alg="RS256", key=key)


def test_ensure_client_assertion_in_token_endpoint(fapi: FAPIClient) -> None:
    refused(fapi.redeem(fapi.code(), assertion=""), *CLIENT)


def test_ensure_client_assertion_with_exp_is_5_minutes_in_past_fails(fapi: FAPIClient) -> None:
    no_client(fapi, exp=-300, iat=-400, nbf=-400)


def test_ensure_client_assertion_with_wrong_aud_fails(fapi: FAPIClient) -> None:
    no_client(fapi, aud="https://other.example/")


def test_ensure_client_assertion_with_no_sub_fails(fapi: FAPIClient) -> None:
    no_client(fapi, sub=None)


BAD_ASSERTIONS: dict[str, dict[str, Any]] = {
    "no iss": {"iss": None}, "another iss": {"iss": "somebody"}, "another sub": {"sub": "somebody"},
    "no aud": {"aud": None}, "no exp": {"exp": None}, "no jti": {"jti": None}, "none": {"alg": "none"},
    "bad signature": {"key": new_key("PS256")},
}  # fmt: skip


def test_ensure_invalid_client_assertions_fail(fapi: FAPIClient) -> None:
    for name, changes in BAD_ASSERTIONS.items():
        answer = fapi.push(assertion=fapi.assertion(**changes))
        assert (answer.status, answer.json["error"]) == (401, "invalid_client"), name
    refused(fapi.push(assertion="not.an.assertion"), *CLIENT)
    once = fapi.assertion()
    assert fapi.push(assertion=once).status == 201
    refused(fapi.push(assertion=once), *CLIENT)


@pytest.mark.parametrize("others", [["https://other.example/"], []], ids=["of-two", "of-one"])
def test_par_test_array_as_audience_fails(fapi: FAPIClient, others: list[str]) -> None:
    no_client(fapi, aud=[fapi.issuer, *others])


def test_par_test_par_endpoint_url_as_audience_fails(fapi: FAPIClient) -> None:
    no_client(fapi, aud=fapi.suite.metadata["pushed_authorization_request_endpoint"])


def test_par_test_token_endpoint_url_as_audience_fails(fapi: FAPIClient) -> None:
    no_client(fapi, aud=fapi.suite.metadata["token_endpoint"])


def test_par_ensure_jwt_client_assertions_nbf_over_60_seconds_in_the_future_fails(fapi: FAPIClient) -> None:
    no_client(fapi, nbf=62)


def test_par_ensure_jwt_client_assertions_nbf_8_seconds_in_the_future_is_accepted(fapi: FAPIClient) -> None:
    now = int(fapi.suite.now())
    assert fapi.push(assertion=fapi.assertion(nbf=now + 8, iat=now + 8)).status == 201


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
