"""The certification plans that this provider aims at, and their modules under the names the suite (5.3) gives them.

A module is restated by the test of its name. Those that a rule of the suite skips are tests too: of what the rule asks.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

BASIC = (
    "oidcc-server", "oidcc-response-type-missing", "oidcc-idtoken-signature", "oidcc-idtoken-unsigned",
    "oidcc-userinfo-get", "oidcc-userinfo-post-header", "oidcc-userinfo-post-body",
    "oidcc-ensure-request-without-nonce-succeeds-for-code-flow", "oidcc-scope-profile", "oidcc-scope-email",
    "oidcc-scope-address", "oidcc-scope-phone", "oidcc-scope-all", "oidcc-alternate-happy-flow", "oidcc-display-page",
    "oidcc-display-popup", "oidcc-prompt-login", "oidcc-prompt-none-not-logged-in", "oidcc-prompt-none-logged-in",
    "oidcc-max-age-1", "oidcc-max-age-10000", "oidcc-ensure-request-with-unknown-parameter-succeeds",
    "oidcc-id-token-hint", "oidcc-login-hint", "oidcc-ui-locales", "oidcc-claims-locales",
    "oidcc-ensure-request-with-acr-values-succeeds", "oidcc-codereuse", "oidcc-codereuse-30seconds",
    "oidcc-ensure-registered-redirect-uri", "oidcc-ensure-post-request-succeeds", "oidcc-server-client-secret-post",
    "oidcc-request-uri-unsigned-supported-correctly-or-rejected-as-unsupported",
    "oidcc-unsigned-request-object-supported-correctly-or-rejected-as-unsupported", "oidcc-claims-essential",
    "oidcc-ensure-request-object-with-redirect-uri", "oidcc-refresh-token",
    "oidcc-ensure-request-with-valid-pkce-succeeds",
)  # fmt: skip
CONFIG = ("oidcc-discovery-endpoint-verification",)
RP_INITIATED_LOGOUT = (
    "oidcc-rp-initiated-logout-discovery-endpoint-verification", "oidcc-rp-initiated-logout",
    "oidcc-rp-initiated-logout-bad-post-logout-redirect-uri", "oidcc-rp-initiated-logout-modified-id-token-hint",
    "oidcc-rp-initiated-logout-no-id-token-hint", "oidcc-rp-initiated-logout-no-params",
    "oidcc-rp-initiated-logout-no-post-logout-redirect-uri", "oidcc-rp-initiated-logout-no-state",
    "oidcc-rp-initiated-logout-only-state", "oidcc-rp-initiated-logout-query-added-to-post-logout-redirect-uri",
    "oidcc-rp-initiated-logout-bad-id-token-hint",
)  # fmt: skip
BACKCHANNEL_LOGOUT = (
    "oidcc-backchannel-logout-discovery-endpoint-verification",
    "oidcc-backchannel-rp-initiated-logout",
)
THIRD_PARTY_LOGIN = ("oidcc-3rd_party-init-login", "oidcc-3rd_party-init-login-nohttps")
FAPI_BOTH = (
    "discovery-end-point-verification", "happy-flow", "user-rejects-authentication",
    "ensure-authorization-request-without-state-success", "ensure-authorization-request-without-nonce-success",
    "ensure-authorization-request-with-64-char-nonce-success", "ensure-other-scope-order-succeeds",
    "test-claims-parameter-identity-claims", "access-token-type-header-case-sensitivity", "check-dpop-proof-nbf-exp",
    "ensure-dpopproof-with-iat-10seconds-before-succeeds", "ensure-dpopproof-with-iat-10seconds-after-succeeds",
    "ensure-mismatched-dpop-jkt-fails", "ensure-token-endpoint-fails-with-mismatched-dpop-proof-jkt",
    "ensure-token-endpoint-fails-with-mismatched-dpop-jkt", "ensure-dpopproof-at-par-endpoint-binding-success",
    "ensure-dpop-auth-code-binding-success", "ensure-different-nonce-inside-and-outside-request-object",
    "ensure-different-state-inside-and-outside-request-object", "ensure-authorization-request-with-long-nonce",
    "ensure-authorization-request-with-long-state", "state-only-outside-request-object-not-used",
    "ensure-request-object-without-redirect-uri-fails", "plain-fapi-tolerate-unregistered-redirect-uri",
    "ensure-unsigned-authorization-request-without-using-par-fails", "ensure-redirect-uri-in-authorization-request",
    "ensure-response-type-code-idtoken-fails", "ensure-response-type-token-fails",
    "ensure-client-id-in-token-endpoint", "ensure-holder-of-key-required",
    "ensure-authorization-code-is-bound-to-client", "attempt-reuse-authorization-code-after-one-second",
    "ensure-token-endpoint-fails-with-expired-auth-code", "ensure-signed-client-assertion-with-RS256-fails",
    "ensure-client-assertion-in-token-endpoint", "ensure-client-assertion-with-exp-is-5-minutes-in-past-fails",
    "ensure-client-assertion-with-wrong-aud-fails", "ensure-client-assertion-with-no-sub-fails",
    "ensure-invalid-client-assertions-fail", "dpop-negative-tests", "refresh-token",
    "par-ensure-reused-request-uri-prior-to-auth-completion-succeeds", "par-attempt-reuse-request_uri",
    "par-attempt-to-use-expired-request_uri",
    "par-ensure-jwt-client-assertions-nbf-8-seconds-in-the-future-is-accepted",
    "par-ensure-jwt-client-assertions-nbf-over-60-seconds-in-the-future-fails",
    "par-attempt-to-use-request_uri-for-different-client",
    "par-authorization-request-containing-request_uri-form-param", "par-attempt-invalid-http-method",
    "par-ensure-pkce-required", "ensure-pkce-code-verifier-required", "incorrect-pkce-code-verifier-rejected",
    "par-plain-pkce-rejected", "par-without-duplicate-parameters", "par-test-array-as-audience-fails",
    "par-test-par-endpoint-url-as-audience-fails", "par-test-token-endpoint-url-as-audience-fails",
)  # fmt: skip
FAPI_SIGNED = (
    "ensure-request-object-with-multiple-aud-succeeds",
    "ensure-request-object-with-nbf-8-seconds-in-the-future-is-accepted", "ensure-request-object-without-exp-fails",
    "ensure-request-object-without-nbf-fails", "ensure-expired-request-object-fails",
    "ensure-request-object-with-bad-aud-fails", "ensure-request-object-with-exp-over-60-fails",
    "ensure-request-object-with-nbf-over-60-fails", "ensure-signed-request-object-with-RS256-fails",
    "ensure-request-object-signature-algorithm-is-not-none", "ensure-request-object-with-invalid-signature-fails",
    "ensure-matching-key-in-authorization-request", "ensure-unsigned-request-at-par-endpoint-fails",
    "par-authorization-request-containing-request_uri",
)  # fmt: skip

REQUEST_URI, REQUEST = (name for name in BASIC if name.endswith("-supported-correctly-or-rejected-as-unsupported"))
BY_RULE = {
    "oidcc-idtoken-unsigned": "`none` is not offered",
    "oidcc-scope-address": "the scope is not offered: portals do not get the address from us",
    REQUEST_URI: "refused with `request_uri_not_supported`",
    REQUEST: "refused with `request_not_supported`",
}


@dataclass(frozen=True)
class Plan:
    """A plan in one of its variants; `variant` is the part of the test's parameters that stands for it."""

    name: str
    files: tuple[str, ...]
    modules: tuple[str, ...]
    variant: str = ""
    said: str = ""


