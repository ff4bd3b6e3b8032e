"""openid-client (npm) as the portal: what it demands of a provider, it must get; what it must refuse, it refuses."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.interop.conftest import EMAIL, KEYS, Connect, Registered
from tests.interop.node_party import FOLDER, NodeParty, Refused
from tests.support.served import RemotePerson

pytestmark = pytest.mark.in_turns("connect")  # each kind of client by http or by https

SCOPE = "openid profile email phone insurance offline_access"
CLIENTS = [
    ("client_secret_basic", "RS256", "RS256"),
    ("client_secret_post", "RS256", "ES256"),
    ("private_key_jwt", "RS256", "PS256"),
    ("private_key_jwt", "PS256", "RS256"),
    ("private_key_jwt", "ES256", "ES256"),
    ("private_key_jwt", "EdDSA", "EdDSA"),
]


@pytest.fixture
def rp(connect: Connect) -> Iterator[NodeParty]:
    made = NodeParty("relying_party.mjs", connect.authority)
    yield made
    made.close()


def discover(rp: NodeParty, connect: Connect, known: Registered) -> dict[str, Any]:
    portal = known.portal
    auth = {
        "method": portal.token_endpoint_auth_method, "secret": known.secret,
        "key": KEYS[known.alg].as_dict(private=True) if known.secret is None else None, "alg": known.alg,
    }  # fmt: skip
    return rp.do(
        "discover", issuer=connect.issuer, client_id=portal.client_id, auth=auth,
        id_token_signed_response_alg=portal.id_token_signed_response_alg,
    )  # fmt: skip


def ask(rp: NodeParty, person: RemotePerson, known: Registered, **parameters: Any) -> dict[str, Any]:
    """Let the portal ask and the person's browser go; `answer` is where it arrives."""
    asked = rp.do("request", redirect_uri=known.redirect_uri, scope=SCOPE, **parameters)
    person.open(asked.pop("url"))
    return asked


def come_back(rp: NodeParty, person: RemotePerson, known: Registered, asked: dict[str, Any]) -> dict[str, Any]:
    assert person.address.startswith(known.redirect_uri), person.text
    return rp.do("callback", url=person.address, **asked)


@pytest.mark.parametrize(("method", "alg", "id_token_alg"), CLIENTS)
def test_a_whole_life_with_a_portal(rp: NodeParty, connect: Connect, method: str, alg: str, id_token_alg: str) -> None:
    known = connect.add_portal_of_the_person(
        alg, token_endpoint_auth_method=method, id_token_signed_response_alg=id_token_alg
    )
    assert discover(rp, connect, known)["issuer"] == connect.issuer
    person = connect.person
    tokens = come_back(rp, person, known, ask(rp, person, known))
    assert (tokens["token_type"], tokens["scope"]) == ("bearer", SCOPE)
    claims = tokens["claims"]
    assert (claims["acr"], claims["amr"]) == ("mfa", ["pwd", "sms", "mfa"])

    details = rp.do("userinfo", access_token=tokens["access_token"], sub=claims["sub"])
    assert (details["email"], details["family_name"], details["phone_number"]) == (EMAIL, "Müller", "+41791234567")
    assert (details["insured_number"], details["external_id"]) == ("756.1234.5678.97", "P-1")
    with pytest.raises(Refused) as mixed_up:
        rp.do("userinfo", access_token=tokens["access_token"], sub="somebody-else")
    assert mixed_up.value.said["code"] == "OAUTH_JSON_ATTRIBUTE_COMPARISON_FAILED"

    later = rp.do("refresh", refresh_token=tokens["refresh_token"])
    assert later["refresh_token"] != tokens["refresh_token"]
    kept = ("iss", "sub", "aud", "auth_time", "sid")
    assert [later["claims"][name] for name in kept] == [claims[name] for name in kept]
    assert rp.do("userinfo", access_token=later["access_token"], sub=claims["sub"])["sub"] == claims["sub"]

    leave = rp.do(
        "logout", id_token_hint=later["id_token"], post_logout_redirect_uri=known.bye, state="see-you"
    )["url"]  # fmt: skip
    person.open(leave)
    assert person.address == f"{known.bye}?state=see-you"
    for task, given in (
        ("refresh", {"refresh_token": later["refresh_token"]}),
        ("userinfo", {"access_token": later["access_token"], "sub": claims["sub"]}),
    ):
        with pytest.raises(Refused):
            rp.do(task, **given)
    come_in_again(connect, rp, known)


