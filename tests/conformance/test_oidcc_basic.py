"""oidcc-basic-certification-test-plan: the code flow of a confidential client, module by module."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.conformance import conditions
from tests.conformance.provider import Callback
from tests.conformance.suite import VERIFIER, Client, Shown, Suite, as_claims, challenge

pytestmark = pytest.mark.in_turns("mode")  # each module in one of the two modes

NEEDS_INTERACTION = ("login_required", "interaction_required", "consent_required", "account_selection_required")


@pytest.fixture(params=["default", "form_post"])
def mode(request: pytest.FixtureRequest, suite: Suite, client: Client) -> dict[str, str | None]:
    """The plan runs once as it is, and once more as oidcc-formpost-basic-certification-test-plan."""
    return {} if request.param == "default" else {"response_mode": "form_post"}


Mode = dict[str, str | None]


def test_oidcc_server(suite: Suite, client: Client, mode: Mode) -> None:
    tokens = suite.sign_in(client, **mode)
    assert "expires_in" in tokens
    assert set(suite.userinfo(tokens)) == {"sub"}


def test_oidcc_response_type_missing(suite: Suite, client: Client, mode: Mode) -> None:
    suite.refused(client, "invalid_request", "unsupported_response_type", response_type=None, **mode)


def test_oidcc_idtoken_signature(suite: Suite, client: Client, mode: Mode) -> None:
    assert "RS256" in suite.metadata["id_token_signing_alg_values_supported"]
    suite.sign_in(client, **mode)


def test_oidcc_idtoken_unsigned(suite: Suite, mode: Mode) -> None:
    """Skipped by rule: it is not offered."""
    assert "none" not in suite.metadata["id_token_signing_alg_values_supported"]


def test_oidcc_userinfo_get(suite: Suite, client: Client, mode: Mode) -> None:
    suite.userinfo(suite.sign_in(client, **mode))


def test_oidcc_userinfo_post_header(suite: Suite, client: Client, mode: Mode) -> None:
    suite.userinfo(suite.sign_in(client, **mode), method="POST")


def test_oidcc_userinfo_post_body(suite: Suite, client: Client, mode: Mode) -> None:
    suite.userinfo(suite.sign_in(client, **mode), in_body=True)


def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(suite: Suite, client: Client, mode: Mode) -> None:
    suite.sign_in(client, nonce=None, **mode)


def gives_its_claims(suite: Suite, client: Client, mode: Mode, scope: str) -> None:
    assert scope in suite.metadata["scopes_supported"]
    tokens = suite.sign_in(client, scope=f"openid {scope}", **mode)
    assert set(suite.userinfo(tokens)) == {"sub"} | conditions.STANDARD_CLAIMS[scope]


def test_oidcc_scope_profile(suite: Suite, client: Client, mode: Mode) -> None:
    gives_its_claims(suite, client, mode, "profile")


def test_oidcc_scope_email(suite: Suite, client: Client, mode: Mode) -> None:
    gives_its_claims(suite, client, mode, "email")


def test_oidcc_scope_phone(suite: Suite, client: Client, mode: Mode) -> None:
    gives_its_claims(suite, client, mode, "phone")


def test_oidcc_scope_address(suite: Suite, mode: Mode) -> None:
    """Skipped by rule: funds hold the address, portals do not get it from us."""
    assert "address" not in suite.metadata["scopes_supported"]


def test_oidcc_scope_all(suite: Suite, client: Client, mode: Mode) -> None:
    tokens = suite.sign_in(client, scope="openid profile email phone", **mode)
    wanted = set().union(*conditions.STANDARD_CLAIMS.values())
    assert set(suite.userinfo(tokens)) == {"sub"} | wanted


def test_oidcc_alternate_happy_flow(suite: Suite, client: Client, mode: Mode) -> None:
    suite.sign_in(client, scope="email openid", **mode)


def test_oidcc_display_page(suite: Suite, client: Client, mode: Mode) -> None:
    suite.sign_in(client, display="page", **mode)


def test_oidcc_display_popup(suite: Suite, client: Client, mode: Mode) -> None:
    suite.sign_in(client, display="popup", **mode)


def test_oidcc_prompt_login(suite: Suite, client: Client, mode: Mode) -> None:
    first = suite.sign_in(client, **mode)
    suite.provider.clock.advance(timedelta(seconds=2))
    second = suite.sign_in(client, prompt="login", **mode)
    assert suite.authentications == 2
    assert second["claims"]["auth_time"] > first["claims"]["auth_time"]
    assert second["claims"]["sub"] == first["claims"]["sub"]


def test_oidcc_prompt_none_not_logged_in(suite: Suite, client: Client, mode: Mode) -> None:
    suite.refused(client, *NEEDS_INTERACTION, prompt="none", state="s" * 128, **mode)


def test_oidcc_prompt_none_logged_in(suite: Suite, client: Client, mode: Mode) -> None:
    first = suite.sign_in(client, **mode)
    second = suite.sign_in(client, prompt="none", **mode)
    assert suite.authentications == 1
    assert [second["claims"][name] for name in ("sub", "auth_time")] == [
        first["claims"][name] for name in ("sub", "auth_time")
    ]


def test_oidcc_max_age_1(suite: Suite, client: Client, mode: Mode) -> None:
    first = suite.sign_in(client, **mode)
    suite.provider.clock.advance(timedelta(seconds=3))
    second = suite.sign_in(client, max_age="1", **mode)
    assert suite.authentications == 2
    assert second["claims"]["auth_time"] > first["claims"]["auth_time"]
    assert suite.now() - second["claims"]["auth_time"] < 60


def test_oidcc_max_age_10000(suite: Suite, client: Client, mode: Mode) -> None:
    first = suite.sign_in(client, max_age="15000", **mode)
    second = suite.sign_in(client, max_age="10000", **mode)
    assert suite.authentications == 1
    assert second["claims"]["auth_time"] == first["claims"]["auth_time"]


def test_oidcc_ensure_request_with_unknown_parameter_succeeds(suite: Suite, client: Client, mode: Mode) -> None:
    suite.sign_in(client, extra="foobar", **mode)


def test_oidcc_id_token_hint(suite: Suite, client: Client, mode: Mode) -> None:
    first = suite.sign_in(client, **mode)
    suite.sign_in(client, prompt="none", id_token_hint=first["id_token"], **mode)
    assert suite.authentications == 1


def test_oidcc_login_hint(suite: Suite, client: Client, mode: Mode) -> None:
    suite.sign_in(client, login_hint="buffy@op.connect.test", **mode)


def test_oidcc_ui_locales(suite: Suite, client: Client, mode: Mode) -> None:
    suite.sign_in(client, ui_locales="se", **mode)


def test_oidcc_claims_locales(suite: Suite, client: Client, mode: Mode) -> None:
    suite.sign_in(client, claims_locales="se", **mode)


def test_oidcc_ensure_request_with_acr_values_succeeds(suite: Suite, client: Client, mode: Mode) -> None:
    offered = suite.metadata["acr_values_supported"]
    tokens = suite.sign_in(client, acr_values=" ".join(offered), **mode)
    assert tokens["claims"]["acr"] in offered


def test_oidcc_codereuse(suite: Suite, client: Client, mode: Mode) -> None:
    code = suite.code(client, **mode)
    suite.tokens(client, code)
    again = suite.redeem(client, code)
    conditions.check_token_error(again.status, again.headers, again.json, "invalid_grant")


def test_oidcc_codereuse_30seconds(suite: Suite, client: Client, mode: Mode) -> None:
    code = suite.code(client, **mode)
    tokens = suite.tokens(client, code)
    suite.provider.clock.advance(timedelta(seconds=30))
    again = suite.redeem(client, code)
    conditions.check_token_error(again.status, again.headers, again.json, "invalid_grant")
    bearer = {"Authorization": f"Bearer {tokens['access_token']}"}
    revoked = suite.wire.send("GET", suite.metadata["userinfo_endpoint"], headers=bearer)
    assert revoked.status == 401
    assert "www-authenticate" in revoked.headers


def test_oidcc_ensure_registered_redirect_uri(suite: Suite, client: Client, mode: Mode) -> None:
    foreign = f"{suite.provider.portal_origin}/other"
    shown = suite.authorize(client, redirect_uri=foreign, **mode)
    assert isinstance(shown, Shown)
    assert shown.status == 400


def test_oidcc_ensure_post_request_succeeds(suite: Suite, client: Client, mode: Mode) -> None:
    suite.tokens(client, suite.code(client, method="POST", **mode))


def test_oidcc_server_client_secret_post(suite: Suite, clients: dict[str, Client], mode: Mode) -> None:
    suite.sign_in(clients["post"], **mode)


def test_oidcc_request_uri_unsigned_supported_correctly_or_rejected_as_unsupported(
    suite: Suite, client: Client, mode: Mode
) -> None:
    assert suite.metadata["request_uri_parameter_supported"] is False
    address = f"{suite.provider.portal_origin}/request"
    suite.refused(client, "request_uri_not_supported", request_uri=address, **mode)


def test_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(
    suite: Suite, client: Client, mode: Mode
) -> None:
    unsigned = "eyJhbGciOiJub25lIn0.eyJzY29wZSI6Im9wZW5pZCJ9."
    suite.refused(client, "request_not_supported", "invalid_request_object", request=unsigned, **mode)


def test_oidcc_claims_essential(suite: Suite, client: Client, mode: Mode) -> None:
    wanted = as_claims(userinfo={"name": {"essential": True}})
    tokens = suite.sign_in(client, claims=wanted, **mode)
    assert suite.userinfo(tokens)["name"] == "Buffy Été"
    assert "name" not in tokens["claims"]


def test_oidcc_ensure_request_object_with_redirect_uri(suite: Suite, client: Client, mode: Mode) -> None:
    unsigned = "eyJhbGciOiJub25lIn0.eyJzY29wZSI6Im9wZW5pZCJ9."
    foreign = f"{suite.provider.portal_origin}/other"
    shown = suite.authorize(client, redirect_uri=foreign, request=unsigned, **mode)
    assert isinstance(shown, Shown)
    assert shown.status == 400


def test_oidcc_refresh_token(suite: Suite, clients: dict[str, Client], mode: Mode) -> None:
    first, second = clients["basic"], clients["second"]
    scope = "openid offline_access"
    tokens = suite.sign_in(first, scope=scope, prompt="consent", **mode)
    suite.provider.clock.advance(timedelta(seconds=2))
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"]}
    stolen = suite.token(second, form)
    conditions.check_token_error(stolen.status, stolen.headers, stolen.json, "invalid_grant")
    answer = suite.token(first, {**form, "scope": scope})
    conditions.check_token_answer(answer.status, answer.headers, answer.json, token_type="Bearer")
    assert answer.json["access_token"] != tokens["access_token"]
    renewed = {**answer.json, "claims": suite.id_token(first, answer.json, None)}
    for name in ("iss", "sub", "aud", "auth_time"):
        assert renewed["claims"][name] == tokens["claims"][name]
    assert renewed["claims"]["iat"] > tokens["claims"]["iat"]
    suite.userinfo(renewed)
    assert {"refresh_token"} <= set(suite.metadata["grant_types_supported"])
    assert "offline_access" in suite.metadata["scopes_supported"]


def test_oidcc_ensure_request_with_valid_pkce_succeeds(suite: Suite, client: Client, mode: Mode) -> None:
    code = suite.code(client, code_challenge=challenge(), code_challenge_method="S256", **mode)
    suite.tokens(client, code, code_verifier=VERIFIER)


def test_every_answer_came_to_the_registered_address(suite: Suite, client: Client) -> None:
    """What no module asks by itself: nothing ever reached the portal anywhere else."""
    suite.sign_in(client)
    paths = {callback.path for callback in suite.provider.portal_side.received if isinstance(callback, Callback)}
    assert paths <= {"/callback", "/bye", "/start", "/login"}  # the last where a third party begins the sign-in
