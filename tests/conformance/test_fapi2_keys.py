"""The modules of the FAPI 2.0 plans about keys: DPoP, and assertions of the client (private_key_jwt)."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from tests.conformance.fapi import FAPIClient, Key, new_key, refused
from tests.conformance.suite import Answer, Suite

pytestmark = pytest.mark.signed_in


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


def test_ensure_holder_of_key_required(fapi: FAPIClient) -> None:
    refused(fapi.redeem(fapi.code(), proof=None), "invalid_dpop_proof", "invalid_request", "invalid_grant")


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
