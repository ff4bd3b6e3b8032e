"""oidcc-config-certification-test-plan: the discovery document alone."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from tests.conformance import conditions
from tests.conformance.suite import Suite

KNOWN = {
    "issuer", "authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "registration_endpoint",
    "end_session_endpoint", "introspection_endpoint", "revocation_endpoint", "device_authorization_endpoint",
    "pushed_authorization_request_endpoint", "scopes_supported", "response_types_supported",
    "response_modes_supported", "grant_types_supported", "acr_values_supported", "subject_types_supported",
    "id_token_signing_alg_values_supported", "request_object_signing_alg_values_supported",
    "token_endpoint_auth_methods_supported", "token_endpoint_auth_signing_alg_values_supported",
    "introspection_endpoint_auth_methods_supported", "introspection_endpoint_auth_signing_alg_values_supported",
    "introspection_signing_alg_values_supported", "revocation_endpoint_auth_methods_supported",
    "revocation_endpoint_auth_signing_alg_values_supported", "authorization_signing_alg_values_supported",
    "dpop_signing_alg_values_supported", "claims_supported", "claims_parameter_supported",
    "request_parameter_supported", "request_uri_parameter_supported", "require_request_uri_registration",
    "require_pushed_authorization_requests", "require_signed_request_object", "prompt_values_supported",
    "code_challenge_methods_supported", "authorization_response_iss_parameter_supported", "ui_locales_supported",
    "claims_locales_supported", "backchannel_logout_supported", "backchannel_logout_session_supported",
    "tls_client_certificate_bound_access_tokens", "mtls_endpoint_aliases", "service_documentation", "op_policy_uri",
    "op_tos_uri", "display_values_supported", "claim_types_supported", "verified_claims_supported",
    "trust_frameworks_supported", "evidence_supported", "documents_supported", "electronic_records_supported",
    "claims_in_verified_claims_supported", "protected_resources",
}  # fmt: skip
FLAGS = re.compile(r".*_supported$|^require_.*|^tls_client_certificate_bound_access_tokens$")
LISTS = re.compile(
    r"(?!verified_claims_supported).*(_values|_types|_modes|_methods|scopes|claims|locales|frameworks|evidence|documents|records)_supported$"
)
SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")
LOCALE = re.compile(r"[a-z]{2,3}(-[A-Z][a-z]{3})?(-[A-Z]{2})?")


def test_oidcc_discovery_endpoint_verification(suite: Suite) -> None:
    found = suite.metadata
    assert not set(found) - KNOWN, f"members no standard names: {set(found) - KNOWN}"
    for name, value in found.items():
        if name.endswith("_endpoint") or name in {"jwks_uri", "issuer"}:
            assert urlsplit(value).scheme == "https", name
            assert urlsplit(value).netloc, name
        elif isinstance(value, list):
            assert value, f"{name} is empty"
            assert all(isinstance(one, str) for one in value), name
    assert "code" in found["response_types_supported"]
    assert set(found["subject_types_supported"]) <= {"public", "pairwise"}
    assert found["subject_types_supported"]
    assert "RS256" in found["id_token_signing_alg_values_supported"]
    assert "openid" in found["scopes_supported"]
    assert all(SCOPE.fullmatch(scope) for scope in found["scopes_supported"])
    assert found["claims_supported"]
    assert found["grant_types_supported"]
    assert isinstance(found["code_challenge_methods_supported"], list)
    assert found["request_uri_parameter_supported"] is False
    for name in ("ui_locales_supported", "claims_locales_supported"):
        assert all(LOCALE.fullmatch(locale) for locale in found.get(name, []))
    conditions.check_jwks(suite.keys)


def test_both_well_known_addresses_say_the_same(suite: Suite) -> None:
    other = suite.wire.send("GET", f"{suite.provider.issuer}/.well-known/oauth-authorization-server")
    assert other.json == suite.metadata


def test_what_is_published_as_a_list_or_flag_is_one(suite: Suite) -> None:
    for name, value in suite.metadata.items():
        if LISTS.fullmatch(name):
            assert isinstance(value, list), name
        elif FLAGS.fullmatch(name):
            assert isinstance(value, bool), name
