"""oauth4webapi (npm) as a client with high demands: pushed and signed requests, DPoP, every endpoint for clients."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from idp.models.base import db
from tests.interop.conftest import EMAIL, KEYS, Connect, Registered
from tests.interop.node_party import NodeParty, Refused

pytestmark = pytest.mark.parametrize("connect", ["https"], indirect=True, scope="module")
DEVICE = "urn:ietf:params:oauth:grant-type:device_code"
SCOPE = "openid profile email insurance offline_access"
FAPI = {
    "security_profile": "fapi2", "token_endpoint_auth_method": "private_key_jwt", "dpop_bound_access_tokens": True,
    "redirect_uris": ["https://localhost:9/callback"],
}  # fmt: skip
CLIENTS = [("PS256", "ES256"), ("ES256", "PS256"), ("EdDSA", "Ed25519")]
SIGNED = ("id_token_signed_response_alg", "authorization_signed_response_alg", "introspection_signed_response_alg")


class Client:
    """A registered client in a process of its own, and the browser of its person."""

    def __init__(self, connect: Connect, party: NodeParty, known: Registered, dpop: str | None) -> None:
        self.person, self.known, self._party = connect.person, known, party
        portal = known.portal
        signed = {name: alg for name in SIGNED if (alg := getattr(portal, name)) is not None}
        auth = {
            "method": portal.token_endpoint_auth_method, "secret": known.secret, "alg": known.alg,
            "jwk": KEYS[known.alg].as_dict(private=True) if known.secret is None else None,
        }  # fmt: skip
        self.documents = self.do(
            "discover", issuer=connect.issuer, metadata={"client_id": portal.client_id, **signed}, auth=auth, dpop=dpop,
        )  # fmt: skip

    def do(self, task: str, **given: Any) -> Any:
        return self._party.do(task, **given)

    def ask(self, **parameters: Any) -> dict[str, Any]:
        """Push a request and send the person there; what the client keeps of it."""
        asked: dict[str, Any] = self.do("push", redirect_uri=self.known.redirect_uri, **{"scope": SCOPE, **parameters})
        self.person.open(asked.pop("url"))
        assert self.person.address.startswith(self.known.redirect_uri), self.person.text
        return asked

    def redeem(self, asked: dict[str, Any], **changes: Any) -> Any:
        given = {"url": self.person.address, "redirect_uri": self.known.redirect_uri, **asked, **changes}
        given.pop("expires_in")
        return self.do("callback", **given)

    def refusal(self, task: str, **given: Any) -> str:
        with pytest.raises(Refused) as refused:
            self.do(task, **given)
        said = refused.value.said
        return str(said.get("oauth", said["code"]))


@pytest.fixture
def meet(connect: Connect) -> Iterator[Callable[..., Client]]:
    made: list[NodeParty] = []

    def begin(alg: str, dpop: str | None = None, **details: Any) -> Client:
        made.append(NodeParty("financial_client.mjs", connect.authority))
        return Client(connect, made[-1], connect.add_portal_of_the_person(alg, **details), dpop)

    yield begin
    for party in made:
        party.close()


@pytest.mark.parametrize(("alg", "dpop"), CLIENTS)
def test_a_client_of_the_fapi_profile(connect: Connect, meet: Callable[..., Client], alg: str, dpop: str) -> None:
    client = meet(alg, dpop, id_token_signed_response_alg=alg, **FAPI)
    plain, oidc = client.documents
    assert plain == oidc
    asked = client.ask()
    assert 5 <= asked["expires_in"] < 600
    tokens = client.redeem(asked)
    claims = tokens["claims"]
    assert (tokens["token_type"], tokens["scope"], claims["acr"]) == ("dpop", SCOPE, "mfa")
    details = client.do("userinfo", access_token=tokens["access_token"], sub=claims["sub"])
    assert (details["email"], details["external_id"]) == (EMAIL, "P-1")
    later = client.do("refresh", refresh_token=tokens["refresh_token"])
    assert later["token_type"] == "dpop"
    assert later.get("refresh_token") in {None, tokens["refresh_token"]}
    client.do("revoke", token=tokens["refresh_token"])
    assert client.refusal("refresh", refresh_token=tokens["refresh_token"]) == "invalid_grant"


def test_a_bound_token_is_of_no_use_without_its_key(meet: Callable[..., Client]) -> None:
    client, thief = meet("ES256", "ES256", **FAPI), meet("ES256", "ES256", **FAPI)
    tokens = client.redeem(client.ask())
    sub = tokens["claims"]["sub"]
    given = {"access_token": tokens["access_token"], "sub": sub}
    assert thief.refusal("userinfo", **given) == "OAUTH_WWW_AUTHENTICATE_CHALLENGE"
    assert client.do("userinfo", **given)["sub"] == sub


@pytest.mark.parametrize("alg", ["PS256", "ES256", "EdDSA"])
def test_requests_and_answers_are_signed(connect: Connect, meet: Callable[..., Client], alg: str) -> None:
    """FAPI 2.0 Message Signing: the request object, the answer to it, and what is said of a token."""
    client = meet(
        alg, "ES256", require_signed_request_object=True, request_object_signing_alg=alg,
        id_token_signed_response_alg=alg, authorization_signed_response_alg=alg,
        introspection_signed_response_alg=alg, **FAPI,
    )  # fmt: skip
    assert client.refusal("push", redirect_uri=client.known.redirect_uri, scope=SCOPE) == "invalid_request"
    asked = client.ask(sign=True, response_mode="jwt", max_age="3600", claims='{"id_token":{"acr":null}}')
    assert "code=" not in client.person.address
    tokens = client.redeem(asked, is_signed=True)
    said = client.do("introspect", token=tokens["access_token"], is_signed=True)
    assert (said["active"], said["token_type"], said["sub"]) == (True, "DPoP", tokens["claims"]["sub"])
    connect.let_pass(120)
    asked = client.ask(sign=True, response_mode="jwt", prompt="none", max_age="60")
    with pytest.raises(Refused) as refused:
        client.redeem(asked, is_signed=True)
    assert refused.value.said["oauth"] == "login_required"


def test_a_resource_server_reads_the_token_and_its_proof(meet: Callable[..., Client]) -> None:
    resource = "https://api.example.ch/files"
    client = meet("ES256", "Ed25519", access_token_format="jwt", resources=[resource], **FAPI)
    tokens = client.redeem(client.ask(resource=resource))
    accepted = client.do("accept", access_token=tokens["access_token"], resource=resource)
    assert (accepted["sub"], accepted["client_id"]) == (tokens["claims"]["sub"], client.known.portal.client_id)
    with pytest.raises(Refused):
        client.do("accept", access_token=tokens["access_token"], resource="https://other.example.ch/")


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post"])
def test_a_client_with_a_secret_at_every_endpoint(meet: Callable[..., Client], method: str) -> None:
    client = meet("RS256", token_endpoint_auth_method=method)
    tokens = client.redeem(client.ask())
    assert tokens["token_type"] == "bearer"
    for is_signed in (False, True):
        assert client.do("introspect", token=tokens["access_token"], is_signed=is_signed)["active"] is True
        assert client.do("introspect", token=tokens["refresh_token"], is_signed=is_signed)["active"] is True
    client.do("revoke", token=tokens["access_token"])
    assert client.do("introspect", token=tokens["access_token"], is_signed=False) == {"active": False}
    later = client.do("refresh", refresh_token=tokens["refresh_token"])
    assert client.do("introspect", token=later["access_token"], is_signed=False)["active"] is True
    client.do("revoke", token=later["refresh_token"])
    assert client.do("introspect", token=later["access_token"], is_signed=False) == {"active": False}
    client.do("revoke", token="a token that nobody gave")


def test_a_client_speaks_in_its_own_name(meet: Callable[..., Client]) -> None:
    resource = "https://api.example.ch/files"
    client = meet(
        "ES256", "ES256", grant_types=["authorization_code", "refresh_token", "client_credentials"],
        resources=[resource], access_token_format="jwt", **FAPI,
    )  # fmt: skip
    own = client.do("own_token", resource=resource)
    accepted = client.do("accept", access_token=own["access_token"], resource=resource)
    assert accepted["sub"] == accepted["client_id"] == client.known.portal.client_id


def test_a_device_waits_for_its_person(connect: Connect, meet: Callable[..., Client]) -> None:
    client = meet("RS256", grant_types=["authorization_code", "refresh_token", DEVICE])
    begun = client.do("device", scope="openid email")
    assert client.refusal("poll", device_code=begun["device_code"]) == "authorization_pending"
    assert client.refusal("poll", device_code=begun["device_code"]) == "slow_down"
    connect.person.open(begun["verification_uri_complete"])
    connect.person.submit()
    connect.person.submit(answer="allow")
    connect.let_devices_rest()
    tokens = client.do("poll", device_code=begun["device_code"])
    assert client.do("userinfo", access_token=tokens["access_token"], sub=tokens["claims"]["sub"])["email"] == EMAIL


def test_an_invited_developer_registers(connect: Connect, meet: Callable[..., Client]) -> None:
    client = meet("RS256")
    described = {
        "slug": "invited", "names": {"fr": "Caisse invitée"}, "short_name": "Invitee", "phone": "058 123 45 67",
        "email": "help@example.ch", "home_url": "https://invited.example.ch/",
    }  # fmt: skip
    secret, _ = connect.services.invites.invite(described, timedelta(days=1))
    db.session.commit()
    redirect_uri = "https://invited.example.ch/callback"
    made = client.do("register", initial_access_token=secret, redirect_uris=[redirect_uri])
    assert (made["redirect_uris"], made["client_secret_expires_at"]) == ([redirect_uri], 0)
    again = client.refusal("register", initial_access_token=secret, redirect_uris=[redirect_uri])
    assert again == "OAUTH_WWW_AUTHENTICATE_CHALLENGE"
