"""What Authlib 1.9 does at the endpoints for clients where nobody helps it (seen on a stock server), and what we do.

Each test shows the flaw first: when a release of the library cures it, the first half fails and the help may go.
"""

from __future__ import annotations

import base64
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest
from authlib.oauth2.rfc6749 import OAuth2Request, errors
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator, JWTRevocationEndpoint
from flask import Flask, request
from flask.testing import FlaskClient
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeySet, RSAKey

from idp.protocol.token_request import TokenRequest
from idp.services.bundle import Services
from tests.support import stock_server
from tests.support.holder import MAKERS, signed
from tests.support.person import ISSUER
from tests.support.portal_client import PortalClient, change, client
from tests.support.relying_party import PORTAL_SECRET, RelyingParty, header_of
from tests.support.stock_server import AUTH_TIME, OWN_KEYS, SECRET, Client, Store

ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CODE = {"grant_type": "authorization_code", "code": "code"}


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + base64.b64encode(f"{client_id}:{secret}".encode()).decode()}


RIGHT = basic("client", "a%20b%2Bc")


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def stock(store: Store) -> FlaskClient:
    return stock_server.build(store).test_client()


@pytest.fixture
def portal(web: Flask, services: Services) -> PortalClient:
    return client(web, services)


def at_once(ask: Callable[[], int]) -> Counter[int]:
    with ThreadPoolExecutor(2) as pool:
        return Counter(future.result() for future in [pool.submit(ask) for _ in range(2)])


def test_a_code_is_used_twice_in_parallel(store: Store, portal: PortalClient) -> None:
    store.pause = Barrier(2).wait
    app = stock_server.build(store)
    assert at_once(lambda: app.test_client().post("/token", data=CODE, headers=RIGHT).status_code) == {200: 2}
    code, barrier = portal.code(), Barrier(2)

    def ours() -> int:
        barrier.wait()
        return portal.redeem(code).status_code

    assert at_once(ours) == {200: 1, 400: 1}


def test_a_refresh_token_is_rotated_twice_in_parallel(store: Store, portal: PortalClient) -> None:
    store.pause = Barrier(2).wait
    app = stock_server.build(store)
    body = {"grant_type": "refresh_token", "refresh_token": "refresh"}
    assert at_once(lambda: app.test_client().post("/token", data=body, headers=RIGHT).status_code) == {200: 2}
    token, barrier = portal.tokens()["refresh_token"], Barrier(2)

    def ours() -> int:
        barrier.wait()
        return portal.refresh(token).status_code

    assert at_once(ours) == {200: 1, 400: 1}


def test_a_refresh_token_is_given_without_offline_access(stock: FlaskClient, portal: PortalClient) -> None:
    assert "refresh_token" in stock.post("/token", data=CODE, headers=RIGHT).get_json()
    assert "refresh_token" not in portal.tokens(scope="openid")


def test_an_id_token_is_signed_with_any_key_of_the_set(portal: PortalClient) -> None:
    """Also with one that is published ahead and not meant to sign yet."""
    kids = set()
    for _ in range(40):
        stock = stock_server.build(Store()).test_client()
        kids.add(header_of(stock.post("/token", data=CODE, headers=RIGHT).get_json()["id_token"])["kid"])
    assert len(kids) == 2
    assert len({header_of(portal.tokens()["id_token"])["kid"] for _ in range(10)}) == 1


def _verifies(token: str, key: Any) -> bool:
    try:
        jwt.decode(token, key, algorithms=["RS256"])
    except JoseError:
        return False
    return True


def test_a_refresh_says_that_the_person_signed_in_now(stock: FlaskClient, portal: PortalClient) -> None:
    body = {"grant_type": "refresh_token", "refresh_token": "refresh"}
    token = stock.post("/token", data=body, headers=RIGHT).get_json()["id_token"]
    said = jwt.decode(token, next(key for key in OWN_KEYS.keys if _verifies(token, key)), algorithms=["RS256"]).claims
    assert said["auth_time"] >= time.time() - 60 > AUTH_TIME
    rp = RelyingParty(portal.web, portal.portal.client_id, "")
    first = portal.tokens()
    second = portal.refresh(first["refresh_token"]).get_json()
    assert rp.claims(first["id_token"])["auth_time"] == rp.claims(second["id_token"])["auth_time"]


def test_a_plus_in_a_basic_secret_is_no_space(stock: FlaskClient, portal: PortalClient, services: Services) -> None:
    assert stock.post("/token", data=CODE, headers=basic("client", "a+b%2Bc")).status_code == 401
    change(portal.portal, client_secret_hash=services.vault.mac("client-secret", SECRET))
    answer = portal.post("/token", {"grant_type": "refresh_token"}, headers=basic(portal.portal.client_id, "a+b%2Bc"))
    assert answer.get_json()["error"] == "invalid_request"  # authenticated; only the token is missing