def come_in_again(connect: Connect, rp: NodeParty, known: Registered) -> None:
    """Nobody is signed in: `prompt=none` says so, and without it the person is asked."""
    person = connect.person
    silent = ask(rp, person, known, prompt="none")
    with pytest.raises(Refused) as refused:
        come_back(rp, person, known, silent)
    assert (refused.value.said["name"], refused.value.said["oauth"]) == ("AuthorizationResponseError", "login_required")
    asked = ask(rp, person, known, ui_locales="fr", login_hint=EMAIL)
    connect.sign_in()
    assert come_back(rp, person, known, asked)["claims"]["sub"]


def test_single_sign_on_and_questions_about_time(rp: NodeParty, connect: Connect) -> None:
    known = connect.add_portal_of_the_person()
    discover(rp, connect, known)
    person = connect.person
    first = come_back(rp, person, known, ask(rp, person, known, prompt="none"))
    connect.let_pass(120)
    asked = ask(rp, person, known, max_age="3600")
    earlier = come_back(rp, person, known, {**asked, "max_age": 3600})
    assert earlier["claims"]["auth_time"] == first["claims"]["auth_time"] - 120
    with pytest.raises(Refused) as too_old:  # the client looks at auth_time itself
        come_back(rp, person, known, {**ask(rp, person, known), "max_age": 60})
    assert too_old.value.said["code"] == "OAUTH_JWT_TIMESTAMP_CHECK_FAILED"
    for parameters in ({"max_age": "60"}, {"prompt": "login"}):
        asked = ask(rp, person, known, **parameters)
        connect.sign_in()
        assert come_back(rp, person, known, {**asked, "max_age": 60})["claims"]["sub"] == first["claims"]["sub"]
        connect.let_pass(120)


def test_an_answer_that_is_not_for_this_request_is_refused(rp: NodeParty, connect: Connect) -> None:
    known = connect.add_portal_of_the_person()
    discover(rp, connect, known)
    person = connect.person

    def seen_by_the_client(asked: dict[str, Any], **changes: Any) -> str:
        with pytest.raises(Refused) as refused:
            rp.do("callback", url=person.address, **{**asked, **changes})
        return str(refused.value.said["code"])

    wrong = "OAUTH_INVALID_RESPONSE"
    asked = ask(rp, person, known)
    assert seen_by_the_client(asked, state="of-another-visit") == wrong
    honest = person.address
    person.address = honest.replace("iss=", "iss=https%3A%2F%2Fevil.example%2F&was=")
    assert seen_by_the_client(asked) == wrong
    person.address = honest.replace("iss=", "was=")
    assert seen_by_the_client(asked) == wrong
    person.address = honest
    assert seen_by_the_client(asked, nonce="of-another-visit") == "OAUTH_JWT_CLAIM_COMPARISON_FAILED"
    assert seen_by_the_client(asked) == "OAUTH_RESPONSE_BODY_ERROR"  # the code is spent
    asked = ask(rp, person, known)
    assert seen_by_the_client(asked, verifier="v" * 43) == "OAUTH_RESPONSE_BODY_ERROR"


