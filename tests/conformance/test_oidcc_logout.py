"""oidcc-rp-initiated-logout- and oidcc-backchannel-rp-initiated-logout-certification-test-plan."""

from __future__ import annotations

import json
import time
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
from joserfc import jws
from joserfc.jwk import KeySet, RSAKey

from tests.conformance import conditions
from tests.conformance.provider import Callback, Provider
from tests.conformance.suite import Client, Shown, Suite

EVENT = "http://schemas.openid.net/event/backchannel-logout"
LOGGED_OUT = ("login_required", "interaction_required", "account_selection_required", "consent_required")
WAIT_S = 10.0


def bye(suite: Suite) -> str:
    return f"{suite.provider.portal_origin}/bye"


def log_out(suite: Suite, **parameters: str | None) -> Callback | Shown:
    kept = {name: value for name, value in parameters.items() if value is not None}
    query = f"?{urlencode(kept)}" if kept else ""
    return suite.visit(suite.metadata["end_session_endpoint"] + query)


def stays(suite: Suite, **parameters: str | None) -> Shown:
    """The person is shown a page of the provider; nothing is sent to the address."""
    shown = log_out(suite, **parameters)
    assert isinstance(shown, Shown), shown
    return shown


def confirm(suite: Suite, **parameters: str | None) -> None:
    """Where the provider asks first, the person says yes and sees that they are signed out."""
    kept = {name: value for name, value in parameters.items() if value is not None}
    page = suite.page()
    page.goto(suite.metadata["end_session_endpoint"] + (f"?{urlencode(kept)}" if kept else ""))
    if page.locator("main form[method=post] button[type=submit]").count():
        page.locator("main form[method=post] button[type=submit]").first.click()
        page.wait_for_load_state("load")
    assert page.url.startswith(suite.provider.issuer)
    assert "signed out" in page.inner_text("main").lower()
    page.close()


def is_logged_out(suite: Suite, client: Client) -> None:
    suite.refused(client, *LOGGED_OUT, prompt="none")


def is_still_logged_in(suite: Suite, client: Client) -> None:
    suite.code(client, prompt="none")


def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(suite: Suite) -> None:
    assert suite.metadata["end_session_endpoint"].startswith(f"{suite.provider.issuer}/")
    conditions.check_jwks(suite.keys)


def test_oidcc_rp_initiated_logout(suite: Suite, client: Client) -> None:
    tokens = suite.sign_in(client)
    answer = log_out(suite, id_token_hint=tokens["id_token"], post_logout_redirect_uri=bye(suite), state="s" * 128)
    assert isinstance(answer, Callback)
    assert answer.path == "/bye"
    assert answer.parameters == {"state": "s" * 128}
    is_logged_out(suite, client)


def test_oidcc_rp_initiated_logout_no_state(suite: Suite, client: Client) -> None:
    tokens = suite.sign_in(client)
    answer = log_out(suite, id_token_hint=tokens["id_token"], post_logout_redirect_uri=bye(suite))
    assert isinstance(answer, Callback)
    assert answer.path == "/bye"
    assert answer.query == []
    is_logged_out(suite, client)


def stays_for(suite: Suite, client: Client, path: str) -> None:
    """Everything is right but the address."""
    address = suite.provider.portal_origin + path
    stays(suite, id_token_hint=suite.sign_in(client)["id_token"], state="x", post_logout_redirect_uri=address)


def test_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(suite: Suite, client: Client) -> None:
    stays_for(suite, client, "/other")


def test_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(suite: Suite, client: Client) -> None:
    stays_for(suite, client, "/bye?extra=1")


def signed_by_somebody_else(claims: dict[str, Any]) -> str:
    key = RSAKey.generate_key(2048)
    return jws.serialize_compact({"alg": "RS256", "kid": "foreign"}, json.dumps(claims).encode(), key)


def unsigned(token: str) -> str:
    _, payload, _ = token.split(".")
    return f"eyJhbGciOiJub25lIn0.{payload}."