@pytest.mark.parametrize("encoded", ["//79", "/w=="])
def test_a_basic_header_that_is_no_utf8_is_a_fault(stock: FlaskClient, portal: PortalClient, encoded: str) -> None:
    headers = {"Authorization": f"Basic {encoded}"}
    assert stock.post("/token", data=CODE, headers=headers).status_code == 500
    assert portal.post("/token", {"grant_type": "refresh_token"}, headers=headers).status_code == 401


def test_two_ways_to_authenticate_at_once_are_fine(stock: FlaskClient, portal: PortalClient) -> None:
    both = {**CODE, "client_id": "client", "client_secret": "another secret"}
    assert stock.post("/token", data=both, headers=RIGHT).status_code == 200
    ours = portal.redeem(portal.code(), client_id=portal.portal.client_id, client_secret=PORTAL_SECRET)
    assert (ours.status_code, ours.get_json()["error"]) == (400, "invalid_request")


def test_parameters_in_the_address_are_read(stock: FlaskClient, portal: PortalClient) -> None:
    refresh = {"refresh_token": "refresh"}
    assert stock.post("/token?grant_type=refresh_token", data=refresh, headers=RIGHT).status_code == 200
    token = portal.tokens()["refresh_token"]
    ours = portal.post("/token?grant_type=refresh_token", {"refresh_token": token})
    assert (ours.status_code, ours.get_json()["error"]) == (400, "invalid_request")


def test_a_repeated_parameter_is_fine(stock: FlaskClient, portal: PortalClient) -> None:
    assert stock.post("/token", data={**CODE, "code": ["code", "other"]}, headers=RIGHT).status_code == 200
    ours = portal.post("/token", {**CODE, "code": [portal.code(), "other"]})
    assert (ours.status_code, ours.get_json()["error"]) == (400, "invalid_request")