def test_the_words_of_an_error_reach_the_portal(rp: NodeParty, connect: Connect) -> None:
    known = connect.add_portal_of_the_person()
    discover(rp, connect, known)
    person = connect.person
    for parameters, error in (
        ({"scope": "profile"}, "invalid_scope"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"request": "e30.e30."}, "request_not_supported"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
    ):
        asked = rp.do("request", **{"redirect_uri": known.redirect_uri, **parameters})
        person.open(asked.pop("url"))
        with pytest.raises(Refused) as refused:
            come_back(rp, person, known, asked)
        assert (refused.value.said["name"], refused.value.said["oauth"]) == ("AuthorizationResponseError", error)
        assert refused.value.said["description"]
    person.open(rp.do("request", redirect_uri="https://evil.example/")["url"])
    assert (person.page.status_code, urlsplit(person.address).netloc) == (400, urlsplit(connect.issuer).netloc)


def test_a_wrong_secret_and_a_foreign_refresh_token(rp: NodeParty, connect: Connect) -> None:
    known, other = connect.add_portal_of_the_person(), connect.add_portal_of_the_person()
    discover(rp, connect, known)
    tokens = come_back(rp, connect.person, known, ask(rp, connect.person, known))
    discover(rp, connect, other)
    with pytest.raises(Refused) as refused:
        rp.do("refresh", refresh_token=tokens["refresh_token"])
    assert (refused.value.said["status"], refused.value.said["oauth"]) == (400, "invalid_grant")
    discover(rp, connect, Registered(known.portal, "guessed", "RS256"))
    with pytest.raises(Refused) as refused:
        rp.do("refresh", refresh_token=tokens["refresh_token"])
    assert refused.value.said["status"] == 401
    assert refused.value.said["code"] == "OAUTH_WWW_AUTHENTICATE_CHALLENGE"
    discover(rp, connect, known)
    assert rp.do("refresh", refresh_token=tokens["refresh_token"])["claims"]["sub"] == tokens["claims"]["sub"]


def test_portals_cannot_compare_who_comes(rp: NodeParty, connect: Connect) -> None:
    subjects = []
    for details in (
        {"sector_identifier": "one.example.ch"}, {"sector_identifier": "two.example.ch"},
        {"sector_identifier": "one.example.ch"}, {"subject_type": "public"},
    ):  # fmt: skip
        known = connect.add_portal_of_the_person(**details)
        discover(rp, connect, known)
        subjects.append(come_back(rp, connect.person, known, ask(rp, connect.person, known))["claims"]["sub"])
    assert subjects[0] == subjects[2]
    assert len(set(subjects)) == 3


def test_a_stranger_is_told_nothing_by_prompt_none(rp: NodeParty, connect: Connect) -> None:
    known = connect.add_portal_of_the_person()
    discover(rp, connect, known)
    stranger = connect.new_browser()
    asked = ask(rp, stranger, known, prompt="none")
    with pytest.raises(Refused) as refused:
        come_back(rp, stranger, known, asked)
    assert refused.value.said["oauth"] == "login_required"
    assert set(parse_qs(urlsplit(stranger.address).query)) == {"error", "error_description", "state", "iss"}


def test_the_server_behaves_as_its_scheme_asks(connect: Connect) -> None:
    is_https = connect.issuer.startswith("https:")
    answer = connect.person.http.get(f"{connect.issuer}/", timeout=10)
    assert ("Strict-Transport-Security" in answer.headers) is is_https
    names = {cookie.name: cookie.secure for cookie in connect.person.http.cookies if "connect_" in cookie.name}
    assert names
    for name, is_secure in names.items():
        assert is_secure is is_https
        assert name.startswith("__Host-connect_") is is_https or name == "connect_lang"


def test_the_lock_file_names_no_host() -> None:
    packages = json.loads((FOLDER / "package-lock.json").read_text())["packages"]
    assert {"node_modules/openid-client", "node_modules/oauth4webapi"} <= set(packages)
    assert not [name for name, package in packages.items() if "resolved" in package]
    assert all("integrity" in package for name, package in packages.items() if name)
