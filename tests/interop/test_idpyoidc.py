"""idpyoidc's relying party handler: discovery, the code flow with PKCE, userinfo, refresh and logout."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
from cryptojwt.key_jar import KeyJar
from idpyoidc.client.defaults import DEFAULT_OIDC_SERVICES
from idpyoidc.client.exception import OidcServiceError
from idpyoidc.client.rp_handler import RPHandler
from idpyoidc.exception import VerificationError

from tests.interop.conftest import EMAIL, KEYS, Connect, Registered
from tests.interop.test_authlib import registered

pytestmark = [
    pytest.mark.parametrize("connect", ["https"], indirect=True, scope="module"),
    pytest.mark.filterwarnings("ignore:Unverified HTTPS request"),  # cryptojwt reads keys of localhost unchecked
]
SCOPE = ["openid", "profile", "email", "insurance", "offline_access"]
CLIENTS = [
    ("client_secret_basic", "RS256", "RS256"),
    ("client_secret_post", "RS256", "ES256"),
    ("private_key_jwt", "RS256", "PS256"),
    ("private_key_jwt", "ES256", "RS256"),
]
PKCE = {
    "function": "idpyoidc.client.oauth2.add_on.pkce.add_support",
    "kwargs": {"code_challenge_length": 64, "code_challenge_method": "S256"},
}


def keys(known: Registered) -> KeyJar:
    """The portal's own keys, in memory alone."""
    jar = KeyJar()
    if known.secret is None:
        jar.import_jwks({"keys": [KEYS[known.alg].as_dict(private=True) | {"use": "sig"}]}, "")
    return jar


def services(method: str) -> dict[str, Any]:
    token = DEFAULT_OIDC_SERVICES["access_token"] | {"kwargs": {"default_authn_method": method}}
    end = {"class": "idpyoidc.client.oidc.end_session.EndSession"}
    return {**DEFAULT_OIDC_SERVICES, "access_token": token, "end_session": end}


@pytest.fixture(autouse=True)
def believed(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """idpyoidc asks by requests, which believes the authority of the machine."""
    assert connect.authority is not None
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(connect.authority.file))


class Portal:
    """idpyoidc's handler for one portal, and the browser of its person."""

    def __init__(self, connect: Connect, known: Registered) -> None:
        self.connect, self.known = connect, known
        portal, method = known.portal, known.portal.token_endpoint_auth_method
        client = {
            "issuer": connect.issuer, "client_id": portal.client_id, "client_secret": known.secret or "",
            "redirect_uris": [known.redirect_uri], "post_logout_redirect_uris": [known.bye], "client_type": "oidc",
            "client_authn_methods": [method],
            "preference": {
                "response_types": ["code"], "scope": SCOPE, "application_type": "web",
                "token_endpoint_auth_methods_supported": [method],
                "token_endpoint_auth_signing_alg_values_supported": [known.alg],
                "id_token_signing_alg_values_supported": [portal.id_token_signed_response_alg],
            },
            "add_ons": {"pkce": PKCE},
            "services": services(method),
        }  # fmt: skip
        self.handler = RPHandler("https://localhost:9", client_configs={"connect": client}, keyjar=keys(known))

    def ask(self, **parameters: Any) -> dict[str, str]:
        """Let the person go to Connect and come back, signing in on the way; the answer at the redirect address."""
        person = self.connect.person
        person.open(self.handler.begin("connect", req_args={"scope": SCOPE, **parameters}))
        if person.address.startswith(self.connect.issuer):
            self.connect.sign_in()
        assert person.address.startswith(self.known.redirect_uri), person.text
        return dict(parse_qsl(urlsplit(person.address).query))

    def finish(self, answer: dict[str, str]) -> Any:
        return self.handler.finalize(self.connect.issuer, answer)


@pytest.mark.parametrize(("method", "alg", "id_token_alg"), CLIENTS)
def test_a_whole_life_with_a_portal(connect: Connect, method: str, alg: str, id_token_alg: str) -> None:
    portal = Portal(connect, registered(connect, method, alg, id_token_signed_response_alg=id_token_alg))
    answer = portal.ask()
    found = portal.finish(answer)
    assert "error" not in found, found
    person = found["userinfo"]
    assert (found["id_token"]["acr"], found["id_token"]["sub"]) == ("mfa", person["sub"])
    assert (person["email"], person["insured_number"]) == (EMAIL, "756.1234.5678.97")

    later = portal.handler.refresh_access_token(answer["state"])
    assert later["access_token"] != found["token"]
    again = portal.handler.get_user_info(answer["state"], access_token=later["access_token"])
    assert again["email"] == EMAIL

    leave = portal.handler.logout(answer["state"], post_logout_redirect_uri=portal.known.bye)
    connect.person.open(leave["url"])
    assert connect.person.address.split("?")[0] == portal.known.bye
    with pytest.raises(OidcServiceError, match="invalid_token"):
        portal.handler.get_user_info(answer["state"], access_token=later["access_token"])


def test_what_went_wrong_is_told(connect: Connect) -> None:
    portal = Portal(connect, registered(connect, "client_secret_basic"))
    answer = portal.ask()
    assert "error" not in portal.finish(answer)
    with pytest.raises(OidcServiceError, match="invalid_grant"):
        portal.finish(answer)
    connect.let_pass(120)
    refused = portal.finish(portal.ask(prompt="none", max_age=60))
    assert refused["error"] == "login_required"
    honest = portal.ask()
    for changes in ({"iss": "https://evil.example"}, {"state": "of-another-visit"}):
        with pytest.raises((VerificationError, KeyError)):
            portal.finish(honest | changes)
