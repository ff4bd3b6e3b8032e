"""A portal's fields: each fault in words, all at once, and what a security profile demands."""

from __future__ import annotations

from typing import Any

import pytest
from joserfc.jwk import ECKey, RSAKey

from idp.errors import BadInput
from idp.services.portal_details import faults_in, judge
from idp.services.portal_rules import FAPI_RULES, RULES, faults_of

RSA = {"keys": [RSAKey.generate_key(2048, private=True).as_dict(private=False)]}
EC = {"keys": [ECKey.generate_key("P-256", private=True).as_dict(private=False)]}
PLAIN: dict[str, Any] = {
    "slug": "cpx", "names": {"fr": "Caisse X"}, "short_name": "Caisse X", "phone": "058 123 45 67",
    "email": "aide@cpx.example.ch", "home_url": "https://cpx.example.ch/",
    "redirect_uris": ["https://cpx.example.ch/callback"],
}  # fmt: skip
FAPI: dict[str, Any] = {
    **PLAIN, "security_profile": "fapi2", "token_endpoint_auth_method": "private_key_jwt", "jwks": EC,
    "dpop_bound_access_tokens": True,
}  # fmt: skip
CONSENT = {"consent": True, "publisher": "App AG", "policy_uri": "https://app.example.ch/privacy"}
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"


def faults(**changes: Any) -> list[str]:
    return [fault.split(":")[0] for fault in faults_in(PLAIN | changes)]


def fapi_faults(**changes: Any) -> list[str]:
    return [fault.split(":")[0] for fault in faults_in(FAPI | changes)]


def test_every_fault_is_told_at_once_and_no_value_is_repeated() -> None:
    with pytest.raises(BadInput) as caught:
        judge(
            PLAIN
            | {
                "slug": "Logout!", "names": {"de": "Kasse"}, "email": "canary", "redirect_uris": ["http://canary.ch/"],
                "jwks_uri": "http://localhost/canary", "scopes": ["profile"], "consent": True,
                "home_url": "https://[canary/", "no_such_thing": "canary",
            }
        )  # fmt: skip
    told = caught.value.message
    assert {line.split(":")[0] for line in told.splitlines()} == {
        "slug", "names", "email", "redirect_uris.0", "jwks_uri", "scopes", "publisher", "policy_uri", "no_such_thing",
        "home_url",
    }  # fmt: skip
    assert "canary" not in told


def test_a_field_that_cannot_be_read_brings_no_second_fault_about_itself() -> None:
    assert faults(token_endpoint_auth_method="private_key_jwt", jwks={"keys": []}) == ["jwks"]
    assert faults(grant_types=["unheard-of"], redirect_uris=[]) == ["grant_types.0"]
    assert faults(redirect_uris="https://cpx.example.ch/") == ["redirect_uris"]
    assert [line.split(":")[0] for line in faults_in({})] == [
        "slug", "names", "short_name", "phone", "email", "home_url", "redirect_uris",
    ]  # fmt: skip


@pytest.mark.parametrize(
    "address",
    [
        "http://cpx.example.ch/", "https://CPX.example.ch/", "https://cpx.example.ch/#x", "https://u:p@cpx.example.ch/",
        "https://*.example.ch/", "https://cpx.example.ch/a/../b", "javascript:alert(1)", "JaVaScript://x/%0aalert(1)",
        "//cpx.example.ch/", "https://", "https://cpx.example.ch/ x", "https://cpx.example.ch/é", "https://[::1",
        "https://cpx.example.ch:99999/", "https://cpx.example.ch:x/", "http://localhost.evil.ch/", "",
        "http://127.0.0.1.nip.io/", "https://cpx.example.ch\\@evil.ch/", "com.example.app:/cb",
        "https://cpx.example.ch/\x00", "data:text/html,x",
    ],
)  # fmt: skip
def test_an_address_that_could_mean_two_things_is_no_address(address: str) -> None:
    assert faults(redirect_uris=[address]) == ["redirect_uris.0"]
    assert faults(backchannel_logout_uri=address) == ["backchannel_logout_uri"]