def assert_client(stock: FlaskClient, assertion: str, **more: str) -> int:
    body = {**CODE, "client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion, **more}
    return stock.post("/token", data=body).status_code


def registered(store: Store, key: Any) -> None:
    store.client = Client(KeySet.import_key_set({"keys": [key.as_dict(private=False)]}))


def by_key(web: Flask, services: Services, alg: str = "ES256") -> PortalClient:
    return client(web, services, "key", alg=alg, token_endpoint_auth_method="private_key_jwt")


def test_an_assertion_may_live_for_ten_years(store: Store, stock: FlaskClient, web: Flask, services: Services) -> None:
    key, decade = ECKey.generate_key("P-256", private=True), 10 * 365 * 24 * 3600
    registered(store, key)
    long = stock_server.claims(exp=int(time.time()) + decade)
    assert assert_client(stock, signed({"alg": "ES256"}, long, key)) == 200
    ours = by_key(web, services)
    far = int(services.clock.now().timestamp()) + decade
    answer = ours.refresh("x", client_assertion=ours.assertion(exp=far))
    assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")


def test_an_assertion_may_come_with_somebody_elses_client_id(
    store: Store, stock: FlaskClient, web: Flask, services: Services
) -> None:
    key = ECKey.generate_key("P-256", private=True)
    registered(store, key)
    assert assert_client(stock, signed({"alg": "ES256"}, stock_server.claims(), key), client_id="other") == 200
    ours = by_key(web, services)
    answer = ours.refresh("x", client_id="other")
    assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize("alg", ["PS256", "EdDSA"])
def test_an_assertion_with_an_algorithm_of_fapi_is_refused(
    store: Store, stock: FlaskClient, web: Flask, services: Services, alg: str
) -> None:
    key = MAKERS[alg]()
    registered(store, key)
    assert assert_client(stock, signed({"alg": alg}, stock_server.claims(), key)) in {400, 401}
    ours = by_key(web, services, alg)
    assert ours.refresh("x").get_json()["error"] == "invalid_grant"


def test_an_unknown_method_name_is_a_fault(store: Store, monkeypatch: pytest.MonkeyPatch, portal: PortalClient) -> None:
    monkeypatch.setattr(stock_server, "METHODS", ["tls_client_auth"])
    assert stock_server.build(store).test_client().post("/token", data=CODE, headers=RIGHT).status_code == 500
    change(portal.portal, token_endpoint_auth_method="tls_client_auth")
    answer = portal.post("/token", CODE, headers=basic(portal.portal.client_id, PORTAL_SECRET))
    assert (answer.status_code, answer.get_json()["error"]) == (401, "invalid_client")


def test_a_chain_of_introspection_endpoints_uses_the_assertion_up(
    store: Store, stock: FlaskClient, web: Flask, services: Services
) -> None:
    key = ECKey.generate_key("P-256", private=True)
    registered(store, key)
    assertion = signed({"alg": "ES256"}, stock_server.claims(), key)
    body = {"token": "x", "token_type_hint": "elsewhere"}
    body |= {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    assert "used before" in stock.post("/introspection", data=body).get_data(as_text=True)
    ours = by_key(web, services)
    assert ours.post("/introspect", {"token": "x", "token_type_hint": "elsewhere"}).get_json() == {"active": False}


def test_a_chain_that_nobody_answers_is_a_fault(stock: FlaskClient, portal: PortalClient) -> None:
    body = {"token": "x", "token_type_hint": "elsewhere"}
    assert stock.post("/introspection", data=body, headers=RIGHT).status_code == 500
    assert portal.post("/introspect", body).status_code == 200


@pytest.mark.parametrize(("name", "path"), [("introspection", "/introspect"), ("revocation", "/revoke")])
def test_an_unknown_hint_is_an_error(stock: FlaskClient, portal: PortalClient, name: str, path: str) -> None:
    body = {"token": "x", "token_type_hint": "unheard-of"}
    answer = stock.post(f"/{name}", data=body, headers=RIGHT)
    assert (answer.status_code, answer.get_json()["error"]) == (401, "unsupported_token_type")
    assert portal.post(path, body).status_code == 200


def test_a_jwt_access_token_cannot_be_withdrawn(web: Flask, services: Services) -> None:
    key = RSAKey.generate_key(2048, {"kid": "k"}, private=True)

    class Endpoint(JWTRevocationEndpoint):  # type: ignore[misc]
        def get_jwks(self) -> Any:
            return KeySet([key])

    now = int(time.time())
    said = {"iss": "https://s", "exp": now + 60, "aud": "a", "sub": "s", "client_id": "c", "iat": now, "jti": "j"}
    token = signed({"alg": "RS256", "typ": "at+jwt", "kid": "k"}, said, key)
    with (
        Flask("x").test_request_context("/", method="POST", data={"token": token}) as context,
        pytest.raises(errors.UnsupportedTokenTypeError),
    ):
        Endpoint(issuer="https://s").authenticate_token(context.request, Client())
    ours = client(web, services, access_token_format="jwt")
    access = ours.tokens()["access_token"]
    assert ours.post("/revoke", {"token": access}).status_code == 200
    assert ours.userinfo(access).status_code == 401


def test_the_jwt_generator_ignores_the_life_it_is_told(web: Flask, services: Services) -> None:
    key = RSAKey.generate_key(2048, private=True)

    class Generator(JWTBearerTokenGenerator):  # type: ignore[misc]
        def get_jwks(self) -> Any:
            return key

    class User:
        def get_user_id(self) -> str:
            return "s"

    token = Generator("https://s")("authorization_code", Client(), user=User(), scope="openid", expires_in=600)
    inside = jwt.decode(token["access_token"], key, algorithms=["RS256"]).claims
    assert token["expires_in"] == 600
    assert inside["exp"] - inside["iat"] != 600
    ours = client(web, services, access_token_format="jwt")
    tokens = ours.tokens()
    said = ours.post("/introspect", {"token": tokens["access_token"]}).get_json()
    assert tokens["expires_in"] == said["exp"] - said["iat"] == 600


def test_userinfo_does_not_read_a_token_in_a_form(stock: FlaskClient, portal: PortalClient) -> None:
    answer = stock.post("/userinfo", data={"access_token": "access"})
    assert (answer.status_code, answer.get_json()["error"]) == (401, "missing_authorization")
    token = portal.tokens()["access_token"]
    assert portal.web.test_client().post("/userinfo", data={"access_token": token}, base_url=ISSUER).status_code == 200


def test_behind_a_proxy_that_ends_tls_every_request_is_a_fault(
    stock: FlaskClient, web: Flask, environment: dict[str, str]
) -> None:
    inside = "http://connect.internal:8000"
    assert stock.post("/token", data=CODE, headers=RIGHT, base_url=inside).status_code == 500
    # Ours knows its own address and answers for no other.
    assert web.test_client().post("/token", data=CODE, base_url=inside).status_code == 421


def test_the_default_life_of_an_access_token_is_ten_days(stock: FlaskClient, portal: PortalClient) -> None:
    assert stock.post("/token", data=CODE, headers=RIGHT).get_json()["expires_in"] == 864_000
    assert portal.tokens()["expires_in"] == 600


def test_a_token_request_has_whatever_authlib_gives_one_of_its_own(app: Flask, services: Services) -> None:
    theirs = vars(OAuth2Request("POST", f"{ISSUER}/token"))
    with app.test_request_context("/token", method="POST", base_url=ISSUER):
        ours = vars(TokenRequest(request, services))
    told = {"headers", "payload"}  # which are ours
    assert {name: ours[name] for name in theirs.keys() - told} == {name: theirs[name] for name in theirs.keys() - told}
