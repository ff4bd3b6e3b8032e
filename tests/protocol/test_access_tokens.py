"""Access tokens: opaque or a JWT of RFC 9068, for one audience (RFC 8707), and known by their hash either way."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from joserfc import jwt
from joserfc.jwk import KeySet
from sqlalchemy import select

from idp.clock import FrozenClock
from idp.models.authorization import AccessToken
from idp.models.base import db
from idp.models.portal import Portal
from idp.protocol.resource_indicators import is_resource_server
from idp.services.bundle import Services
from tests.support.holder import ProofKey
from tests.support.person import ISSUER
from tests.support.portal_client import PortalClient, change, client, sign_in
from tests.support.relying_party import header_of

API, FILES = "https://api.cpx.example.ch/v1", "https://files.cpx.example.ch/"


@pytest.fixture
def portal(web: Flask, services: Services) -> PortalClient:
    return client(web, services, resources=[API, FILES])


def claims_of(web: Flask, token: str) -> dict[str, Any]:
    keys = web.test_client().get("/jwks", base_url=ISSUER).get_json()
    return jwt.decode(token, KeySet.import_key_set(keys), algorithms=["ES256"]).claims


def test_a_jwt_says_what_rfc_9068_asks_for(web: Flask, services: Services, clock: FrozenClock) -> None:
    key = ProofKey(clock)
    portal = client(web, services, access_token_format="jwt", dpop=key, resources=[API])
    session, _ = sign_in(services, portal.portal)
    clock.advance(timedelta(minutes=3))
    tokens = portal.tokens(session=session, resources=(API,))
    token, now = tokens["access_token"], int(clock.now().timestamp())
    header = header_of(token)
    assert (header["typ"], header["alg"]) == ("at+jwt", "ES256")
    said = claims_of(web, token)
    jti = said.pop("jti")
    assert len(jti) == 36
    sid = said.pop("sid")
    id_token = jwt.decode(
        tokens["id_token"],
        KeySet.import_key_set(web.test_client().get("/jwks", base_url=ISSUER).get_json()),
        algorithms=["RS256"],
    ).claims
    assert said == {
        "iss": ISSUER, "sub": id_token["sub"], "aud": API, "client_id": portal.portal.client_id,
        "scope": "openid profile email phone insurance offline_access", "iat": now, "exp": now + 600,
        "auth_time": now - 180, "acr": "mfa", "amr": ["pwd", "sms", "mfa"], "cnf": {"jkt": key.jkt},
    }  # fmt: skip
    assert sid == id_token["sid"]


def test_the_sub_of_a_jwt_is_pairwise(web: Flask, services: Services) -> None:
    one = client(web, services, access_token_format="jwt")
    two = client(web, services, "two", access_token_format="jwt")
    public = client(web, services, "pub", access_token_format="jwt", subject_type="public")
    subs = {claims_of(web, portal.tokens()["access_token"])["sub"] for portal in (one, two, public)}
    assert len(subs) == 3


@pytest.mark.parametrize("form", ["opaque", "jwt"])
def test_both_forms_are_kept_by_hash_and_can_be_withdrawn(web: Flask, services: Services, form: str) -> None:
    portal = client(web, services, access_token_format=form)
    token = portal.tokens()["access_token"]
    row = db.session.scalars(select(AccessToken)).one()
    assert token not in str(vars(row))
    assert portal.userinfo(token).status_code == 200
    assert portal.post("/revoke", {"token": token}).status_code == 200
    assert portal.userinfo(token).status_code == 401
    db.session.expire_all()
    assert db.session.scalars(select(AccessToken)).one().revoked_at is not None


def test_a_jwt_of_ours_that_was_never_issued_is_nothing(web: Flask, services: Services) -> None:
    portal = client(web, services, access_token_format="jwt")
    genuine = claims_of(web, portal.tokens()["access_token"])
    forged = services.keyring.sign({**genuine, "jti": "x"}, alg="ES256", typ="at+jwt")
    assert portal.userinfo(forged).status_code == 401
    assert portal.post("/introspect", {"token": forged}).get_json() == {"active": False}


def audience(portal: PortalClient, token: str) -> Any:
    return portal.post("/introspect", {"token": token}).get_json()["aud"]


def test_without_a_resource_a_token_is_for_userinfo(portal: PortalClient) -> None:
    token = portal.tokens()["access_token"]
    assert audience(portal, token) == ISSUER
    assert portal.userinfo(token).status_code == 200


def test_a_token_for_a_resource_does_not_serve_at_userinfo_and_the_other_way_round(portal: PortalClient) -> None:
    token = portal.tokens(resources=(API, FILES))["access_token"]
    assert audience(portal, token) == [API, FILES]
    refused = portal.userinfo(token)
    assert (refused.status_code, refused.get_json()["error"]) == (401, "invalid_token")
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="connect", error="invalid_token"'
    narrow = portal.tokens(resources=(API, FILES), more={"resource": FILES})["access_token"]
    assert audience(portal, narrow) == FILES
    own = portal.tokens(resources=(API,), more={"resource": ISSUER})["access_token"]
    assert audience(portal, own) == ISSUER
    assert portal.userinfo(own).status_code == 200


def test_more_than_was_granted_is_refused(portal: PortalClient) -> None:
    for resources, wanted in (
        ((), API), ((API,), FILES), ((API,), f"{API}/"), ((API,), f"{API}#x"), ((API,), ""), ((API,), "é"),
    ):  # fmt: skip
        refused = portal.redeem(portal.code(resources=resources), resource=wanted)
        assert (refused.status_code, refused.get_json()["error"]) == (400, "invalid_target"), wanted
    without_person = portal.redeem(portal.code(scope="profile", resources=(API,)), resource=ISSUER)
    assert without_person.get_json()["error"] == "invalid_target"


def test_several_resources_may_be_named_and_every_other_parameter_only_once(portal: PortalClient) -> None:
    code = portal.code(resources=(API, FILES))
    tokens = portal.redeem(code, resource=[API, FILES, API]).get_json()
    assert audience(portal, tokens["access_token"]) == [API, FILES]
    refused = portal.post("/token", {"grant_type": ["refresh_token", "refresh_token"]})
    assert refused.get_json()["error"] == "invalid_request"


def test_what_an_operator_takes_away_is_no_longer_given(portal: PortalClient) -> None:
    refresh_token = portal.tokens(resources=(API, FILES))["refresh_token"]
    change(portal.portal, resources=[FILES])
    assert portal.refresh(refresh_token, resource=API).get_json()["error"] == "invalid_target"
    tokens = portal.refresh(refresh_token).get_json()  # the refusal cost the portal nothing
    assert audience(portal, tokens["access_token"]) == FILES


@pytest.mark.parametrize(
    ("home", "resource", "is_own"),
    [
        ("https://api.example.ch/", "https://api.example.ch/v1", True),
        ("https://api.example.ch", "https://api.example.ch/", True),
        ("https://api.example.ch/v1", "https://api.example.ch/v1", True),
        ("https://api.example.ch/v1", "https://api.example.ch/v1/files", True),
        ("https://api.example.ch/v1", "https://api.example.ch/v10", False),
        ("https://api.example.ch/v1", "https://api.example.ch/", False),
        ("https://api.example.ch/", "https://api.example.ch.evil.ch/", False),
        ("https://api.example.ch/", "https://api.example.ch:8443/", False),
        ("https://api.example.ch/", "http://api.example.ch/", False),
    ],
)
def test_a_resource_belongs_to_the_portal_whose_home_it_lies_below(home: str, resource: str, is_own: bool) -> None:
    assert is_resource_server(Portal(home_url=home), ["https://first.example.ch", resource]) is is_own