def test_http_is_for_this_machine_and_never_for_what_we_call() -> None:
    assert faults(redirect_uris=["http://localhost:5000/cb"], initiate_login_uri="http://127.0.0.1:5000/login") == []
    for name in ("jwks_uri", "sector_identifier_uri", "backchannel_logout_uri"):
        assert faults(**{name: "http://localhost:5000/x"}) == [name]


@pytest.mark.parametrize(
    ("named", "changes"),
    [
        ("names", {"names": {"de": "Kasse X"}}),
        ("scopes", {"scopes": ["profile"]}),
        ("redirect_uris", {"redirect_uris": []}),
        ("redirect_uris", {"redirect_uris": ["https://a.example.ch/"] * 2}),
        ("grant_types", {"grant_types": ["refresh_token"]}),
        ("grant_types", {"grant_types": ["client_credentials", EXCHANGE], "resources": ["https://api.example.ch/"]}),
        ("resources", {"grant_types": ["authorization_code", EXCHANGE]}),
        ("jwks_uri", {"jwks": RSA, "jwks_uri": "https://cpx.example.ch/jwks"}),
        ("jwks", {"token_endpoint_auth_method": "private_key_jwt"}),
        ("jwks", {"token_endpoint_auth_method": "self_signed_tls_client_auth"}),
        ("jwks", {"require_signed_request_object": True}),
        ("jwks", {"request_object_signing_alg": "ES256"}),
        ("request_object_signing_alg", {"request_object_signing_alg": "ES256", "jwks": RSA}),
        ("token_endpoint_auth_signing_alg", {"token_endpoint_auth_signing_alg": "ES256"}),
        (
            "token_endpoint_auth_signing_alg",
            {
                "token_endpoint_auth_method": "private_key_jwt", "jwks": RSA,
                "token_endpoint_auth_signing_alg": "ES256",
            },
        ),
        ("tls_client_auth_subject_dn", {"token_endpoint_auth_method": "tls_client_auth"}),
        ("tls_client_auth_subject_dn", {"tls_client_auth_subject_dn": "CN=x"}),
        (
            "tls_client_auth_subject_dn",
            {
                "token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=x",
                "tls_client_auth_san_dns": "x.example.ch",
            },
        ),
        ("tls_client_auth_subject_dn", {"tls_client_auth_subject_dn": "no name"}),
        (
            "dpop_bound_access_tokens",
            {"dpop_bound_access_tokens": True, "tls_client_certificate_bound_access_tokens": True},
        ),
        ("sector_identifier", {"redirect_uris": ["https://a.example.ch/", "https://b.example.ch/"]}),
        (
            "sector_identifier",
            {"sector_identifier": "a.example.ch", "sector_identifier_uri": "https://b.example.ch/s.json"},
        ),
        ("sector_identifier", {"sector_identifier": "public"}),
        ("sector_identifier", {"sector_identifier": "a.example.ch|x"}),
        ("default_acr_values", {"allowed_acr": ["mfa"], "default_acr_values": ["phr"]}),
        ("allowed_acr", {"allowed_acr": ["mfa", "mfa"]}),
        ("backchannel_logout_uri", {"backchannel_logout_session_required": True}),
        ("publisher", CONSENT | {"publisher": " "}),
        ("policy_uri", CONSENT | {"policy_uri": None}),
        ("default_max_age", {"default_max_age": -1}),
    ],
)  # fmt: skip
def test_what_does_not_fit_together_is_named(named: str, changes: dict[str, Any]) -> None:
    assert faults(**changes) == [named]


