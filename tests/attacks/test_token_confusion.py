"""O-19, C-42, C-52: a token of one kind is nothing to the reader of another, by its claims and by its `typ` alone."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from idp.clock import FrozenClock
from idp.services.bundle import Services
from tests.attacks.test_forged_tokens import payload_of
from tests.support.holder import ProofKey, signed
from tests.support.person import ISSUER
from tests.support.portal_client import EVERY_GRANT, EXCHANGE, PortalClient, client, sign_in
from tests.support.relying_party import RelyingParty, answer_of, header_of

BYE = "https://cpx.example.ch/bye"
ACCESS = "urn:ietf:params:oauth:token-type:access_token"
KINDS = ("id_token", "access_token", "logout_token", "assertion", "request_object", "proof", "statement", "jarm")
TYPES = (None, "JWT", "at+jwt", "logout+jwt", "dpop+jwt", "oauth-authz-req+jwt", "token-introspection+jwt", "x")


@dataclass
class Desk:
    """One portal with a key of its own, one signed-in person, and every reader of tokens."""

    portal: PortalClient
    rp: RelyingParty
    browser: FlaskClient
    services: Services
    holder: ProofKey

    def token(self, kind: str) -> str:
        """A genuine token of this kind, as it would be made for this portal now."""
        now, portal = int(self.services.clock.now().timestamp()), self.portal
        client_id = portal.portal.client_id
        ours: dict[str, tuple[str, dict[str, Any]]] = {
            "logout_token": ("logout+jwt", {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}}),
            "statement": ("token-introspection+jwt", {"token_introspection": {"active": True}}),
            "jarm": ("JWT", {"code": "cc_code_x", "state": "s-1"}),
        }
        if kind in {"id_token", "access_token"}:
            return str(self.fresh()[kind])
        if kind in ours:
            typ, claims = ours[kind]
            base = {"iss": ISSUER, "aud": client_id, "iat": now, "exp": now + 60, "jti": "j", "sub": "s"}
            return self.services.keyring.sign({**base, **claims}, alg="RS256", typ=typ)
        if kind == "proof":
            return self.holder.proof("POST", "/token")
        if kind == "assertion":
            return portal.assertion()
        claims = {
            "iss": client_id, "aud": ISSUER, "client_id": client_id, "response_type": "code", "scope": "openid",
            "redirect_uri": self.rp.redirect_uri, "nbf": now, "iat": now, "exp": now + 60, "jti": "j-request",
        }  # fmt: skip
        return signed({"alg": portal.alg, "typ": "oauth-authz-req+jwt"}, claims, portal.key)

    def fresh(self) -> dict[str, Any]:
        return self.portal.tokens()

    def reads_hint(self, token: str) -> bool:
        response = self.browser.get(self.rp.request(prompt="none", id_token_hint=token), base_url=ISSUER)
        return "code" in answer_of(response.headers["Location"])

    def reads_logout_hint(self, token: str) -> bool:
        """In a browser without a session, so that nothing is ended on the way."""
        query = {"id_token_hint": token, "post_logout_redirect_uri": BYE}
        stranger = self.portal.web.test_client()
        return stranger.get("/logout", query_string=query, base_url=ISSUER).status_code == 303

    def reads_access(self, token: str) -> bool:
        return self.portal.userinfo(token).status_code == 200

    def reads_introspected(self, token: str) -> bool:
        return bool(self.portal.post("/introspect", {"token": token}).get_json()["active"])

    def reads_subject(self, token: str) -> bool:
        given = {"grant_type": EXCHANGE, "subject_token": token, "subject_token_type": ACCESS}
        return self.portal.post("/token", {**given, "resource": "https://api.example.ch"}).status_code == 200

    def reads_assertion(self, token: str) -> bool:
        answer = self.portal.refresh("x", client_assertion=token)
        return bool(answer.get_json()["error"] == "invalid_grant")

    def reads_proof(self, token: str) -> bool:
        body = {"grant_type": "refresh_token", "refresh_token": "x"}
        answer = self.portal.post("/token", body, headers={"DPoP": token})
        return bool(answer.get_json()["error"] == "invalid_grant")

    def reads_code(self, token: str) -> bool:
        return self.portal.redeem(token).status_code == 200

    def reads_refresh(self, token: str) -> bool:
        return self.portal.refresh(token).status_code == 200


@pytest.fixture
def desk(web: Flask, services: Services, clock: FrozenClock) -> Desk:
    portal = client(
        web, services, token_endpoint_auth_method="private_key_jwt", grant_types=EVERY_GRANT,
        access_token_format="jwt", resources=["https://api.example.ch"],
    )  # fmt: skip
    _, secret = sign_in(services, portal.portal)
    browser = web.test_client()
    browser.set_cookie("connect_session", secret, domain="localhost")
    rp = RelyingParty(web, portal.portal.client_id, portal.portal.redirect_uris[0])
    return Desk(portal, rp, browser, services, ProofKey(clock))


READERS: dict[str, tuple[Callable[[Desk, str], bool], str]] = {
    "id_token_hint": (Desk.reads_hint, "id_token"),
    "logout hint": (Desk.reads_logout_hint, "id_token"),
    "userinfo": (Desk.reads_access, "access_token"),
    "introspection": (Desk.reads_introspected, "access_token"),
    "token exchange": (Desk.reads_subject, "access_token"),
    "client assertion": (Desk.reads_assertion, "assertion"),
    "DPoP": (Desk.reads_proof, "proof"),
    "code": (Desk.reads_code, ""),
    "refresh token": (Desk.reads_refresh, ""),
}


@pytest.mark.parametrize("reader", READERS)
def test_each_reader_takes_one_kind_alone(desk: Desk, reader: str) -> None:
    reads, right = READERS[reader]
    taken = [kind for kind in KINDS if reads(desk, desk.token(kind))]
    assert taken == ([right] if right else [])


def retyped(desk: Desk, kind: str, typ: str | None) -> str:
    """A token with every right claim, signed with the right key, that says it is of another kind."""
    token = desk.token(kind)
    header, claims = header_of(token), payload_of(token)
    if kind in {"id_token", "access_token"}:
        return desk.services.keyring.sign(claims, alg=header["alg"], typ=typ or "")
    header = {name: value for name, value in ({**header, "typ": typ}).items() if value is not None}
    key = desk.holder.key if kind == "proof" else desk.portal.key
    return signed(header, {**claims, "jti": secrets.token_hex(8)}, key)


@pytest.mark.parametrize(
    ("reader", "allowed"),
    [
        ("id_token_hint", {"JWT"}), ("logout hint", {"JWT"}), ("userinfo", set()), ("introspection", set()),
        ("token exchange", set()), ("client assertion", {None, "JWT"}), ("DPoP", {"dpop+jwt"}),
    ],
)  # fmt: skip
def test_the_same_claims_under_another_typ_are_another_kind(desk: Desk, reader: str, allowed: set[str | None]) -> None:
    reads, kind = READERS[reader]
    assert {typ for typ in TYPES if reads(desk, retyped(desk, kind, typ))} == allowed


@pytest.mark.parametrize("typ", ["jwt", "client-authentication+jwt", "Client-Authentication+JWT"])
def test_an_assertion_may_name_its_kind(desk: Desk, typ: str) -> None:
    assert desk.reads_assertion(desk.portal.assertion({"typ": typ}))


@pytest.mark.parametrize("typ", [1, [], {}, ["JWT"], True, "", "application/x"])
def test_an_assertion_of_an_odd_kind_is_refused(desk: Desk, typ: object) -> None:
    assert not desk.reads_assertion(desk.portal.assertion({"typ": typ}))


def test_every_secret_has_its_own_prefix_and_serves_in_its_own_place_alone(desk: Desk) -> None:
    opaque = client(desk.portal.web, desk.services, "opq", grant_types=EVERY_GRANT)
    tokens = opaque.tokens()
    device = opaque.post("/device_authorization", {"scope": "openid"}).get_json()["device_code"]
    secrets_of = {"code": opaque.code(), "access": tokens["access_token"], "device": device}
    secrets_of["refresh"] = tokens["refresh_token"]
    assert {name: secret[:6] for name, secret in secrets_of.items()} == {
        "code": "cc_cod", "access": "cc_at_", "device": "cc_dc_", "refresh": "cc_rt_",
    }  # fmt: skip
    for name, secret in secrets_of.items():
        bare = secret.rpartition("_")[2]
        for prefix in ("cc_at_", "cc_rt_", "cc_code_", "cc_dc_", "", "cc_"):
            if prefix + bare == secret:
                continue
            assert opaque.userinfo(prefix + bare).status_code == 401, (name, prefix)
            assert opaque.refresh(prefix + bare).status_code == 400, (name, prefix)
            assert opaque.redeem(prefix + bare).status_code == 400, (name, prefix)
    assert opaque.userinfo(tokens["access_token"]).status_code == 200
