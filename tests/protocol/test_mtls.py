"""Mutual TLS (RFC 8705) behind a trusted proxy: client authentication by certificate, and tokens bound to one."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, ObjectIdentifier
from flask import Flask

from idp.clock import FrozenClock
from idp.services.bundle import Services
from idp.settings import Settings, SettingsError
from tests.support.holder import Certificate, ProofKey, authority, issue, jwks_with
from tests.support.person import ISSUER
from tests.support.portal_client import CERTIFICATE_HEADER, PROXY, PortalClient, change, client
from wsgi import create_app

NAMED = "CN=portal,O=Caisse CPX,C=CH"


@pytest.fixture
def ca(clock: FrozenClock) -> Certificate:
    return authority(clock.now())


@pytest.fixture
def behind_proxy(
    services: Services, environment: dict[str, str], signing_keys: None, ca: Certificate, tmp_path: Path
) -> Flask:
    file = tmp_path / "ca.pem"
    file.write_text(ca.pem)
    settings = Settings.from_environ({**environment, **PROXY, "CONNECT_MTLS_CA_FILE": str(file)})
    return create_app(services=replace(services, settings=settings))


def self_signed(web: Flask, services: Services, certificate: Certificate, **changes: Any) -> PortalClient:
    method = "self_signed_tls_client_auth"
    return client(
        web, services, certificate=certificate, token_endpoint_auth_method=method, jwks=jwks_with(certificate),
        client_secret_hash=None, **changes,
    )  # fmt: skip


def by_pki(web: Flask, services: Services, certificate: Certificate, **changes: Any) -> PortalClient:
    return client(
        web, services, certificate=certificate, token_endpoint_auth_method="tls_client_auth", client_secret_hash=None,
        **changes,
    )  # fmt: skip


def outcome(portal: PortalClient) -> str:
    return str(portal.refresh("x").get_json()["error"])


def test_a_registered_self_signed_certificate_proves_its_portal(
    behind_proxy: Flask, services: Services, clock: FrozenClock
) -> None:
    portal = self_signed(behind_proxy, services, issue(NAMED, clock.now()))
    tokens = portal.tokens()
    assert tokens["token_type"] == "Bearer"
    assert portal.userinfo(tokens["access_token"]).status_code == 200
    portal.certificate = issue(NAMED, clock.now())  # the same name, another key
    assert outcome(portal) == "invalid_client"
    portal.certificate = None
    assert outcome(portal) == "invalid_client"


@pytest.mark.parametrize(
    "jwks",
    [
        None,
        {},
        {"keys": []},
        {"keys": [{}]},
        {"keys": [{"x5c": []}]},
        {"keys": [{"x5c": [1]}]},
        {"keys": [{"x5c": "x"}]},
    ],
)
def test_a_portal_without_a_registered_certificate_is_nobody(
    behind_proxy: Flask, services: Services, clock: FrozenClock, jwks: Any
) -> None:
    portal = self_signed(behind_proxy, services, issue(NAMED, clock.now()))
    change(portal.portal, jwks=jwks)
    assert outcome(portal) == "invalid_client"


def test_a_certificate_of_the_authority_proves_by_its_subject(
    behind_proxy: Flask, services: Services, clock: FrozenClock, ca: Certificate
) -> None:
    right = issue(NAMED, clock.now(), issuer=ca, usage=ExtendedKeyUsageOID.CLIENT_AUTH)
    portal = by_pki(behind_proxy, services, right, tls_client_auth_subject_dn=NAMED)
    assert portal.tokens()["access_token"]
    wrong: dict[str, Certificate] = {
        "another subject": issue("CN=other,O=Caisse CPX,C=CH", clock.now(), issuer=ca),
        "more in the subject": issue(f"OU=x,{NAMED}", clock.now(), issuer=ca),
        "signed by itself": issue(NAMED, clock.now()),
        "another authority of the same name": issue(NAMED, clock.now(), issuer=authority(clock.now())),
        "for servers": issue(NAMED, clock.now(), issuer=ca, usage=ExtendedKeyUsageOID.SERVER_AUTH),
        "expired": issue(NAMED, clock.now(), issuer=ca, days=0),
        "issued by a client certificate": issue(NAMED, clock.now(), issuer=right),
    }
    clock.advance(timedelta(seconds=1))
    for name, certificate in wrong.items():
        portal.certificate = certificate
        assert outcome(portal) == "invalid_client", name
    portal.certificate = right
    assert outcome(portal) == "invalid_grant"
    clock.advance(timedelta(days=31))
    assert outcome(portal) == "invalid_client"


def test_a_certificate_of_the_authority_proves_by_its_dns_name(
    behind_proxy: Flask, services: Services, clock: FrozenClock, ca: Certificate
) -> None:
    right = issue(NAMED, clock.now(), issuer=ca, san=["other.example.ch", "API.cpx.example.ch"])
    portal = by_pki(behind_proxy, services, right, tls_client_auth_san_dns="api.cpx.example.ch")
    assert outcome(portal) == "invalid_grant"
    for san in (["cpx.example.ch"], ["x.api.cpx.example.ch"], ["*.cpx.example.ch"], None):
        portal.certificate = issue("CN=api.cpx.example.ch", clock.now(), issuer=ca, san=san)
        assert outcome(portal) == "invalid_client", san


TWICE = ObjectIdentifier("2.5.29.99")  # in the place of which another is put
ODD_EXTENSIONS = {
    "an extended key usage that is none": (ExtensionOID.EXTENDED_KEY_USAGE, b"\x04\x00x"),
    "a name that is none": (ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex("30048202fffe")),
    "a name of a kind that the library leaves out": (ExtensionOID.SUBJECT_ALTERNATIVE_NAME, bytes.fromhex("3002a300")),
    "an extension twice": (TWICE, b"\x30\x00"),
}


@pytest.mark.parametrize("odd", ODD_EXTENSIONS)
@pytest.mark.parametrize("by", ["subject", "name"])
def test_a_certificate_that_cannot_be_read_to_its_end_proves_nothing(
    behind_proxy: Flask, services: Services, clock: FrozenClock, ca: Certificate, by: str, odd: str
) -> None:
    """Whoever reaches the proxy may show one; the authority need not have signed it."""
    extension = x509.UnrecognizedExtension(*ODD_EXTENSIONS[odd])
    made = issue(NAMED, clock.now(), issuer=ca, more=[extension])
    if odd == "an extension twice":
        made = issue(NAMED, clock.now(), issuer=ca, san=["api.cpx.example.ch"], more=[extension])
        der = made.der.replace(bytes((0x55, 29, 99)), bytes((0x55, 29, 17)))  # that of the alternative name
        made = Certificate(x509.load_der_x509_certificate(der), made.key)
    registered = {
        "subject": {"tls_client_auth_subject_dn": NAMED},
        "name": {"tls_client_auth_san_dns": "api.cpx.example.ch"},
    }
    assert outcome(by_pki(behind_proxy, services, made, **registered[by])) == "invalid_client"


@pytest.mark.parametrize("names", [{}, {"tls_client_auth_subject_dn": "not a name"}])
def test_a_portal_without_a_usable_name_is_nobody(
    behind_proxy: Flask, services: Services, clock: FrozenClock, ca: Certificate, names: dict[str, str]
) -> None:
    certificate = issue(NAMED, clock.now(), issuer=ca)
    assert outcome(by_pki(behind_proxy, services, certificate, **names)) == "invalid_client"


def test_a_certificate_and_a_secret_do_not_stand_for_each_other(
    behind_proxy: Flask, services: Services, clock: FrozenClock
) -> None:
    certificate = issue(NAMED, clock.now())
    by_secret = client(behind_proxy, services, "sec", certificate=certificate)
    assert outcome(by_secret) == "invalid_grant"  # the certificate is there and proves nothing here
    anonymous = behind_proxy.test_client().post(
        "/token", data={"grant_type": "refresh_token", "client_id": by_secret.portal.client_id},
        headers={CERTIFICATE_HEADER: certificate.header}, base_url=ISSUER,
    )  # fmt: skip
    assert anonymous.get_json()["error"] == "invalid_client"
    unknown = behind_proxy.test_client().post(
        "/token", data={"grant_type": "refresh_token", "client_id": "nobody"},
        headers={CERTIFICATE_HEADER: certificate.header}, base_url=ISSUER,
    )  # fmt: skip
    assert (unknown.status_code, unknown.data) == (anonymous.status_code, anonymous.data)
    nameless = behind_proxy.test_client().post(
        "/token", data={"grant_type": "refresh_token"}, headers={CERTIFICATE_HEADER: certificate.header},
        base_url=ISSUER,
    )  # fmt: skip
    assert nameless.get_json()["error"] == "invalid_client"


@pytest.mark.parametrize(
    "break_it",
    [
        lambda shown: shown[:200], lambda shown: shown + "," + shown, lambda shown: "x" * 20_000, lambda shown: "%FF",
        lambda shown: base64.b64encode(shown.encode()).decode(), lambda shown: shown + shown,
    ],
)  # fmt: skip
def test_a_header_that_is_no_certificate_is_refused(
    behind_proxy: Flask, services: Services, clock: FrozenClock, break_it: Callable[[str], str]
) -> None:
    certificate = issue(NAMED, clock.now())
    portal = self_signed(behind_proxy, services, certificate)
    token = portal.tokens()["access_token"]
    portal.certificate = None
    headers = {CERTIFICATE_HEADER: break_it(certificate.header)}
    answer = portal.post("/token", {"grant_type": "refresh_token", "refresh_token": "x"}, headers=headers)
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_request")
    assert portal.userinfo(token, headers=headers).status_code == 400


def test_without_a_trusted_proxy_the_header_is_a_strangers_claim(
    web: Flask, services: Services, clock: FrozenClock
) -> None:
    portal = self_signed(web, services, issue(NAMED, clock.now()))
    assert outcome(portal) == "invalid_client"
    bearer = client(web, services, "sec", certificate=portal.certificate)
    assert bearer.tokens()["token_type"] == "Bearer"


def test_the_header_needs_a_trusted_proxy_and_the_rest_needs_the_header(environment: dict[str, str]) -> None:
    wrong = [
        {"CONNECT_MTLS_CERTIFICATE_HEADER": CERTIFICATE_HEADER},
        {"CONNECT_MTLS_CA_FILE": "/ca.pem"},
        {"CONNECT_MTLS_ORIGIN": "https://mtls.example.ch"},
        {**PROXY, "CONNECT_MTLS_ORIGIN": "http://mtls.example.ch"},
        {**PROXY, "CONNECT_MTLS_ORIGIN": "https://mtls.example.ch/path"},
    ]
    for changes in wrong:
        with pytest.raises(SettingsError) as caught:
            Settings.from_environ({**environment, **changes})
        assert "CONNECT_MTLS" in str(caught.value), changes


def test_a_bound_token_serves_with_its_certificate_alone(
    behind_proxy: Flask, services: Services, clock: FrozenClock
) -> None:
    portal = client(
        behind_proxy, services, certificate=issue(NAMED, clock.now()),
        tls_client_certificate_bound_access_tokens=True, access_token_format="jwt",
    )  # fmt: skip
    token = portal.tokens()["access_token"]
    held, refresh_token = portal.certificate, portal.tokens()["refresh_token"]
    assert held is not None
    said = portal.post("/introspect", {"token": token}).get_json()
    assert said["cnf"] == {"x5t#S256": held.x5t}
    assert said["token_type"] == "Bearer"
    assert portal.userinfo(token).status_code == 200
    for other in (None, issue(NAMED, clock.now())):
        portal.certificate = other
        refused = portal.userinfo(token)
        assert (refused.status_code, refused.get_json()["error"]) == (401, "invalid_token")
    portal.certificate = None
    answer = portal.refresh(refresh_token)
    assert (answer.status_code, answer.get_json()["error"]) == (400, "invalid_request")
    portal.certificate = issue(NAMED, clock.now())  # renewed: the refresh token is the client's, not the key's
    assert portal.userinfo(portal.refresh(refresh_token).get_json()["access_token"]).status_code == 200


def test_a_token_may_be_bound_to_both_keys(behind_proxy: Flask, services: Services, clock: FrozenClock) -> None:
    portal = client(
        behind_proxy, services, certificate=issue(NAMED, clock.now()), dpop=ProofKey(clock),
        tls_client_certificate_bound_access_tokens=True,
    )  # fmt: skip
    token = portal.tokens()["access_token"]
    assert set(portal.post("/introspect", {"token": token}).get_json()["cnf"]) == {"jkt", "x5t#S256"}
    assert portal.userinfo(token).status_code == 200
    portal.certificate = None
    assert portal.userinfo(token).status_code == 401


def test_the_second_address_serves_machines_and_nobody_else(
    services: Services, environment: dict[str, str], signing_keys: None, clock: FrozenClock
) -> None:
    second = "https://mtls.connect.example.ch"
    settings = Settings.from_environ({**environment, **PROXY, "CONNECT_MTLS_ORIGIN": second})
    web = create_app(services=replace(services, settings=settings))
    portal = client(web, services, dpop=ProofKey(clock))
    browser, key = web.test_client(), portal.dpop
    document = browser.get("/.well-known/openid-configuration", base_url=ISSUER).get_json()
    assert document["tls_client_certificate_bound_access_tokens"] is True
    assert "self_signed_tls_client_auth" in document["token_endpoint_auth_methods_supported"]
    assert "tls_client_auth" not in document["token_endpoint_auth_methods_supported"]  # no authority is named
    aliases = document["mtls_endpoint_aliases"]
    by_client = {name for name in document if name.endswith("_endpoint")} - {
        "authorization_endpoint", "end_session_endpoint", "registration_endpoint"
    }  # fmt: skip
    assert aliases == {name: document[name].replace(ISSUER, second) for name in by_client}
    certificate = issue(NAMED, clock.now())
    pushing = self_signed(web, services, certificate, slug="par")
    wanted = {
        "client_id": pushing.portal.client_id, "redirect_uri": pushing.portal.redirect_uris[0], "scope": "openid",
        "response_type": "code", "code_challenge": "c" * 43, "code_challenge_method": "S256",
    }  # fmt: skip
    path = aliases["pushed_authorization_request_endpoint"].removeprefix(second)
    shown = {CERTIFICATE_HEADER: certificate.header}
    assert browser.post(path, data=wanted, headers=shown, base_url=second).status_code == 201
    assert key is not None
    token = portal.tokens()["access_token"]
    proof = key.proof("GET", "/userinfo", token, htu=aliases["userinfo_endpoint"])
    headers = {"Authorization": f"DPoP {token}", "DPoP": proof}
    assert browser.get("/userinfo", headers=headers, base_url=second).status_code == 200
    first = key.proof("GET", "/userinfo", token)  # made for the first address
    assert browser.get("/userinfo", headers={**headers, "DPoP": first}, base_url=second).status_code == 401
    for path in ("/", "/cpx/login", "/account", "/device", "/authorize"):
        assert browser.get(path, base_url=second).status_code == 421, path
    assert browser.get("/userinfo", base_url="https://other.example.ch").status_code == 421


def test_without_the_setting_nothing_is_said_of_certificates(web: Flask) -> None:
    document = web.test_client().get("/.well-known/openid-configuration", base_url=ISSUER).get_json()
    assert not {"mtls_endpoint_aliases", "tls_client_certificate_bound_access_tokens"} & set(document)
    assert not [name for name in document["token_endpoint_auth_methods_supported"] if "tls" in name]