@pytest.mark.parametrize(
    "changes",
    [
        {"grant_types": ["client_credentials"], "redirect_uris": []},
        {"grant_types": ["authorization_code", EXCHANGE], "resources": ["https://api.example.ch/"]},
        {"grant_types": [DEVICE, "refresh_token"], "redirect_uris": []},
        {"jwks": RSA},  # for signed requests, whatever the client authenticates with
        {"jwks": RSA, "request_object_signing_alg": "PS256"},
        {"jwks_uri": "https://cpx.example.ch/jwks", "request_object_signing_alg": "ES256"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks": EC, "token_endpoint_auth_signing_alg": "ES256"},
        {"token_endpoint_auth_method": "private_key_jwt", "jwks_uri": "https://cpx.example.ch/jwks"},
        {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_subject_dn": "CN=cpx,O=Caisse X,C=CH"},
        {"token_endpoint_auth_method": "tls_client_auth", "tls_client_auth_san_dns": "cpx.example.ch"},
        {"token_endpoint_auth_method": "self_signed_tls_client_auth", "jwks": EC},
        {
            "redirect_uris": ["https://a.example.ch/", "https://b.example.ch/"],
            "sector_identifier_uri": "https://c.example.ch/s",
        },
        {"redirect_uris": ["https://a.example.ch/", "https://b.example.ch/"], "sector_identifier": "a.example.ch"},
        {"backchannel_logout_session_required": True, "backchannel_logout_uri": "https://cpx.example.ch/out"},
        CONSENT,
    ],
)
def test_what_fits_together_has_no_fault(changes: dict[str, Any]) -> None:
    assert faults(**changes) == []


def test_the_sector_is_said_or_the_host_of_its_list_or_of_the_redirect_addresses() -> None:
    assert judge(PLAIN).sector_identifier == "cpx.example.ch"
    assert judge(PLAIN | {"sector_identifier": "other.example.ch"}).sector_identifier == "other.example.ch"
    listed = {"sector_identifier_uri": "https://list.example.ch:8443/s.json"}
    assert judge(PLAIN | listed).sector_identifier == "list.example.ch"
    back_end = {"grant_types": ["client_credentials"], "redirect_uris": [], "home_url": "https://home.example.ch/"}
    assert judge(PLAIN | back_end).sector_identifier == "home.example.ch"


def test_the_fapi_profile_sets_what_it_demands_and_refuses_the_contrary() -> None:
    details = judge(FAPI)
    assert (details.require_par, details.refresh_rotation, details.id_token_signed_response_alg) == (
        True,
        False,
        "PS256",
    )
    assert fapi_faults(token_endpoint_auth_method="tls_client_auth", tls_client_auth_san_dns="x.example.ch") == []
    bound = {"dpop_bound_access_tokens": False, "tls_client_certificate_bound_access_tokens": True}
    assert fapi_faults(**bound) == []
    assert fapi_faults(token_endpoint_auth_method="client_secret_basic") == ["token_endpoint_auth_method"]
    assert fapi_faults(dpop_bound_access_tokens=False) == ["dpop_bound_access_tokens"]
    for name, value in {
        "require_par": False, "require_pkce": False, "refresh_rotation": True, "id_token_signed_response_alg": "RS256",
        "assertion_audience": "token_endpoint", "authorization_signed_response_alg": "RS256",
        "introspection_signed_response_alg": "RS256", "redirect_uris": ["http://localhost/cb"],
    }.items():  # fmt: skip
        assert fapi_faults(**{name: value}) == [name]
        assert faults(**{name: value}) == []
    rsa = {"jwks": RSA, "token_endpoint_auth_signing_alg": "RS256", "request_object_signing_alg": "RS256"}
    assert fapi_faults(**rsa) == ["token_endpoint_auth_signing_alg", "request_object_signing_alg"]
    assert fapi_faults(grant_types=["authorization_code", DEVICE]) == ["grant_types"]


def test_each_rule_names_the_field_that_it_asks_to_change() -> None:
    for rule in (*RULES, *FAPI_RULES):
        assert rule.fault.split(":")[0] in (*rule.looks_at, "jwks"), rule.fault
    assert list(faults_of(judge(FAPI), "fapi2")) == []


def test_a_description_that_is_not_whole_is_judged_as_far_as_it_goes() -> None:
    described = {name: PLAIN[name] for name in PLAIN if name != "redirect_uris"} | {"security_profile": "fapi2"}
    left_out = frozenset({"redirect_uris", "token_endpoint_auth_method", "dpop_bound_access_tokens", "jwks"})
    assert faults_in(described, left_out) == []
    assert faults_in(described | {"refresh_rotation": True}, left_out)[0].startswith("refresh_rotation:")
