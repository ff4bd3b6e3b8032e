"""Authlib's client as the portal: its Flask integration behind a real address, and its session for requests."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from authlib.common.security import generate_token
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc6749 import MismatchingStateException
from authlib.oauth2.rfc7523 import PrivateKeyJWT

from tests.interop.authlib_portal import SCOPE, served
from tests.interop.conftest import EMAIL, KEYS, Connect, Registered
from tests.support.ports import five_free_ports
from tests.support.served import RemotePerson

pytestmark = pytest.mark.in_turns("connect")  # each kind of client by http or by https

CLIENTS = [
    ("client_secret_basic", "RS256", "RS256"),
    ("client_secret_post", "RS256", "ES256"),
    ("private_key_jwt", "RS256", "PS256"),
    ("private_key_jwt", "PS256", "RS256"),
    ("private_key_jwt", "ES256", "ES256"),
    ("private_key_jwt", "EdDSA", "EdDSA"),
]


def registered(connect: Connect, method: str, alg: str = "RS256", **details: Any) -> Registered:
    """Authlib names the token endpoint as the audience of its assertions, so the portal is registered with that."""
    audience = "token_endpoint" if method == "private_key_jwt" else "issuer"
    return connect.add_portal_of_the_person(
        alg, token_endpoint_auth_method=method, assertion_audience=audience, **details
    )


def shown(person: RemotePerson) -> Any:
    """What the portal shows where the person's browser has arrived."""
    return follow(person, person.address).json()


def follow(person: RemotePerson, address: str) -> requests.Response:
    return person.http.get(address, timeout=30)


@pytest.mark.parametrize(("method", "alg", "id_token_alg"), CLIENTS)
def test_the_flask_integration_signs_in_and_out(
    connect: Connect, method: str, alg: str, id_token_alg: str
) -> None:  # fmt: skip
    port = five_free_ports()
    known = registered(connect, method, alg, id_token_signed_response_alg=id_token_alg, port=port)
    with served(connect, known, port) as home:
        person = connect.person
        person.open(f"{connect.issuer}/{known.portal.slug}/login")
        seen = follow(person, f"{home}/login").json()
        assert (seen["claims"]["iss"], seen["claims"]["aud"]) == (connect.issuer, known.portal.client_id)
        assert seen["claims"]["sub"] == seen["details"]["sub"]
        assert (seen["details"]["email"], seen["details"]["insured_number"]) == (EMAIL, "756.1234.5678.97")

        assert follow(person, f"{home}/logout").json() == {"signed_out": True}
        refused = follow(person, f"{home}/login?prompt=none")
        assert (refused.status_code, refused.json()["error"]) == (400, "login_required")
        person.open(follow(person, f"{home}/login").url)
        connect.sign_in()
        assert shown(person)["claims"]["sub"] == seen["claims"]["sub"]


def test_the_flask_integration_refuses_the_answer_to_another_visit(connect: Connect) -> None:
    port = five_free_ports()
    known = registered(connect, "client_secret_basic", port=port)
    with served(connect, known, port) as home:
        person = connect.person
        person.open(person.http.get(f"{home}/login", allow_redirects=False, timeout=30).headers["Location"])
        stranger = connect.new_browser()
        answer = follow(stranger, person.address)
        assert (answer.status_code, answer.json()["error"]) == (400, "mismatching_state")
        assert shown(person)["details"]["email"] == EMAIL  # the same answer is good in its own browser, once
        assert follow(person, person.address).status_code == 400


class Session:
    """Authlib's OAuth2Session with the provider's metadata at hand."""

    def __init__(self, connect: Connect, known: Registered) -> None:
        verify: str | bool = str(connect.authority.file) if connect.authority else True
        self.connect, self.known, self.verifier = connect, known, generate_token(48)
        self.found = connect.person.http.get(f"{connect.issuer}/.well-known/openid-configuration", timeout=10).json()
        self.oauth = OAuth2Session(
            known.portal.client_id, known.secret or KEYS[known.alg], scope=SCOPE, redirect_uri=known.redirect_uri,
            token_endpoint_auth_method=known.portal.token_endpoint_auth_method, code_challenge_method="S256",
            token_endpoint=self.found["token_endpoint"], verify=verify, trust_env=False,
        )  # fmt: skip
        self.oauth.register_client_auth_method(PrivateKeyJWT(alg=known.alg))

    def ask(self, **parameters: Any) -> None:
        address, self.state = self.oauth.create_authorization_url(
            self.found["authorization_endpoint"], code_verifier=self.verifier, nonce="n", **parameters
        )
        self.connect.person.open(address)

    def redeem(self, **changes: Any) -> Any:
        given = {"state": self.state, "code_verifier": self.verifier, **changes}
        return self.oauth.fetch_token(authorization_response=self.connect.person.address, **given)

    def userinfo(self) -> requests.Response:
        answer: requests.Response = self.oauth.get(self.found["userinfo_endpoint"], timeout=10)
        return answer


@pytest.mark.parametrize(("method", "alg", "id_token_alg"), CLIENTS)
def test_the_session_redeems_refreshes_and_learns_of_the_end(
    connect: Connect, method: str, alg: str, id_token_alg: str
) -> None:  # fmt: skip
    session = Session(connect, registered(connect, method, alg, id_token_signed_response_alg=id_token_alg))
    session.ask()
    first = session.redeem()
    assert (first["token_type"], first["expires_in"], first["scope"]) == ("Bearer", 600, SCOPE)
    assert session.userinfo().json()["email"] == EMAIL
    second = session.oauth.refresh_token()
    assert second["refresh_token"] != first["refresh_token"]
    assert session.userinfo().json()["email"] == EMAIL
    with pytest.raises(OAuthError, match="invalid_grant"):  # a rotated token that comes back ends the whole grant
        session.oauth.refresh_token(refresh_token=first["refresh_token"])
    answer = session.userinfo()
    said = (answer.status_code, answer.headers["WWW-Authenticate"])
    assert said == (
        401,
        'Bearer realm="connect", error="invalid_token"',
    )


def test_the_session_hears_what_is_wrong(connect: Connect) -> None:
    session = Session(connect, registered(connect, "client_secret_basic"))
    for given, error in (
        ({"code_verifier": "w" * 43}, "invalid_grant"),
        ({"redirect_uri": "http://localhost:9/other"}, "invalid_grant"),
    ):
        session.ask()
        with pytest.raises(OAuthError, match=error):
            session.redeem(**given)
    with pytest.raises(OAuthError, match="unsupported_grant_type"):
        session.oauth.fetch_token(grant_type="password", username="helene", password="of no use here")
    session.ask()
    with pytest.raises(MismatchingStateException):
        session.redeem(state="of-another-visit")
    session.ask(max_age="x")
    assert parse_qs(urlsplit(connect.person.address).query)["error"] == ["invalid_request"]
    session.oauth.client_secret = "guessed"
    session.ask()
    with pytest.raises(OAuthError, match="invalid_client"):
        session.redeem()


def test_a_new_sign_in_is_demanded_by_prompt_and_by_age(connect: Connect) -> None:
    session = Session(connect, registered(connect, "client_secret_basic"))
    connect.let_pass(120)
    session.ask(max_age="3600")
    session.redeem()
    for parameters in ({"max_age": "60"}, {"prompt": "login"}):
        connect.let_pass(120)
        session.ask(**parameters)
        connect.sign_in()
        session.redeem()
    assert session.userinfo().status_code == 200
