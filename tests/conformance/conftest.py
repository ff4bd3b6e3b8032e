"""One provider for all modules of a worker; a fresh browser and clients for each module."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

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


@pytest.fixture
def suite(provider: Provider, chromium: Browser) -> Iterator[Suite]:
    run = Suite(provider, chromium)
    yield run
    run.close()


@pytest.fixture
def client(clients: dict[str, Client]) -> Client:
    return clients["basic"]
