"""One provider for all modules of a worker; a fresh browser for each; the static clients of the plans."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser

from tests.conformance.fapi import FAPIClient, Key, new_key, public
from tests.conformance.provider import Provider
from tests.conformance.suite import Client, Suite


@pytest.fixture(scope="session")
def provider(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Provider]:
    made = Provider(tmp_path_factory.mktemp("provider"))
    yield made
    made.stop()


@pytest.fixture(scope="session")
def clients(provider: Provider) -> dict[str, Client]:
    """The static clients of the plans. Certification sends no PKCE, so these are exempted by name."""
    callback = f"{provider.portal_origin}/callback"
    made = {}
    for slug, method in (
        ("basic", "client_secret_basic"),
        ("second", "client_secret_basic"),
        ("post", "client_secret_post"),
    ):
        client_id, secret = provider.add_portal(slug, require_pkce=False, token_endpoint_auth_method=method)
        made[slug] = Client(client_id, secret, callback, auth_method=method)
    return made


@pytest.fixture(scope="session")
def cookies() -> list[Any]:
    """Of the browser that comes again where it is not the sign-in that a module looks at."""
    return []


@pytest.fixture
def suite(request: pytest.FixtureRequest, provider: Provider, chromium: Browser, cookies: list[Any]) -> Iterator[Suite]:
    comes_again = request.node.get_closest_marker("signed_in") is not None
    run = Suite(provider, chromium, cookies if comes_again else [])
    yield run
    run.close()


@pytest.fixture
def client(clients: dict[str, Client]) -> Client:
    return clients["basic"]


@pytest.fixture(scope="session", params=["unsigned", pytest.param("signed", marks=pytest.mark.long)])
def registered(request: pytest.FixtureRequest, provider: Provider) -> list[tuple[Client, Key, str]]:
    """Two static clients with different keys; the second one's redirect address has a query."""
    made = []
    for number, (alg, path) in enumerate((("PS256", "/callback"), ("ES256", "/callback?x=1")), start=1):
        key, address = new_key(alg), provider.portal_origin + path
        signs: dict[str, Any] = {}
        if request.param == "signed":
            signs = {
                "require_signed_request_object": True, "request_object_signing_alg": alg,
                "authorization_signed_response_alg": alg,
            }  # fmt: skip
        client_id, _ = provider.add_portal(
            f"fapi-{request.param}-{number}", security_profile="fapi2", token_endpoint_auth_method="private_key_jwt",
            require_par=True, dpop_bound_access_tokens=True, refresh_rotation=False, id_token_signed_response_alg=alg,
            jwks={"keys": [public(key, alg, "client-key")]}, redirect_uris=[address], **signs,
        )  # fmt: skip
        extra = {"response_mode": "jwt"} if signs else {}
        made.append((Client(client_id, None, address, "private_key_jwt", alg, extra), key, alg))
    return made


@pytest.fixture
def fapi(suite: Suite, registered: list[tuple[Client, Key, str]]) -> FAPIClient:
    client, key, alg = registered[0]
    return FAPIClient(suite, client, key, alg, signs=bool(client.extra))


@pytest.fixture
def second(suite: Suite, registered: list[tuple[Client, Key, str]]) -> FAPIClient:
    client, key, alg = registered[1]
    return FAPIClient(suite, client, key, alg, signs=bool(client.extra))
