"""How the fields of a portal fit together: one rule a line, each with the fields it looks at and its fault in words.

The profile `fapi2` is FAPI 2.0 Security Profile §5.3.2 for this installation; the other rules hold in every profile.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from keys.jwks import algorithms_of

DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
SECRET_METHODS = ("client_secret_basic", "client_secret_post")
TLS_METHODS = ("tls_client_auth", "self_signed_tls_client_auth")
FAPI_ALGORITHMS = ("PS256", "ES256", "EdDSA")
SIGNING_FIELDS = (
    "token_endpoint_auth_signing_alg", "request_object_signing_alg", "authorization_signed_response_alg",
    "introspection_signed_response_alg",
)  # fmt: skip
# What a profile decides where the operator says nothing.
DEFAULTS: dict[str, dict[str, Any]] = {
    "standard": {},
    "fapi2": {"require_par": True, "refresh_rotation": False, "id_token_signed_response_alg": "PS256"},
}

Details = Any  # a `PortalDetails`, or a row of `Portal`: both have the fields
Test = Callable[[Details], bool]


@dataclass(frozen=True)
class Rule:
    """`fault` begins with the field to change; a field of `looks_at` that could not be read makes the rule silent."""

    looks_at: tuple[str, ...]
    is_kept: Test
    fault: str


def hosts_of(details: Details) -> set[str]:
    return {urlsplit(address).netloc for address in details.redirect_uris}


def _has_keys(details: Details) -> bool:
    return details.jwks is not None or details.jwks_uri is not None


def _has_key_for(field: str) -> Test:
    """Registered keys must be able to make the registered signature; keys behind an address show themselves later."""

    def is_kept(details: Details) -> bool:
        alg = getattr(details, field)
        if alg is None or details.jwks is None:
            return True
        return any(alg in algorithms_of(key) for key in details.jwks["keys"])

    return is_kept


def _signs_requests(details: Details) -> bool:
    return details.require_signed_request_object or details.request_object_signing_alg is not None


def _has_sector(details: Details) -> bool:
    # OIDC Core §8.1: several hosts have no common sector unless somebody says so.
    is_said = details.sector_identifier is not None or details.sector_identifier_uri is not None
    return is_said or len(hosts_of(details)) < 2


def _is_sector_of_uri(details: Details) -> bool:
    # OIDC Core §8.1: with a sector_identifier_uri its host MUST be the sector.
    if details.sector_identifier is None or details.sector_identifier_uri is None:
        return True
    return details.sector_identifier == urlsplit(details.sector_identifier_uri).hostname  # type: ignore[no-any-return]


def _where(condition: Test, is_kept: Test) -> Test:
    return lambda details: is_kept(details) or not condition(details)


def _grants(*names: str) -> Test:
    return lambda details: bool(set(names) & set(details.grant_types))


def _is(field: str, *values: object) -> Test:
    return lambda details: getattr(details, field) in values


def _may_trust(details: Details) -> bool:
    """Whether a sign-in at a trusted device can ever be enough for this portal."""
    return "mfa" in details.allowed_acr and not details.default_acr_values and details.default_max_age is None


_SENDER = ("dpop_bound_access_tokens", "tls_client_certificate_bound_access_tokens")
_METHOD, _KEYS = "token_endpoint_auth_method", ("jwks", "jwks_uri")
RULES: tuple[Rule, ...] = (
    Rule(("names",), lambda d: "fr" in d.names,
         "names: the French name is needed, it stands in for missing ones"),
    Rule(("scopes",), lambda d: "openid" in d.scopes, "scopes: openid is needed"),
    Rule(("grant_types", "redirect_uris"), _where(_grants("authorization_code"), lambda d: bool(d.redirect_uris)),
         "redirect_uris: at least one is needed for the grant authorization_code"),
    Rule(("grant_types",), _where(_grants("refresh_token"), _grants("authorization_code", DEVICE)),
         "grant_types: refresh_token needs authorization_code or the device grant beside it"),
    Rule(("grant_types",), _where(_grants(EXCHANGE), _grants("authorization_code", DEVICE)),
         "grant_types: token-exchange needs authorization_code or the device grant beside it"),
    Rule(("grant_types", "resources"), _where(_grants(EXCHANGE), lambda d: bool(d.resources)),
         "resources: token-exchange needs the addresses that tokens may be exchanged for"),
    Rule(_KEYS, lambda d: d.jwks is None or d.jwks_uri is None,
         "jwks_uri: give the keys themselves or their address, not both"),
    Rule((_METHOD, *_KEYS), _where(_is(_METHOD, "private_key_jwt", "self_signed_tls_client_auth"), _has_keys),
         "jwks: the authentication method needs the portal's public keys, here or behind jwks_uri"),
    Rule((_METHOD, "token_endpoint_auth_signing_alg"),
         lambda d: d.token_endpoint_auth_signing_alg is None or d.token_endpoint_auth_method == "private_key_jwt",
         "token_endpoint_auth_signing_alg: is for private_key_jwt only"),
    Rule(("token_endpoint_auth_signing_alg", "jwks"), _has_key_for("token_endpoint_auth_signing_alg"),
         "token_endpoint_auth_signing_alg: none of the registered keys can make this signature"),
    Rule((_METHOD, "tls_client_auth_subject_dn", "tls_client_auth_san_dns"),
         lambda d: ((d.tls_client_auth_subject_dn is not None) + (d.tls_client_auth_san_dns is not None))
         == (d.token_endpoint_auth_method == "tls_client_auth"),
         "tls_client_auth_subject_dn: tls_client_auth needs this or tls_client_auth_san_dns, the others have neither"),
    Rule(("require_signed_request_object", "request_object_signing_alg", *_KEYS),
         _where(_signs_requests, _has_keys),
         "jwks: signed request objects need the portal's public keys, here or behind jwks_uri"),
    Rule(("request_object_signing_alg", "jwks"), _has_key_for("request_object_signing_alg"),
         "request_object_signing_alg: none of the registered keys can make this signature"),
    Rule(_SENDER, lambda d: not (d.dpop_bound_access_tokens and d.tls_client_certificate_bound_access_tokens),
         "dpop_bound_access_tokens: bind tokens by DPoP or by certificate, not by both"),
    Rule(("redirect_uris", "sector_identifier", "sector_identifier_uri"), _has_sector,
         "sector_identifier: needed, because the redirect addresses have several hosts"),
    Rule(("sector_identifier", "sector_identifier_uri"), _is_sector_of_uri,
         "sector_identifier: must be the host of sector_identifier_uri"),
    Rule(("allowed_acr", "default_acr_values"), lambda d: set(d.default_acr_values) <= set(d.allowed_acr),
         "default_acr_values: must be among allowed_acr"),
    Rule(("trusted_devices", "allowed_acr", "default_acr_values", "default_max_age"),
         _where(_is("trusted_devices", True), _may_trust),
         "trusted_devices: never count with default_acr_values, default_max_age or without mfa among allowed_acr"),
    Rule(("backchannel_logout_session_required", "backchannel_logout_uri"),
         lambda d: not d.backchannel_logout_session_required or d.backchannel_logout_uri is not None,
         "backchannel_logout_uri: needed where backchannel_logout_session_required is set"),
    Rule(("consent", "publisher"), lambda d: not d.consent or bool(d.publisher.strip()),
         "publisher: persons who are asked for consent must learn who asks"),
    Rule(("consent", "policy_uri"), lambda d: not d.consent or d.policy_uri is not None,
         "policy_uri: persons who are asked for consent must find what it is used for"),
)  # fmt: skip
FAPI_RULES: tuple[Rule, ...] = (
    Rule((_METHOD,), _is(_METHOD, "private_key_jwt", *TLS_METHODS),
         "token_endpoint_auth_method: fapi2 needs private_key_jwt or mutual TLS"),
    Rule(("require_par",), _is("require_par", True), "require_par: fapi2 needs pushed requests"),
    Rule(("require_pkce",), _is("require_pkce", True), "require_pkce: fapi2 needs PKCE"),
    Rule(_SENDER, lambda d: d.dpop_bound_access_tokens or d.tls_client_certificate_bound_access_tokens,
         "dpop_bound_access_tokens: fapi2 needs tokens bound by DPoP or by certificate"),
    Rule(("id_token_signed_response_alg",), _is("id_token_signed_response_alg", *FAPI_ALGORITHMS),
         "id_token_signed_response_alg: fapi2 needs PS256, ES256 or EdDSA"),
    *(Rule((field,), _is(field, None, *FAPI_ALGORITHMS), f"{field}: fapi2 needs PS256, ES256 or EdDSA")
      for field in SIGNING_FIELDS),
    Rule(("assertion_audience",), _is("assertion_audience", "issuer"),
         "assertion_audience: fapi2 needs the issuer as the only audience"),
    Rule(("refresh_rotation",), _is("refresh_rotation", False),
         "refresh_rotation: fapi2 keeps refresh tokens stable; they are bound to the client"),
    Rule(("grant_types",), lambda d: DEVICE not in d.grant_types, "grant_types: fapi2 has no device grant"),
    Rule(("redirect_uris",), lambda d: all(address.startswith("https://") for address in d.redirect_uris),
         "redirect_uris: fapi2 needs https also on localhost"),
)  # fmt: skip
OF_PROFILE: dict[str, tuple[Rule, ...]] = {"standard": RULES, "fapi2": (*RULES, *FAPI_RULES)}


def faults_of(details: Details, profile: str, unread: frozenset[str] = frozenset()) -> Iterator[str]:
    """Every rule of the profile that is not kept, in words; rules that look at an `unread` field are passed over."""
    for rule in OF_PROFILE[profile]:
        if not unread & set(rule.looks_at) and not rule.is_kept(details):
            yield rule.fault