def test_oidcc_rp_initiated_logout_bad_id_token_hint(suite: Suite, client: Client) -> None:
    hint = signed_by_somebody_else(suite.sign_in(client)["claims"])
    stays(suite, id_token_hint=hint, post_logout_redirect_uri=bye(suite), state="x")
    is_still_logged_in(suite, client)


def test_oidcc_rp_initiated_logout_modified_id_token_hint(suite: Suite, client: Client) -> None:
    hint = unsigned(suite.sign_in(client)["id_token"])
    stays(suite, id_token_hint=hint, post_logout_redirect_uri=bye(suite), state="x")
    is_still_logged_in(suite, client)


def test_oidcc_rp_initiated_logout_no_id_token_hint(suite: Suite, client: Client) -> None:
    suite.sign_in(client)
    stays(suite, post_logout_redirect_uri=bye(suite), state="x")


def test_oidcc_rp_initiated_logout_no_params(suite: Suite, client: Client) -> None:
    suite.sign_in(client)
    confirm(suite)
    is_logged_out(suite, client)


def test_oidcc_rp_initiated_logout_only_state(suite: Suite, client: Client) -> None:
    suite.sign_in(client)
    confirm(suite, state="only")
    is_logged_out(suite, client)


def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(suite: Suite, client: Client) -> None:
    tokens = suite.sign_in(client)
    confirm(suite, id_token_hint=tokens["id_token"], state="x")
    is_logged_out(suite, client)


@pytest.fixture(scope="session")
def told(provider: Provider) -> Client:
    """A portal that is told of every logout behind the browser's back."""
    client_id, secret = provider.add_portal(
        "told", require_pkce=False, backchannel_logout_uri=f"https://localhost:{provider.portal_side.port}/backchannel",
        backchannel_logout_session_required=True,
    )  # fmt: skip
    return Client(client_id, secret, f"{provider.portal_origin}/callback")


def test_oidcc_backchannel_logout_discovery_endpoint_verification(suite: Suite) -> None:
    assert suite.metadata["backchannel_logout_supported"] is True
    assert suite.metadata["backchannel_logout_session_supported"] is True


def test_oidcc_backchannel_rp_initiated_logout(suite: Suite, told: Client) -> None:
    tokens = suite.sign_in(told)
    before = len(suite.provider.portal_side.logout_tokens)
    answer = log_out(suite, id_token_hint=tokens["id_token"], post_logout_redirect_uri=bye(suite), state="x")
    assert isinstance(answer, Callback)
    assert answer.parameters == {"state": "x"}
    deadline = time.monotonic() + WAIT_S
    while len(suite.provider.portal_side.logout_tokens) == before and time.monotonic() < deadline:
        suite.provider.deliver()
    (token,) = suite.provider.portal_side.logout_tokens[before:]
    signed = jws.deserialize_compact(token.encode(), KeySet.import_key_set(suite.keys), algorithms=["RS256"])
    assert signed.headers()["kid"]
    assert signed.headers()["typ"] == "logout+jwt"
    claims = json.loads(signed.payload)
    assert claims["iss"] == suite.provider.issuer
    assert claims["aud"] in (told.client_id, [told.client_id])
    assert abs(claims["iat"] - suite.now()) < 300
    assert claims["jti"]
    assert "nonce" not in claims
    assert claims["events"] == {EVENT: {}}
    assert claims["sub"] == tokens["claims"]["sub"]
    assert claims["sid"] == tokens["claims"]["sid"]
    is_logged_out(suite, told)


def test_an_expired_hint_still_signs_out(suite: Suite, client: Client) -> None:
    tokens = suite.sign_in(client)
    suite.provider.clock.advance(timedelta(minutes=20))
    answer = log_out(suite, id_token_hint=tokens["id_token"], post_logout_redirect_uri=bye(suite), state="x")
    assert isinstance(answer, Callback)
    assert answer.parameters == {"state": "x"}


def test_an_access_token_is_no_hint(suite: Suite, client: Client) -> None:
    tokens = suite.sign_in(client)
    stays(suite, id_token_hint=tokens["access_token"], post_logout_redirect_uri=bye(suite), state="x")
    conditions.check_jwks(suite.keys)