def fapi(modules: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(f"fapi2-security-profile-final-{module}" for module in modules)


SECURITY, MESSAGES = "fapi2-security-profile-final-test-plan", "fapi2-message-signing-final-test-plan"
BOTH_FILES = ("test_fapi2_security", "test_fapi2_keys")
PLANS = (
    Plan("oidcc-config-certification-test-plan", ("test_oidcc_config",), CONFIG),
    Plan("oidcc-basic-certification-test-plan", ("test_oidcc_basic",), BASIC, "default"),
    Plan("oidcc-formpost-basic-certification-test-plan", ("test_oidcc_basic",), BASIC, "form_post"),
    Plan("oidcc-rp-initiated-logout-certification-test-plan", ("test_oidcc_logout",), RP_INITIATED_LOGOUT),
    Plan("oidcc-backchannel-rp-initiated-logout-certification-test-plan", ("test_oidcc_logout",), BACKCHANNEL_LOGOUT),
    Plan("oidcc-3rdparty-init-login-certification-test-plan", ("test_oidcc_third_party",), THIRD_PARTY_LOGIN),
    Plan(SECURITY, BOTH_FILES, fapi(FAPI_BOTH), "unsigned", "private_key_jwt, DPoP, OpenID Connect"),
    Plan(MESSAGES, BOTH_FILES, fapi(FAPI_BOTH), "signed", "the same, with signed requests and responses"),
    Plan(MESSAGES, ("test_fapi2_messages",), fapi(FAPI_SIGNED), said="what signed requests alone are asked"),
)


def restated_by(module: str) -> str:
    """The name of the test that restates a module."""
    own = module.removeprefix("fapi2-security-profile-final-").lower()
    return "test_" + re.sub(r"[^a-z0-9]+", "_", own)
