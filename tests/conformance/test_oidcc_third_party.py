"""oidcc-3rdparty-init-login-certification-test-plan: a sign-in that begins at the provider."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.conformance.provider import Provider
from tests.conformance.suite import Answer, Suite


@pytest.fixture
def invite(provider: Provider, request: pytest.FixtureRequest) -> str:
    """An initial access token, as an operator hands one to a portal's developer."""
    return provider.invite(f"third-{abs(hash(request.node.name)) % 10**6}")


def register(suite: Suite, invite: str, **changes: object) -> Answer:
    body = {
        "redirect_uris": [f"{suite.provider.portal_origin}/callback"], "client_name": "Third",
        "initiate_login_uri": f"{suite.provider.portal_origin}/login", **changes,
    }  # fmt: skip
    return suite.wire.send_json("POST", suite.metadata["registration_endpoint"], body, bearer=invite)


def test_oidcc_3rd_party_init_login(suite: Suite, invite: str) -> None:
    made = register(suite, invite)
    assert made.status == 201, made.text
    address = f"{suite.provider.portal_origin}/login"
    assert made.json["initiate_login_uri"] == address
    token = made.json["registration_access_token"]
    read = suite.wire.send("GET", made.json["registration_client_uri"], headers={"Authorization": f"Bearer {token}"})
    assert read.status == 200
    assert json.loads(read.text)["initiate_login_uri"] == address
    slug = made.json["client_id"].split(".")[0]
    suite.provider.link(slug)
    page = suite.page()
    before = len(suite.provider.portal_side.received)
    page.goto(f"{suite.provider.issuer}/{slug}/login")
    while suite.sign_in_on(page):
        pass
    page.wait_for_url(f"{suite.provider.portal_origin}/**")
    assert urlsplit(page.url).path == "/login"
    assert dict(parse_qsl(urlsplit(page.url).query))["iss"] == suite.provider.issuer
    assert len(suite.provider.portal_side.received) > before
    page.close()


def test_oidcc_3rd_party_init_login_nohttps(suite: Suite, invite: str) -> None:
    refused = register(suite, invite, initiate_login_uri="http://rp.connect.test/login")
    assert refused.status == 400
    assert refused.json["error"] == "invalid_client_metadata"
